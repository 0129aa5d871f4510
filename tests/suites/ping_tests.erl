%% The server as BEAM nodes see it: a hidden node that answers pings.
-module(ping_tests).
-include_lib("eunit/include/eunit.hrl").

ping_test_() ->
    esdb_fixture:with(
        fun() ->
            #{clients => [esdb_peer:start() || _ <- [1, 2]], server => esdb_server:start(#{})}
        end,
        [
            {"a ping is answered", fun ping/1},
            {"the server is a hidden node", fun hidden/1},
            {"connecting and disconnecting again and again", fun again_and_again/1},
            {"a node that connects finds the workers", fun finds_workers/1},
            {"a dead server is not there", fun dead/1}
        ]
    ).

ping(#{clients := Clients, server := Server}) ->
    Node = esdb_server:node(Server),
    [?assertEqual(pong, esdb_peer:call(C, net_adm, ping, [Node])) || C <- Clients].

hidden(#{clients := [Client | _], server := Server}) ->
    Node = esdb_server:node(Server),
    pong = esdb_peer:call(Client, net_adm, ping, [Node]),
    ?assertNot(lists:member(Node, esdb_peer:call(Client, erlang, nodes, []))),
    ?assertEqual([Node], esdb_peer:call(Client, erlang, nodes, [hidden])).

again_and_again(#{clients := [Client | _], server := Server}) ->
    Node = esdb_server:node(Server),
    esdb_peer:run(Client, fun() ->
        [
            begin
                ?assertEqual(pong, net_adm:ping(Node)),
                true = erlang:disconnect_node(Node)
            end
         || _ <- lists:seq(1, 50)
        ]
    end).

finds_workers(#{clients := [_, Client], server := Server}) ->
    Node = esdb_server:node(Server),
    esdb_peer:run(Client, fun() ->
        pong = net_adm:ping(Node),
        ok = esdb_client:join(default_store),
        ?assertEqual(Node, node(esdb_client:worker(old, default_store))),
        ?assertEqual(false, esdb_client:call(default_store, {has_events, default_store}))
    end).

dead(#{clients := [Client | _], server := Server}) ->
    ok = esdb_server:kill(Server),
    ?assertEqual(pang, esdb_peer:call(Client, net_adm, ping, [esdb_server:node(Server)])).
