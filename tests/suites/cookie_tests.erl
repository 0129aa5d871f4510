%% Without the cookie nobody gets in, whoever dials; and the cookie is never written anywhere.
-module(cookie_tests).
-include_lib("eunit/include/eunit.hrl").

cookie_test_() ->
    esdb_fixture:with(fun start/0, [
        {"a node with another cookie is refused", fun refused/1},
        {"the server does not join a node with another cookie", fun does_not_join/1},
        {"nodes with the right cookie are served meanwhile", fun served/1},
        {"no cookie is in the log", fun not_in_the_log/1}
    ]).

start() ->
    Stranger = esdb_peer:start(#{cookie => "a_strangers_cookie"}),
    %% its own dialling must not be what fails below
    Friend = esdb_peer:start(),
    Server = esdb_server:start(#{
        connect => [esdb_peer:node(Stranger), esdb_peer:node(Friend)],
        env => [{"RUST_LOG", "debug"}]
    }),
    #{clients => [Stranger, Friend], server => Server}.

refused(#{clients := [Stranger, _], server := Server}) ->
    Node = esdb_server:node(Server),
    [?assertEqual(pang, esdb_peer:call(Stranger, net_adm, ping, [Node])) || _ <- [1, 2, 3]],
    ?assertEqual([], esdb_peer:call(Stranger, erlang, nodes, [connected])).

does_not_join(#{clients := [Stranger, _], server := Server}) ->
    Name = atom_to_list(esdb_peer:node(Stranger)),
    esdb_wait:until(fun() -> string:find(esdb_server:errors(Server), Name) =/= nomatch end),
    ?assertEqual([], esdb_peer:call(Stranger, erlang, nodes, [connected])).

served(#{clients := [_, Friend], server := Server}) ->
    ?assertEqual(pong, esdb_peer:call(Friend, net_adm, ping, [esdb_server:node(Server)])),
    ok = esdb_peer:call(Friend, esdb_client, join, [default_store]).

not_in_the_log(#{server := Server}) ->
    Log = esdb_server:errors(Server),
    ?assertNotEqual("", Log),
    [
        ?assertEqual(nomatch, string:find(Log, Cookie))
     || Cookie <- [esdb_sandbox:cookie(), "a_strangers_cookie"]
    ].
