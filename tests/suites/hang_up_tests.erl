%% A node hangs up and is back at once, again and again, while its processes send large requests: the
%% server, which is to dial it whenever the connection is lost, is never in its way.
-module(hang_up_tests).
-include_lib("eunit/include/eunit.hrl").

-define(ROUNDS, 100).

%% Of two nodes that dial each other the one with the greater name wins: both ways are tried.
hang_up_test_() ->
    [
        {"a client with a lesser name", {timeout, 100, fun() -> hang_up("zz_server") end}},
        {"a client with a greater name", {timeout, 100, fun() -> hang_up("aa_server") end}}
    ].

hang_up(Name) ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{node => esdb_sandbox:name(Name), connect => [esdb_peer:node(Client)]}),
    ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
    Node = esdb_server:node(Server),
    Answers = esdb_peer:run(Client, fun() ->
        Busy = esdb_busy:start(default_store, 200),
        Pings = [hang_up_and_ping(Node) || _ <- lists:seq(1, ?ROUNDS)],
        ok = esdb_busy:stop(Busy),
        Pings
    end),
    ?assertEqual([], [Answer || Answer <- Answers, Answer =/= pong]),
    ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
    esdb_server:close(Server),
    esdb_peer:stop(Client).

hang_up_and_ping(Node) ->
    _ = erlang:disconnect_node(Node),
    net_adm:ping(Node).
