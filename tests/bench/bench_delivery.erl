%% How fast events reach subscribers, beside how fast a BEAM node sends the same terms to another.
%%
%% Runs on the client node, as bench_work does. A measurement makes subscriptions of its own and takes
%% them away again. Where no single call is timed, p50 and p99 are the time that an event takes.
-module(bench_delivery).

-export([measure/2, watched/2]).

-define(STORE, default_store).
-define(CALL_MS, 60000).
-define(HISTORY, <<"delivery-history">>).
-define(EVENTS, 100000).
-define(BATCH, 100).
-define(PAYLOAD, 256).

%% `Peers` are the worker and the process on another BEAM node that sends what it keeps on demand.
-spec measure(bench_work:name(), map()) -> bench_load:result().
measure(replay, #{store := Store}) ->
    fill(Store),
    {Nanoseconds, ok} = timed(fun() ->
        subscribe(Store, <<"replay">>, ?HISTORY, 0),
        take(?EVENTS)
    end),
    remove(Store, <<"replay">>),
    result(?EVENTS, Nanoseconds);
measure(replay_sent, #{store := Store, echo := Echo}) ->
    fill(Store),
    %% it keeps lists of 100
    {Nanoseconds, ok} = timed(fun() ->
        Echo ! {send, self(), ?EVENTS div ?BATCH},
        take(?EVENTS)
    end),
    result(?EVENTS, Nanoseconds);
measure(latency, #{store := Store}) ->
    Stream = <<"delivery-latency">>,
    Me = self(),
    Subscriber = spawn_link(fun() -> stamp(Me) end),
    subscribe(Store, <<"latency">>, Stream, current, Subscriber),
    warm(Store, Stream, 100),
    Latencies = lists:sort([latency(Store, Stream) || _ <- lists:seq(1, 2000)]),
    remove(Store, <<"latency">>),
    #{
        rate => 1.0e9 / max(1, lists:sum(Latencies) / 2000),
        calls => 2000,
        p50 => lists:nth(1000, Latencies) / 1000,
        p99 => lists:nth(1980, Latencies) / 1000
    };
measure(live_1, Peers) ->
    live(1, Peers);
measure(live_100, Peers) ->
    live(100, Peers).

%% What a measurement gives while 10,000 subscriptions are there, none of which is for its events.
-spec watched(map(), fun(() -> Result)) -> Result.
watched(#{store := Store}, Measure) ->
    Pid = spawn_link(fun() -> receive stop -> ok end end),
    Names = [<<"watch-", (integer_to_binary(N))/binary>> || N <- lists:seq(1, 10000)],
    [
        gen_server:cast(Store, {save_subscription, ?STORE, by_stream, Name, Name, current, Pid})
     || Name <- Names
    ],
    %% answered when all those before are durable
    {ok, _} = gen_server:call(Store, {get_subscription, ?STORE, lists:last(Names)}, ?CALL_MS),
    Result = Measure(),
    [
        gen_server:cast(Store, {remove_subscription, ?STORE, by_stream, Name, Name})
     || Name <- Names
    ],
    {error, not_found} =
        gen_server:call(Store, {get_subscription, ?STORE, lists:last(Names)}, ?CALL_MS),
    unlink(Pid),
    Pid ! stop,
    Result.

live(Subscribers, #{store := Store}) ->
    Stream = <<"delivery-live-", (integer_to_binary(Subscribers))/binary>>,
    Me = self(),
    Events = 200000 div (10 + Subscribers),
    Names = [<<"live-", (integer_to_binary(N))/binary>> || N <- lists:seq(1, Subscribers)],
    Pids = [
        begin
            Pid = spawn_link(fun() ->
                take(1 + Events),
                Me ! {done, self()}
            end),
            subscribe(Store, Name, Stream, current, Pid),
            Pid
        end
     || Name <- Names
    ],
    append(Store, Stream, 1),
    {Nanoseconds, _} = timed(fun() ->
        write(Store, Stream, Events),
        [
            receive
                {done, Pid} -> ok
            end
         || Pid <- Pids
        ]
    end),
    [remove(Store, Name) || Name <- Names],
    result(Subscribers * Events, Nanoseconds).

result(Events, Nanoseconds) ->
    Each = Nanoseconds / Events / 1000,
    #{rate => Events * 1.0e9 / Nanoseconds, calls => Events, p50 => Each, p99 => Each}.

fill(Store) ->
    case gen_server:call(Store, {get_version, ?STORE, ?HISTORY}, ?CALL_MS) of
        -1 -> write(Store, ?HISTORY, ?EVENTS);
        _ -> ok
    end.

write(Store, Stream, Events) ->
    [append(Store, Stream, ?BATCH) || _ <- lists:seq(1, Events div ?BATCH)],
    append(Store, Stream, Events rem ?BATCH).

append(Store, Stream, Count) ->
    Events = [
        #{event_type => <<"measured">>, data => #{payload => rand:bytes(?PAYLOAD)}}
     || _ <- lists:seq(1, Count)
    ],
    {ok, _} = gen_server:call(Store, {append_events, ?STORE, Stream, Events}, ?CALL_MS),
    ok.

subscribe(Store, Name, Stream, Start) ->
    subscribe(Store, Name, Stream, Start, self()).

subscribe(Store, Name, Stream, Start, Pid) ->
    Save = {save_subscription, ?STORE, by_stream, Stream, Name, Start, Pid},
    {ok, _} = gen_server:call(Store, Save, ?CALL_MS).

remove(Store, Name) ->
    ok = gen_server:call(Store, {remove_subscription, ?STORE, by_stream, x, Name}, ?CALL_MS).

take(Count) when Count =< 0 -> ok;
take(Count) ->
    receive
        {events, Events} -> take(Count - length(Events))
    after ?CALL_MS -> error({missing, Count})
    end.

stamp(To) ->
    receive
        {events, _} -> To ! {came, erlang:monotonic_time(nanosecond)}
    end,
    stamp(To).

warm(Store, Stream, Times) ->
    [latency(Store, Stream) || _ <- lists:seq(1, Times)].

%% from the reply to the message; negative if the message came first
latency(Store, Stream) ->
    append(Store, Stream, 1),
    Answered = erlang:monotonic_time(nanosecond),
    receive
        {came, Came} -> Came - Answered
    end.

timed(Work) ->
    Start = erlang:monotonic_time(nanosecond),
    Result = Work(),
    {erlang:monotonic_time(nanosecond) - Start, Result}.
