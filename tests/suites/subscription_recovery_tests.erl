%% Whatever restarts or is cut, delivery goes on where it was, without anything that the client does.
-module(subscription_recovery_tests).

-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
-define(WAIT_MS, 20000).

recovery_test_() ->
    [
        {Title, {timeout, 60, Test}}
     || {Title, Test} <- [
            {"the server is killed", fun server_killed/0},
            {"the subscriber's node is killed", fun node_killed/0},
            {"the connection is cut", fun connection_cut/0},
            {"a node that does not read disturbs nobody", fun node_stopped/0},
            {"those that cannot match cost nothing", fun many_subscriptions/0}
        ]
    ].

%% The server looks for the subscriber's node: it was not told to connect with it.
server_killed() ->
    {Client, Server} = start([client]),
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
    {Client, Server} = start([client]),
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
    {Client, Server} = start([client]),
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

node_stopped() ->
    {Client, Server} = start([client]),
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

many_subscriptions() ->
    {Client, Server} = start([client]),
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

start([client]) ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    {Client, Server}.

stop(Clients, Server) ->
    esdb_server:close(Server),
    lists:foreach(fun esdb_peer:stop/1, Clients).

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
