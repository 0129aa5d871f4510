%% The server's name at the port mapper.
-module(epmd_tests).
-include_lib("eunit/include/eunit.hrl").

epmd_test_() ->
    esdb_fixture:with(
        fun() -> #{client => esdb_peer:start(), server => esdb_server:start(#{})} end,
        [
            {"the server is registered as a hidden node, with its port", fun registered/1},
            {"a port mapper that starts again learns of the server", fun epmd_restarted/1},
            {"a second server of the same name does not start", fun name_taken/1},
            {"a server that stops is no longer registered", fun unregistered/1}
        ]
    ).

registered(#{server := Server}) ->
    {ok, Port, Type} = esdb_epmd:lookup(esdb_server:node(Server)),
    ?assertEqual(hidden, Type),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, []),
    ok = gen_tcp:close(Socket).

epmd_restarted(#{client := Client, server := Server}) ->
    Node = esdb_server:node(Server),
    pong = esdb_peer:call(Client, net_adm, ping, [Node]),
    ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
    Worker = esdb_peer:call(Client, esdb_client, worker, [old, default_store]),
    ok = esdb_sandbox:restart_epmd(),
    esdb_wait:until(fun() -> error =/= esdb_epmd:lookup(Node) end, 30000),
    %% nodes that were connected stay so, with the same workers
    Call = [Worker, {has_events, default_store}],
    ?assertEqual(false, esdb_peer:call(Client, gen_server, call, Call)),
    %% nodes that were not connect to the same incarnation of the server
    Newcomer = esdb_peer:start(),
    ?assertEqual(pong, esdb_peer:call(Newcomer, net_adm, ping, [Node])),
    ?assertEqual(false, esdb_peer:call(Newcomer, gen_server, call, Call)),
    esdb_peer:stop(Newcomer).

name_taken(#{server := Server}) ->
    Node = esdb_server:node(Server),
    {Status, Output} = esdb_server:start_expecting_failure(#{node => Node}),
    ?assertNotEqual(0, Status),
    ?assertNotEqual(nomatch, string:find(Output, atom_to_list(Node))).

unregistered(#{server := Server}) ->
    0 = esdb_server:stop(Server),
    esdb_wait:until(fun() -> error =:= esdb_epmd:lookup(esdb_server:node(Server)) end).
