%% Under load, whatever goes away and comes back: clients that repeat what was not acknowledged go on
%% within five seconds, nothing acknowledged is lost, and nothing is stored twice.
-module(reconnect_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
-define(GO_ON_MS, 5000).
%% acknowledgements of every writer before something happens, and after it
-define(COUNT, 20).
-define(TICKTIME_S, 4).

reconnect_test_() ->
    {inparallel, [
        {Title, {timeout, 60, Test}}
     || {Title, Test} <- [
            {"the server is killed", fun() -> server(fun esdb_server:kill/1) end},
            {"the server is stopped", fun() -> server(fun(S) -> 0 = esdb_server:stop(S) end) end},
            {"the client's node is killed", fun client/0},
            {"the cable is cut for a second", fun() -> cable(1000) end},
            {"the cable is cut until both sides notice", fun() -> cable(2000 * ?TICKTIME_S) end}
        ]
    ]}.

server(End) ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    Writers = begin_writing(Client),
    _ = End(Server),
    Again = esdb_server:restart(Server),
    went_on(Writers, now_ms()),
    finish(Writers, Client, Again).

client() ->
    First = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(First)]}),
    _ = begin_writing(First),
    ok = esdb_peer:kill(First),
    Client = esdb_peer:restart(First),
    Since = now_ms(),
    esdb_peer:call(Client, esdb_client, start_scope, [reckon_gater_pg]),
    Writers = esdb_writers:start(Client, ?STORE),
    went_on(Writers, Since),
    finish(Writers, Client, Server).

cable(Milliseconds) ->
    Client = esdb_peer:start(#{args => ["-kernel", "net_ticktime", integer_to_list(?TICKTIME_S)]}),
    ServerNode = esdb_sandbox:name("esdb"),
    Cable = esdb_cable:start(ServerNode, esdb_peer:node(Client)),
    Server = esdb_server:start(#{
        node => ServerNode,
        connect => [esdb_peer:node(Client)],
        args => ["--net-ticktime", integer_to_list(?TICKTIME_S)],
        env => esdb_cable:server_env(Cable)
    }),
    Writers = begin_writing(Client),
    esdb_cable:cut(Cable),
    receive
    after Milliseconds -> ok
    end,
    noticed(Milliseconds > 1000 * ?TICKTIME_S, Server, Client),
    ok = esdb_cable:restore(Cable),
    went_on(Writers, now_ms()),
    finish(Writers, Client, Server),
    esdb_cable:stop(Cable).

%% Only a cut that lasts is noticed before it is over.
noticed(Noticed, Server, Client) ->
    Lost = string:find(esdb_server:errors(Server), "lost: ") =/= nomatch,
    Workers = esdb_peer:call(Client, esdb_client, workers, [old, ?STORE]),
    ?assertEqual({Noticed, Noticed}, {Lost, Workers =:= []}).

begin_writing(Client) ->
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    Writers = esdb_writers:start(Client, ?STORE),
    _ = esdb_writers:await(Writers, 0, ?COUNT),
    Writers.

went_on(Writers, Since) ->
    Milliseconds = esdb_writers:await(Writers, Since, ?COUNT),
    ?assertEqual({Milliseconds, in_time}, {Milliseconds, in_time(Milliseconds)}).

in_time(Milliseconds) when Milliseconds =< ?GO_ON_MS -> in_time;
in_time(_) -> too_late.

finish(Writers, Client, Server) ->
    ok = esdb_writers:stop(Writers),
    ok = esdb_writers:check(Writers, fun(Stream) ->
        [element(2, E) || E <- esdb_peer:call(Client, esdb_client, events, [?STORE, Stream])]
    end),
    esdb_server:close(Server),
    esdb_peer:stop(Client).

now_ms() ->
    erlang:system_time(millisecond).
