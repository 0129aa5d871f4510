%% Whatever restarts or is cut, delivery goes on where it was, without anything that the client does.
-module(subscription_recovery_tests).

-include_lib("eunit/include/eunit.hrl").

-import(esdb_fixture, [start/1, stop/2]).

-define(STORE, default_store).
-define(WAIT_MS, 20000).

recovery_test_() ->
    [
        {Title, {timeout, 60, Test}}
     || {Title, Test} <- [
            {"the server is killed", fun server_killed/0},
            {"the subscriber's node is killed", fun node_killed/0},
            {"the connection is cut", fun connection_cut/0},
            {"a connection that is lost as soon as it is made is made again", fun connection_flaps/0},
            {"a node that does not read disturbs nobody", fun node_stopped/0},
            {"what was acknowledged and parked survives a kill", fun acknowledgements_survive/0},
            {"a persistent subscription survives its consumers", fun consumers_go/0},
            {"those that cannot match cost nothing", fun many_subscriptions/0}
        ]
    ].

%% The server looks for the subscriber's node: it was not told to connect with it.
server_killed() ->
    {Client, Server} = start(#{}),
    Collector = esdb_peer:run(Client, fun() -> subscribe(<<"survivor">>, <<"s">>) end),
    append(Client, <<"s">>, [1, 2]),
    [1, 2] = collected(Client, Collector, 2),
    %% what was sent before is saved within this time; otherwise it would come again
    ok = esdb_wait:until(fun() -> saved(Client, <<"survivor">>, 2) end, ?WAIT_MS),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server, #{connect => []}),
    ok = esdb_wait:until(fun() -> status(Client, <<"survivor">>) =:= [live] end, ?WAIT_MS),
    append(Client, <<"s">>, [3]),
    [1, 2, 3] = collected(Client, Collector, 3),
    stop([Client], Again).

node_killed() ->
    {Client, Server} = start(#{}),
    Other = esdb_peer:start(),
    ok = esdb_peer:run(Other, fun() -> joined(esdb_server:node(Server)) end),
    Collector = esdb_peer:run(Other, fun() -> subscribe(<<"moved">>, <<"m">>) end),
    append(Client, <<"m">>, [1]),
    [1] = collected(Other, Collector, 1),
    ok = esdb_peer:kill(Other),
    ok = esdb_wait:until(fun() -> status(Client, <<"moved">>) =:= [disconnected] end, ?WAIT_MS),
    append(Client, <<"m">>, [2, 3]),
    Restarted = esdb_peer:restart(Other),
    %% the same node, but no longer the same process
    ok = esdb_peer:run(Restarted, fun() -> joined(esdb_server:node(Server)) end),
    ok = esdb_wait:until(fun() -> status(Client, <<"moved">>) =:= [parked] end, ?WAIT_MS),
    Next = esdb_peer:run(Restarted, fun() -> subscribe(<<"moved">>, <<"m">>) end),
    append(Client, <<"m">>, [4]),
    [2, 3, 4] = collected(Restarted, Next, 3),
    stop([Client, Restarted], Server).

connection_cut() ->
    {Client, Server} = start(#{}),
    Node = esdb_server:node(Server),
    Collector = esdb_peer:run(Client, fun() -> subscribe(<<"cut">>, <<"c">>) end),
    Numbers = lists:seq(1, 1000),
    esdb_peer:run(Client, fun() ->
        Writer = spawn_link(fun() -> [again(<<"c">>, N) || N <- Numbers] end),
        [
            begin
                esdb_wait:until(fun() -> length(kept(Collector)) >= Step * 250 end, ?WAIT_MS),
                erlang:disconnect_node(Node)
            end
         || Step <- lists:seq(1, 3)
        ],
        unlink(Writer)
    end),
    ok = esdb_wait:until(
        fun() -> lists:usort(collected(Client, Collector, 1)) =:= Numbers end, ?WAIT_MS
    ),
    %% each comes first in its order; what comes again is among the last 1,000
    All = collected(Client, Collector, 1000),
    lists:foldl(
        fun
            (N, Last) when N =:= Last + 1 -> N;
            (N, Last) when N =< Last, Last - N < 1000 -> Last
        end,
        0,
        All
    ),
    stop([Client], Server).

%% The server alone connects with the subscriber's node.
connection_flaps() ->
    {Client, Server} = start(#{}),
    Node = esdb_server:node(Server),
    Collector = esdb_peer:run(Client, fun() -> subscribe(<<"flaps">>, <<"f">>) end),
    ok = esdb_server:kill(Server),
    Flaps = esdb_peer:run(Client, fun() ->
        spawn(fun() ->
            ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
            flap(300, Node)
        end)
    end),
    Again = esdb_server:restart(Server, #{connect => []}),
    Ended = fun() -> not erlang:is_process_alive(Flaps) end,
    ok = esdb_peer:run(Client, fun() -> esdb_wait:until(Ended, 2 * ?WAIT_MS) end, 3 * ?WAIT_MS),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    append(Client, <<"f">>, [1]),
    [1] = collected(Client, Collector, 1),
    stop([Client], Again).

flap(0, _) ->
    ok;
flap(Times, Node) ->
    receive
        {nodeup, Node, _} ->
            erlang:disconnect_node(Node),
            flap(Times - 1, Node);
        {nodedown, Node, _} ->
            flap(Times, Node)
    after 100 ->
        %% the node may have come back before it was seen to go
        case lists:member(Node, nodes(connected)) of
            true -> erlang:disconnect_node(Node);
            false -> ok
        end,
        flap(Times, Node)
    end.

node_stopped() ->
    {Client, Server} = start(#{}),
    Stopped = esdb_peer:start(),
    ok = esdb_peer:run(Stopped, fun() -> joined(esdb_server:node(Server)) end),
    _ = esdb_peer:run(Stopped, fun() -> subscribe(<<"deaf">>, <<"b">>) end),
    Readers = esdb_peer:run(Client, fun() ->
        [subscribe(<<"reader-", (integer_to_binary(N))/binary>>, <<"b">>) || N <- lists:seq(1, 200)]
    end),
    ok = esdb_peer:signal(Stopped, "STOP"),
    Blob = binary:copy(<<"x">>, 1000),
    [append(Client, <<"b">>, lists:duplicate(20, {N, Blob})) || N <- lists:seq(1, 100)],
    [2000 = length(collected(Client, Reader, 2000)) || Reader <- Readers],
    %% 1,000 events are the window
    Queued = esdb_peer:run(Client, fun() -> queued(esdb_server:node(Server), Stopped) end),
    ?assert(Queued < 2 * 1024 * 1024),
    ok = esdb_peer:signal(Stopped, "CONT"),
    ok = esdb_wait:until(fun() -> status(Client, <<"deaf">>) =:= [live] end, ?WAIT_MS),
    stop([Client, Stopped], Server).

%% of a persistent subscription, in any order
acknowledgements_survive() ->
    {Client, Server} = start(#{}),
    append(Client, <<"a">>, lists:seq(0, 9)),
    Open = fun() ->
        Options = #{selector => <<"a">>, window => 8, consumer => self(), heartbeat => 0},
        {ok, _} = again_call({open_subscription, ?STORE, <<"kept">>, Options}, 500)
    end,
    esdb_peer:run(Client, fun() ->
        Open(),
        Taken = take(8),
        ok = call({ack_subscription, ?STORE, <<"kept">>, self(), [P || {P, N} <- Taken, N rem 2 =:= 1]}),
        {Parked, 4} = lists:keyfind(4, 2, Taken),
        ok = call({nack_subscription, ?STORE, <<"kept">>, self(), Parked, {park, later}})
    end),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    esdb_peer:run(Client, fun() ->
        Open(),
        ?assertEqual([0, 2, 6, 8, 9], [N || {_, N} <- take(5)]),
        {ok, [#{reason := later}]} = call({parked_events, ?STORE, <<"kept">>}),
        {ok, 1} = call({replay_parked, ?STORE, <<"kept">>, all}),
        [{_, 4}] = take(1)
    end),
    stop([Client], Again).

consumers_go() ->
    {Client, Server} = start(#{}),
    append(Client, <<"g">>, lists:seq(0, 99)),
    Other = esdb_peer:start(),
    ok = esdb_peer:run(Other, fun() -> joined(esdb_server:node(Server)) end),
    Open = fun() ->
        Options = #{selector => <<"g">>, window => 100, consumer => self(), heartbeat => 0},
        {ok, _} = again_call({open_subscription, ?STORE, <<"goes">>, Options}, 500)
    end,
    esdb_peer:run(Other, fun() ->
        Open(),
        {Last, 9} = lists:last(lists:sublist(take(100), 10)),
        ok = call({ack_subscription, ?STORE, <<"goes">>, self(), {up_to, Last}})
    end),
    ok = esdb_peer:kill(Other),
    %% exclusive: there is room for the next one as soon as the other's node is known to be gone
    esdb_peer:run(Client, fun() ->
        Open(),
        ?assertEqual(lists:seq(10, 99), [N || {_, N} <- take(90)])
    end),
    stop([Client], Server).

many_subscriptions() ->
    {Client, Server} = start(#{}),
    ok = esdb_peer:run(Client, fun() ->
        Pid = spawn(fun() -> receive stop -> ok end end),
        lists:foreach(
            fun(N) ->
                Id = integer_to_binary(N),
                {Type, Selector} =
                    case N rem 5 of
                        0 -> {by_stream, <<"other-", Id/binary>>};
                        1 -> {by_event_type, <<"type-", Id/binary>>};
                        2 -> {by_tags, [<<"tag-", Id/binary>>]};
                        3 -> {by_event_payload, #{n => {n, N}}};
                        4 -> {by_event_pattern, #{stream_id => <<"prefix-", Id/binary, "-*">>}}
                    end,
                ok = gen_server:cast(
                    esdb_client:worker(old, ?STORE),
                    {save_subscription, ?STORE, Type, Selector, <<"s-", Id/binary>>, current, Pid}
                )
            end,
            lists:seq(1, 10000)
        )
    end),
    Live = fun() ->
        #{subscriptions := All} = health(Client),
        length([live || #{status := live} <- All])
    end,
    ok = esdb_wait:until(fun() -> Live() =:= 10000 end, ?WAIT_MS),
    #{evaluations := Before} = health(Client),
    Reader = esdb_peer:run(Client, fun() -> subscribe(<<"reader">>, <<"p">>) end),
    ok = esdb_wait:until(fun() -> Live() =:= 10001 end, ?WAIT_MS),
    append(Client, <<"p">>, lists:seq(1, 100)),
    100 = length(collected(Client, Reader, 100)),
    #{evaluations := After} = health(Client),
    ?assert(After - Before =< 200),
    stop([Client], Server).

%% --- the suite's side

append(Client, Stream, Numbers) ->
    Events = [#{event_type => <<"numbered">>, data => N} || N <- Numbers],
    {ok, _} = esdb_peer:call(Client, esdb_client, append, [?STORE, Stream, Events]),
    ok.

%% what the collector has got, once that is Count events or more
collected(Client, Collector, Count) ->
    esdb_peer:run(Client, fun() ->
        esdb_wait:until(fun() -> length(kept(Collector)) >= Count end, ?WAIT_MS),
        kept(Collector)
    end).

status(Client, Name) ->
    #{subscriptions := All} = health(Client),
    [Status || #{subscription_name := N, status := Status} <- All, N =:= Name].

health(Client) ->
    Request = {subscription_health, ?STORE},
    case esdb_peer:run(Client, fun() -> try_call(Request) end) of
        {ok, Health} -> Health;
        _ -> #{subscriptions => []}
    end.

saved(Client, Name, Next) ->
    {ok, #{lag_events := Lag, latest_position := Latest}} =
        esdb_peer:call(Client, esdb_client, call, [?STORE, {subscription_lag, ?STORE, Name}]),
    Latest + 1 - Lag >= Next.

%% --- the client's side

joined(Node) ->
    pong = net_adm:ping(Node),
    esdb_client:join(?STORE).

try_call(Request) ->
    try
        esdb_client:call(?STORE, Request)
    catch
        _:Reason -> {error, Reason}
    end.

again(Stream, N) ->
    Event = #{event_type => <<"numbered">>, event_id => integer_to_binary(N), data => N},
    case try_call({append_events, ?STORE, Stream, any, [Event]}) of
        {ok, _} ->
            ok;
        _ ->
            receive
            after 5 -> again(Stream, N)
            end
    end.

call(Request) ->
    esdb_client:call(?STORE, Request).

%% a request that is answered with ok, sooner or later
again_call(Request, Times) when Times > 0 ->
    case try_call(Request) of
        ok ->
            {ok, Times};
        _ ->
            receive
            after 20 -> again_call(Request, Times - 1)
            end
    end.

%% positions and numbers of so many events of a persistent subscription
take(Count) when Count =< 0 -> [];
take(Count) ->
    receive
        {esdb_subscription, _, {events, Events}} ->
            [{P, N} || {P, _, #{data := N}} <- Events] ++ take(Count - length(Events))
    after ?WAIT_MS -> error({missing, Count})
    end.

subscribe(Name, Stream) ->
    Collector = spawn(fun() -> collect([]) end),
    {ok, _} = esdb_client:call(
        ?STORE, {save_subscription, ?STORE, by_stream, Stream, Name, 0, Collector}
    ),
    Collector.

collect(Kept) ->
    receive
        {events, Events} -> collect(lists:foldl(fun keep/2, Kept, Events));
        {kept, To} ->
            To ! {self(), lists:reverse(Kept)},
            collect(Kept)
    end.

keep(Event, Kept) ->
    case element(6, Event) of
        {N, _Blob} -> [N | Kept];
        N -> [N | Kept]
    end.

kept(Collector) ->
    Collector ! {kept, self()},
    receive
        {Collector, Kept} -> Kept
    end.

queued(Server, Peer) ->
    Name = esdb_peer:node(Peer),
    #{connections := All} = rpc:call(Server, rs_esdb, info, []),
    hd([Bytes || #{node := N, queued_bytes := Bytes} <- All, N =:= Name]).
