%% An EUnit listener that prints failures in full, one line per test, and returns the counts.
-module(esdb_report).
-behaviour(eunit_listener).

-export([run/1]).
-export([start/1, init/1, handle_begin/3, handle_end/3, handle_cancel/3, terminate/2]).

%% Runs the module's tests; a cancelled group or one that cannot be set up counts as one failure.
-spec run(module()) -> {Passed :: non_neg_integer(), Failed :: non_neg_integer()}.
run(Module) ->
    Reference = make_ref(),
    Listener = {?MODULE, [{owner, self()}, {reference, Reference}]},
    _ = eunit:test(Module, [no_tty, {report, Listener}]),
    receive
        {Reference, Passed, Failed} -> {Passed, Failed}
    after 5000 -> {0, 1}
    end.

%% Of terms in failures: a list of thousands of events helps nobody.
-define(DEPTH, 100).

-spec start(list()) -> pid().
start(Options) ->
    eunit_listener:start(?MODULE, Options).

-spec init(list()) -> map().
init(Options) ->
    #{
        owner => proplists:get_value(owner, Options),
        reference => proplists:get_value(reference, Options),
        cancelled => 0
    }.

-spec handle_begin(atom(), list(), map()) -> map().
handle_begin(_, _, State) ->
    State.

-spec handle_end(atom(), list(), map()) -> map().
handle_end(group, _, State) ->
    State;
handle_end(test, Data, State) ->
    Time = proplists:get_value(time, Data, 0),
    case proplists:get_value(status, Data) of
        ok ->
            io:format("  ok    ~ts (~b ms)~n", [title(Data), Time]);
        {error, Reason} ->
            io:format("  FAIL  ~ts~n~tP~n", [title(Data), Reason, ?DEPTH]),
            print_output(Data);
        Other ->
            io:format("  FAIL  ~ts~n~tp~n", [title(Data), Other])
    end,
    State.

-spec handle_cancel(atom(), list(), map()) -> map().
handle_cancel(_, Data, State = #{cancelled := Cancelled}) ->
    case proplists:get_value(reason, Data) of
        undefined ->
            State;
        Reason ->
            io:format("  FAIL  ~ts: cancelled~n~tp~n", [title(Data), Reason]),
            State#{cancelled := Cancelled + 1}
    end.

-spec terminate(term(), map()) -> term().
terminate({ok, Data}, #{owner := Owner, reference := Reference, cancelled := Cancelled}) ->
    Failed = proplists:get_value(fail, Data) + max(Cancelled, proplists:get_value(cancel, Data)),
    Owner ! {Reference, proplists:get_value(pass, Data), Failed};
terminate({error, Reason}, #{owner := Owner, reference := Reference}) ->
    io:format("  FAIL  the suite was aborted~n~tp~n", [Reason]),
    Owner ! {Reference, 0, 1}.

title(Data) ->
    Source =
        case proplists:get_value(source, Data) of
            {Module, Name, _} -> io_lib:format("~ts:~ts", [Module, Name]);
            _ -> "group"
        end,
    case proplists:get_value(desc, Data) of
        Empty when Empty =:= undefined; Empty =:= "" -> Source;
        Description -> Description
    end.

print_output(Data) ->
    case proplists:get_value(output, Data, <<>>) of
        <<>> -> ok;
        Output -> io:format("output:~n~ts~n", [Output])
    end.
