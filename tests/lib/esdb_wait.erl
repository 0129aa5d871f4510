%% Waiting for a condition, with a deadline. Tests never sleep for a guessed time.
-module(esdb_wait).

-export([until/1, until/2, value/2]).

-define(INTERVAL_MS, 10).

%% Polls until Fun returns true; fails with `{not_in_time, Milliseconds, LastValue}` after 10 s.
-spec until(fun(() -> term())) -> ok.
until(Fun) ->
    until(Fun, 10000).

%% Polls until Fun returns true, for at most Milliseconds.
-spec until(fun(() -> term()), pos_integer()) -> ok.
until(Fun, Milliseconds) ->
    poll(
        fun() ->
            case Fun() of
                true -> {value, ok};
                Other -> {again, Other}
            end
        end,
        Milliseconds
    ).

%% Polls until Fun returns `{value, Value}` and returns that value; anything else means: ask again.
-spec value(fun(() -> term()), pos_integer()) -> term().
value(Fun, Milliseconds) ->
    poll(
        fun() ->
            case Fun() of
                {value, _} = Found -> Found;
                Other -> {again, Other}
            end
        end,
        Milliseconds
    ).

poll(Ask, Milliseconds) ->
    poll(Ask, Milliseconds, erlang:monotonic_time(millisecond) + Milliseconds).

poll(Ask, Milliseconds, Deadline) ->
    case Ask() of
        {value, Value} ->
            Value;
        {again, Last} ->
            case erlang:monotonic_time(millisecond) >= Deadline of
                true ->
                    error({not_in_time, Milliseconds, Last});
                false ->
                    receive
                    after ?INTERVAL_MS -> ok
                    end,
                    poll(Ask, Milliseconds, Deadline)
            end
    end.
