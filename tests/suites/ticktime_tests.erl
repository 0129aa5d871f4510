%% Connections stay up while nobody says anything, and end when a node falls silent.
-module(ticktime_tests).
-include_lib("eunit/include/eunit.hrl").

-export([await_nodedown/2, listen/1]).

%% Longer than a net_ticktime of 8 s allows for silence (a quarter more).
-define(IDLE_MS, 11000).
-define(SILENT_MS, 15000).

ticktime_test_() ->
    {inparallel, [
        {Title, {timeout, 60, Test}}
     || {Title, Test} <- [
            {"an idle connection stays, net_ticktime 8 on both sides", fun() -> idle("8", "8") end},
            {"an idle connection stays, 8 on the BEAM node and 60 here", fun() ->
                idle("8", "60")
            end},
            {"an idle connection stays, 60 on the BEAM node and 8 here", fun() ->
                idle("60", "8")
            end},
            {"a BEAM node notices that the server is silent", fun silent_server/0},
            {"the server notices that a BEAM node is silent", fun silent_client/0}
        ]
    ]}.

start(ClientTicktime, ServerTicktime) ->
    Client = esdb_peer:start(#{args => ["-kernel", "net_ticktime", ClientTicktime]}),
    Server = esdb_server:start(#{args => ["--net-ticktime", ServerTicktime]}),
    pong = esdb_peer:call(Client, net_adm, ping, [esdb_server:node(Server)]),
    {Client, Server}.

stop({Client, Server}) ->
    esdb_server:close(Server),
    esdb_peer:stop(Client).

idle(ClientTicktime, ServerTicktime) ->
    Both = {Client, Server} = start(ClientTicktime, ServerTicktime),
    Heard = await(Client, Server, ?IDLE_MS),
    ?assertEqual(still_up, Heard),
    stop(Both).

silent_server() ->
    Both = {Client, Server} = start("8", "60"),
    ok = esdb_server:signal(Server, "STOP"),
    Heard = await(Client, Server, ?SILENT_MS),
    ?assertEqual(nodedown, Heard),
    stop(Both).

%% The stopped node's own patience is a minute: if the connection is gone when it goes on, it was the
%% server that gave it up.
silent_client() ->
    Both = {Client, Server} = start("60", "8"),
    Node = esdb_server:node(Server),
    Listener = esdb_peer:run(Client, fun() -> spawn(?MODULE, listen, [Node]) end),
    ok = esdb_peer:signal(Client, "STOP"),
    Gone = lists:concat([esdb_peer:node(Client), " lost"]),
    esdb_wait:until(
        fun() -> string:find(esdb_server:errors(Server), Gone) =/= nomatch end,
        ?SILENT_MS
    ),
    ok = esdb_peer:signal(Client, "CONT"),
    esdb_peer:run(Client, fun() ->
        esdb_wait:until(fun() -> not is_process_alive(Listener) end, 2000)
    end),
    stop(Both).

%% Runs on the client; ends when the connection does.
-spec listen(node()) -> ok.
listen(Node) ->
    true = erlang:monitor_node(Node, true),
    receive
        {nodedown, Node} -> ok
    end.

await(Client, Server, Milliseconds) ->
    Node = esdb_server:node(Server),
    esdb_peer:call(Client, ?MODULE, await_nodedown, [Node, Milliseconds]).

%% Runs on the client.
-spec await_nodedown(node(), pos_integer()) -> nodedown | still_up.
await_nodedown(Node, Milliseconds) ->
    true = erlang:monitor_node(Node, true, [allow_passive_connect]),
    receive
        {nodedown, Node} -> nodedown
    after Milliseconds -> still_up
    end.
