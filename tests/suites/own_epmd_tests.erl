%% On a host without a port mapper the server is one.
-module(own_epmd_tests).
-include_lib("eunit/include/eunit.hrl").

-export([sandbox/0]).

-spec sandbox() -> map().
sandbox() ->
    #{epmd => false}.

own_epmd_test_() ->
    esdb_fixture:with(
        fun() ->
            Server = esdb_server:start(#{}),
            #{server => Server, clients => [esdb_peer:start() || _ <- [1, 2]]}
        end,
        [
            {"the server is registered at its own port mapper", fun registered/1},
            {"BEAM nodes register there and find each other", fun beam_nodes/1},
            {"a second server registers at the first one's", fun second_server/1},
            {"a name goes when its node goes", fun name_goes/1}
        ]
    ).

registered(#{server := Server}) ->
    ?assertMatch({ok, _, hidden}, esdb_epmd:lookup(esdb_server:node(Server))),
    ?assertEqual(error, esdb_epmd:lookup(esdb_sandbox:name("nobody"))).

beam_nodes(#{server := Server, clients := [One, Two]}) ->
    Ping = fun(Client, Node) -> esdb_peer:call(Client, net_adm, ping, [Node]) end,
    ?assertEqual(pong, Ping(One, esdb_peer:node(Two))),
    ?assertEqual(pong, Ping(Two, esdb_server:node(Server))),
    ?assertMatch({ok, _, normal}, esdb_epmd:lookup(esdb_peer:node(One))),
    ?assertEqual(3, length(esdb_epmd:names())),
    {ok, Names} = esdb_peer:call(One, net_adm, names, []),
    ?assertEqual(3, length(Names)).

second_server(#{clients := [One | _]}) ->
    Second = esdb_server:start(#{}),
    ?assertEqual(pong, esdb_peer:call(One, net_adm, ping, [esdb_server:node(Second)])),
    ?assertEqual(0, esdb_server:stop(Second)).

name_goes(#{clients := [_, Two]}) ->
    ok = esdb_peer:kill(Two),
    esdb_wait:until(fun() -> error =:= esdb_epmd:lookup(esdb_peer:node(Two)) end).
