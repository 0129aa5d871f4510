%% Fixtures for EUnit: a server and a client node for a list of tests that run on the client.
-module(esdb_fixture).

-export([on_client/2, with/2, start/1, stop/2]).

-define(TEST_S, 60).

-type test() :: {io_lib:chars(), fun((esdb_fixture:context()) -> term())}.
-type context() :: #{store := atom(), server := node()}.
-export_type([context/0, test/0]).

%% One server with one store, one joined client node; each test runs on the client node.
-spec on_client(esdb_server:options(), [test()]) -> term().
on_client(Options, Tests) ->
    Store = store(Options),
    with(
        fun() ->
            {Client, Server} = start(Options),
            #{client => Client, server => Server, store => Store}
        end,
        [
            {Title, fun(#{client := Client, server := Server}) ->
                Context = #{store => Store, server => esdb_server:node(Server)},
                esdb_peer:run(Client, fun() -> Test(Context) end)
            end}
         || {Title, Test} <- Tests
        ]
    ).

%% A client node and a server that has dialled it; the client sees the workers of the first store.
-spec start(esdb_server:options()) -> {esdb_peer:peer(), esdb_server:server()}.
start(Options) ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(Options#{connect => [esdb_peer:node(Client)]}),
    ok = esdb_peer:call(Client, esdb_client, join, [store(Options)]),
    {Client, Server}.

store(Options) ->
    hd(maps:get(stores, Options, [default_store])).

-spec stop([esdb_peer:peer()], esdb_server:server()) -> ok.
stop(Clients, Server) ->
    esdb_server:close(Server),
    lists:foreach(fun esdb_peer:stop/1, Clients).

%% Tests that share what Setup started: a map, in which `client`, `clients`, `server` and `servers`
%% are ended afterwards. Should Setup fail half way, the end of the suite's VM ends the rest.
-spec with(fun(() -> map()), [{io_lib:chars(), fun((map()) -> term())}]) -> term().
with(Setup, Tests) ->
    {setup, Setup, fun cleanup/1, fun(Context) ->
        [
            {lists:flatten(Title), {timeout, ?TEST_S, fun() -> Test(Context) end}}
         || {Title, Test} <- Tests
        ]
    end}.

cleanup(Context) ->
    Servers = [S || #{server := S} <- [Context]] ++ maps:get(servers, Context, []),
    Clients = [C || #{client := C} <- [Context]] ++ maps:get(clients, Context, []),
    lists:foreach(fun esdb_server:close/1, Servers),
    lists:foreach(fun esdb_peer:stop/1, Clients).
