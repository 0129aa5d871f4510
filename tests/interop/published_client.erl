%% A client node with a published reckon_gater, and what stands on it, as tests/interop/run names them.
-module(published_client).

-export([start/0, await_workers/2]).

%% The node, on which reckon_gater runs in its own application.
-spec start() -> esdb_peer:peer().
start() ->
    Paths = string:lexemes(os:getenv("PUBLISHED_CLIENT"), " "),
    Client = esdb_peer:start(#{args => lists:append([["-pa", P] || P <- Paths])}),
    {ok, Started} = esdb_peer:call(Client, application, ensure_all_started, [reckon_gater]),
    true = lists:member(reckon_gater, Started),
    Client.

%% Waits until the client's API, which was renamed with 2.0, finds workers of the store.
-spec await_workers(esdb_peer:peer(), atom()) -> ok.
await_workers(Client, Store) ->
    Apis = [esdb_gater_api, reckon_gater_api],
    [Api] = [A || A <- Apis, esdb_peer:call(Client, code, which, [A]) =/= non_existing],
    esdb_wait:until(fun() ->
        {ok, Workers} = esdb_peer:call(Client, Api, get_workers, [Store]),
        Workers =/= []
    end).
