%% The server dials the nodes named by --connect until it reaches them, and again when it lost them.
-module(dialling_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).

dialling_test_() ->
    Tests = [
        {"a node that does nothing is reached", fun reached/0},
        {"a node that starts later is reached", fun started_later/0},
        {"a node that dies and comes back is reached again", fun comes_back/0},
        {"a lost connection is made again", fun lost_connection/0},
        {"several nodes are reached", fun several/0},
        {"attempts come further and further apart", fun back_off/0},
        {"both sides dial at the same time", fun simultaneous/0}
    ],
    {inparallel, 2, [{Title, {timeout, 60, Test}} || {Title, Test} <- Tests]}.

reached() ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    await_connected(Client, Server),
    close([Client], Server).

started_later() ->
    Node = esdb_sandbox:name("late"),
    Server = esdb_server:start(#{connect => [Node]}),
    Client = esdb_peer:start(#{node => Node}),
    await_connected(Client, Server),
    close([Client], Server).

comes_back() ->
    First = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(First)]}),
    await_connected(First, Server),
    ok = esdb_peer:kill(First),
    Second = esdb_peer:restart(First),
    await_connected(Second, Server),
    ok = esdb_peer:call(Second, esdb_client, join, [?STORE]),
    close([Second], Server).

lost_connection() ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    [
        begin
            await_connected(Client, Server),
            true = esdb_peer:call(Client, erlang, disconnect_node, [esdb_server:node(Server)])
        end
     || _ <- [1, 2, 3]
    ],
    await_connected(Client, Server),
    close([Client], Server).

several() ->
    Clients = [esdb_peer:start() || _ <- [1, 2, 3]],
    Nowhere = [esdb_sandbox:name("nowhere"), 'nobody@host.invalid'],
    Server = esdb_server:start(#{connect => Nowhere ++ [esdb_peer:node(C) || C <- Clients]}),
    [await_connected(Client, Server) || Client <- Clients],
    close(Clients, Server).

%% A node that accepts connections and closes them at once. The gaps between attempts have to grow.
back_off() ->
    {ok, Listener} = gen_tcp:listen(0, [{active, false}]),
    {ok, Port} = inet:port(Listener),
    Node = esdb_sandbox:name("closing"),
    Registration = esdb_epmd:register(Node, Port),
    Server = esdb_server:start(#{connect => [Node]}),
    Times = [accept_time(Listener) || _ <- lists:seq(1, 4)],
    [First, Second, Third] = [B - A || {A, B} <- lists:zip(lists:droplast(Times), tl(Times))],
    ?assert(First >= 10),
    ?assert(Second > First),
    ?assert(Third > Second),
    ok = gen_tcp:close(Registration),
    close([], Server).

accept_time(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener, 30000),
    ok = gen_tcp:close(Socket),
    erlang:monotonic_time(millisecond).

%% With a client whose name is lower than the server's, and one whose name is higher: the handshake's
%% rule decides by the names.
simultaneous() ->
    Clients = [esdb_peer:start(#{node => esdb_sandbox:name(Prefix)}) || Prefix <- ["a", "z"]],
    Server = esdb_server:start(#{connect => [esdb_peer:node(C) || C <- Clients]}),
    Node = esdb_server:node(Server),
    [ok = esdb_peer:call(C, esdb_client, join, [?STORE]) || C <- Clients],
    [esdb_peer:run(C, fun() -> collide(Node) end) || C <- Clients],
    [?assertEqual(pong, esdb_peer:call(C, net_adm, ping, [Node])) || C <- Clients],
    [ok = esdb_peer:call(C, esdb_client, join, [?STORE]) || C <- Clients],
    close(Clients, Server).

collide(Node) ->
    lists:foreach(
        fun(_) ->
            _ = erlang:disconnect_node(Node),
            Dialled = [spawn_monitor(fun() -> net_kernel:connect_node(Node) end) || _ <- [1, 2, 3]],
            [
                receive
                    {'DOWN', Monitor, process, Pid, _} -> ok
                end
             || {Pid, Monitor} <- Dialled
            ],
            esdb_wait:until(fun() -> net_adm:ping(Node) =:= pong end)
        end,
        lists:seq(1, 30)
    ).

%% The client never dials by itself here: it only looks.
await_connected(Client, Server) ->
    Node = esdb_server:node(Server),
    esdb_wait:until(
        fun() -> lists:member(Node, esdb_peer:call(Client, erlang, nodes, [hidden])) end, 20000
    ).

close(Clients, Server) ->
    esdb_server:close(Server),
    lists:foreach(fun esdb_peer:stop/1, Clients).
