%% Workers are found through pg, whatever happens to scopes, nodes and connections; and the clients'
%% scope processes, which nobody restarts, survive it.
-module(pg_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
-define(SCOPES, [reckon_gater_pg, erl_esdb_gater_pg]).

pg_test_() ->
    esdb_fixture:with(fun start/0, [
        {"both scopes hold both groups", fun scopes_and_groups/1},
        {"the groups hold different workers", fun different_workers/1},
        {"a scope that starts late is found", fun late_scope/1},
        {"a scope that is started again is found again", fun restarted_scope/1},
        {"a scope that other nodes do not know is left alone", fun foreign_scope/1},
        {"workers of BEAM nodes in the same group are left alone", fun foreign_workers/1},
        {"a lost connection takes the workers away and brings them back", fun lost_connection/1},
        {"every scope process lived through all that", fun scopes_alive/1},
        {"a server that stops takes its workers away", fun stopped/1},
        {"a server that starts again has new workers", fun started_again/1},
        {"every scope process lived through that, too", fun scopes_alive/1}
    ]).

%% Three BEAM nodes that know one another.
start() ->
    Clients = [First | Others] = [esdb_peer:start() || _ <- [1, 2, 3]],
    [pong = esdb_peer:call(First, net_adm, ping, [esdb_peer:node(C)]) || C <- Others],
    Server = esdb_server:start(#{connect => [esdb_peer:node(C) || C <- Clients]}),
    Scopes = [
        {C, Scope, esdb_peer:call(C, esdb_client, start_scope, [Scope])}
     || C <- Clients, Scope <- ?SCOPES
    ],
    #{clients => Clients, servers => [Server], scopes => Scopes}.

scopes_and_groups(#{clients := Clients}) ->
    [ok = join(C, Scope) || C <- Clients, Scope <- ?SCOPES].

different_workers(#{clients := [Client | _]}) ->
    Old = workers(Client, old),
    New = workers(Client, new),
    ?assertEqual({Old, New}, {Old -- New, New -- Old}),
    ?assertEqual(lists:usort(Old ++ New), lists:sort(Old ++ New)).

late_scope(#{servers := [Server]}) ->
    Client = esdb_peer:start(),
    pong = esdb_peer:call(Client, net_adm, ping, [esdb_server:node(Server)]),
    %% when this returns, the server has asked for the scope for the first time, in vain
    Node = esdb_server:node(Server),
    ?assertEqual(Node, esdb_peer:call(Client, rpc, call, [Node, erlang, node, []])),
    ok = join(Client, reckon_gater_pg),
    ok = join(Client, erl_esdb_gater_pg),
    esdb_peer:stop(Client).

restarted_scope(#{servers := [Server]}) ->
    Client = esdb_peer:start(),
    pong = esdb_peer:call(Client, net_adm, ping, [esdb_server:node(Server)]),
    [
        begin
            ok = join(Client, Scope),
            ok = esdb_peer:run(Client, fun() ->
                Pid = whereis(Scope),
                Monitor = monitor(process, Pid),
                exit(Pid, kill),
                receive
                    {'DOWN', Monitor, process, Pid, killed} -> ok
                end
            end),
            ok = join(Client, Scope)
        end
     || Scope <- ?SCOPES, _ <- [1, 2, 3]
    ],
    esdb_peer:stop(Client).

foreign_scope(#{clients := [Client | _]}) ->
    esdb_peer:run(Client, fun() ->
        esdb_client:start_scope(somebody_elses),
        ?assertEqual([], pg:which_groups(somebody_elses))
    end).

%% Joins and leaves of BEAM nodes go to the server, too; its workers stay.
foreign_workers(#{clients := [One, Two, _]}) ->
    Group = 'esdb_gater_workers_default_store',
    Before = workers(One, old),
    Worker = esdb_peer:run(Two, fun() ->
        Pid = spawn(fun() -> receive stop -> ok end end),
        ok = pg:join(reckon_gater_pg, Group, [Pid, Pid]),
        ok = pg:join(reckon_gater_pg, {any, "term", 1}, Pid),
        Pid
    end),
    esdb_wait:until(fun() -> length(workers(One, old)) =:= length(Before) + 2 end),
    ok = esdb_peer:run(Two, fun() -> pg:leave(reckon_gater_pg, Group, Worker) end),
    esdb_wait:until(fun() -> length(workers(One, old)) =:= length(Before) + 1 end),
    ok = esdb_peer:run(Two, fun() -> Worker ! stop, ok end),
    esdb_wait:until(fun() -> lists:sort(workers(One, old)) =:= lists:sort(Before) end).

lost_connection(#{clients := Clients, servers := [Server]}) ->
    Node = esdb_server:node(Server),
    [
        begin
            esdb_peer:run(Client, fun() -> lose_connection(Node) end),
            [ok = join(Client, Scope) || Scope <- ?SCOPES]
        end
     || Client <- Clients, _ <- [1, 2, 3]
    ].

lose_connection(Node) ->
    ok = net_kernel:monitor_nodes(true, [{node_type, hidden}]),
    [Worker | _] = esdb_client:workers(old, ?STORE),
    Monitor = monitor(process, Worker),
    true = erlang:disconnect_node(Node),
    receive
        {'DOWN', Monitor, process, Worker, noconnection} -> ok
    end,
    receive
        {nodeup, Node, _} -> ok
    after 20000 -> error(not_connected_again)
    end,
    ok = net_kernel:monitor_nodes(false, [{node_type, hidden}]).

scopes_alive(#{scopes := Scopes}) ->
    [
        ?assertEqual({Scope, Pid}, {Scope, esdb_peer:call(Client, erlang, whereis, [Scope])})
     || {Client, Scope, Pid} <- Scopes
    ].

stopped(#{clients := Clients, servers := [Server]}) ->
    ?assertEqual(0, esdb_server:stop(Server)),
    esdb_wait:until(fun() ->
        [] =:= lists:append([workers(C, G) || C <- Clients, G <- [old, new]])
    end).

started_again(#{clients := Clients = [Client | _], servers := [Server]}) ->
    Again = esdb_server:restart(Server),
    [ok = join(C, Scope) || C <- Clients, Scope <- ?SCOPES],
    First = workers(Client, old),
    ok = esdb_server:kill(Again),
    esdb_wait:until(fun() -> workers(Client, old) =:= [] end),
    Third = esdb_server:restart(Again),
    [ok = join(C, Scope) || C <- Clients, Scope <- ?SCOPES],
    ?assertEqual(First, First -- workers(Client, old)),
    %% a pid of the former server is dead, not somebody else
    ?assertExit({noproc, _}, esdb_peer:call(Client, gen_server, call, [hd(First), anything])),
    esdb_server:close(Third).

join(Client, Scope) ->
    esdb_peer:call(Client, esdb_client, join, [Scope, ?STORE]).

workers(Client, Generation) ->
    esdb_peer:call(Client, esdb_client, workers, [Generation, ?STORE]).
