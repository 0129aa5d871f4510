%% Which subscriptions lag, and which have nobody to deliver to, is seen; those are removed where that is
%% configured.
-module(subscription_health_tests).

-include_lib("eunit/include/eunit.hrl").

-import(esdb_fixture, [start/1, stop/2]).

-define(STORE, default_store).
-define(WAIT_MS, 20000).

health_test_() ->
    [
        {Title, {timeout, 60, Test}}
     || {Title, Test} <- [
            {"one whose node does not read", fun does_not_read/0},
            {"one that acknowledges late", fun acknowledges_late/0},
            {"one whose process or node is gone", fun gone/0},
            {"those that nobody comes back for are removed", fun removed/0}
        ]
    ].

does_not_read() ->
    {Client, Server} = start(#{}),
    Stopped = esdb_peer:start(),
    ok = esdb_peer:run(Stopped, fun() ->
        pong = net_adm:ping(esdb_server:node(Server)),
        esdb_client:join(?STORE)
    end),
    _ = esdb_peer:run(Stopped, fun() -> subscribe(<<"deaf">>, <<"d">>) end),
    until(Client, <<"deaf">>, fun(#{status := S, health := H}) -> {S, H} =:= {live, healthy} end),
    ok = esdb_peer:signal(Stopped, "STOP"),
    append(Client, <<"d">>, 3000),
    until(Client, <<"deaf">>, fun(#{status := S, health := H, lag_events := L}) ->
        {S, H} =:= {catching_up, lagging} andalso L > 1000
    end),
    ok = esdb_peer:signal(Stopped, "CONT"),
    until(Client, <<"deaf">>, fun(#{status := S, health := H, lag_events := L}) ->
        {S, H, L} =:= {live, healthy, 0}
    end),
    stop([Client, Stopped], Server).

acknowledges_late() ->
    {Client, Server} = start(#{}),
    Pid = esdb_peer:run(Client, fun() -> subscribe(<<"late">>, <<"l">>) end),
    append(Client, <<"l">>, 2000),
    Ack = fun(Version) ->
        Event = #{stream_id => <<"l">>, version => Version},
        ok = call(Client, {ack_event, ?STORE, <<"late">>, Pid, Event})
    end,
    Ack(9),
    until(Client, <<"late">>, fun(#{status := S, health := H, lag_events := L}) ->
        {S, H, L} =:= {live, lagging, 1990}
    end),
    Ack(1999),
    until(Client, <<"late">>, fun(#{health := H, lag_events := L}) -> {H, L} =:= {healthy, 0} end),
    stop([Client], Server).

gone() ->
    {Client, Server} = start(#{}),
    Other = esdb_peer:start(),
    ok = esdb_peer:run(Other, fun() ->
        pong = net_adm:ping(esdb_server:node(Server)),
        esdb_client:join(?STORE)
    end),
    _ = esdb_peer:run(Other, fun() -> subscribe(<<"far">>, <<"f">>) end),
    Near = esdb_peer:run(Client, fun() -> subscribe(<<"near">>, <<"n">>) end),
    until(Client, <<"near">>, fun(#{health := H, absent_ms := A}) -> {H, A} =:= {healthy, 0} end),
    esdb_peer:run(Client, fun() -> exit(Near, kill) end),
    until(Client, <<"near">>, fun(#{status := S, health := H, absent_ms := A}) ->
        {S, H} =:= {parked, orphaned} andalso A > 0
    end),
    ok = esdb_peer:kill(Other),
    until(Client, <<"far">>, fun(#{status := S, health := H}) ->
        {S, H} =:= {disconnected, stale}
    end),
    stop([Client], Server).

removed() ->
    {Client, Server} = start(#{args => ["--forget-subscriptions-seconds", "1"]}),
    [Dies, Lives, Moves] = esdb_peer:run(Client, fun() ->
        [subscribe(Name, Name) || Name <- [<<"dies">>, <<"lives">>, <<"moves">>]]
    end),
    esdb_peer:run(Client, fun() -> [exit(Pid, kill) || Pid <- [Dies, Moves]] end),
    _ = esdb_peer:run(Client, fun() -> subscribe(<<"moves">>, <<"moves">>) end),
    Names = fun() ->
        {ok, All} = call(Client, {get_subscriptions, ?STORE}),
        lists:sort([Name || #{subscription_name := Name} <- All])
    end,
    Left = [<<"lives">>, <<"moves">>],
    ok = esdb_wait:until(fun() -> Names() =:= Left end, ?WAIT_MS),
    %% after a start the time begins anew, and the subscriber is found again
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    Left = Names(),
    append(Client, <<"lives">>, 1),
    ok = esdb_peer:run(Client, fun() ->
        Lives ! {count, self()},
        receive
            {counted, 1} -> ok
        end
    end),
    stop([Client], Again).

%% --- the suite's side

append(Client, Stream, Count) ->
    Events = [#{event_type => <<"t">>, data => binary:copy(<<"x">>, 100)} || _ <- lists:seq(1, Count)],
    {ok, _} = esdb_peer:call(Client, esdb_client, append, [?STORE, Stream, Events]).

call(Client, Request) ->
    esdb_peer:call(Client, esdb_client, call, [?STORE, Request]).

until(Client, Name, Is) ->
    esdb_wait:until(
        fun() ->
            {ok, #{subscriptions := All}} = call(Client, {subscription_health, ?STORE}),
            [One] = [S || #{subscription_name := N} = S <- All, N =:= Name],
            Is(One) orelse One
        end,
        ?WAIT_MS
    ).

%% --- the client's side

subscribe(Name, Stream) ->
    Pid = spawn(fun() -> keep(0) end),
    {ok, _} = esdb_client:call(
        ?STORE, {save_subscription, ?STORE, by_stream, Stream, Name, 0, Pid}
    ),
    Pid.

%% counts what it gets, and tells once it has got something
keep(Count) ->
    receive
        {events, Events} ->
            keep(Count + length(Events));
        {count, To} when Count > 0 ->
            To ! {counted, Count},
            keep(Count)
    end.
