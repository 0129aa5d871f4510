%% evoq and its adapter reckon_evoq, unmodified, keep snapshots and checkpoints of projections.
-module(evoq_snapshots_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
-define(SNAPSHOTS, evoq_snapshot_store).
-define(CHECKPOINTS, reckon_evoq_checkpoint_store).

evoq_snapshots_test_() ->
    esdb_fixture:with(fun start/0, [
        {"saved, and the latest is loaded", fun(C) -> on_client(C, fun latest/0) end},
        {"each at its version", fun(C) -> on_client(C, fun at_version/0) end},
        {"deleted, one and all", fun(C) -> on_client(C, fun deletion/0) end},
        {"versions are listed", fun(C) -> on_client(C, fun versions/0) end},
        {"none is none, at once", fun(C) -> on_client(C, fun none/0) end},
        {"checkpoints of projections", fun(C) -> on_client(C, fun checkpoints/0) end},
        {"all of it is there after a kill -9", fun killed/1}
    ]).

start() ->
    Paths = string:lexemes(os:getenv("PUBLISHED_CLIENT"), " "),
    Client = esdb_peer:start(#{args => lists:append([["-pa", P] || P <- Paths])}),
    {ok, _} = esdb_peer:call(Client, application, ensure_all_started, [reckon_gater]),
    ok = esdb_peer:call(Client, ?SNAPSHOTS, set_adapter, [reckon_evoq_adapter]),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    await_workers(Client),
    #{clients => [Client], servers => [Server]}.

%% The module of the client's API was renamed with 2.0.
await_workers(Client) ->
    Apis = [esdb_gater_api, reckon_gater_api],
    [Api] = [A || A <- Apis, esdb_peer:call(Client, code, which, [A]) =/= non_existing],
    esdb_wait:until(fun() ->
        {ok, Workers} = esdb_peer:call(Client, Api, get_workers, [?STORE]),
        Workers =/= []
    end).

on_client(#{clients := [Client]}, Test) ->
    esdb_peer:run(Client, Test).

latest() ->
    Stream = <<"account-1">>,
    [ok = ?SNAPSHOTS:save(?STORE, Stream, V, state(V), metadata(V)) || V <- [100, 300, 200]],
    {ok, Snapshot} = ?SNAPSHOTS:load(?STORE, Stream),
    ?assertEqual({Stream, 300, state(300), metadata(300)}, parts(Snapshot)).

at_version() ->
    Stream = <<"account-2">>,
    Versions = [0, 1, 5, 1000],
    [ok = ?SNAPSHOTS:save(?STORE, Stream, V, state(V), metadata(V)) || V <- Versions],
    [
        begin
            {ok, Snapshot} = ?SNAPSHOTS:load(?STORE, Stream, V),
            ?assertEqual({Stream, V, state(V), metadata(V)}, parts(Snapshot))
        end
     || V <- Versions, V > 0
    ],
    ?assertEqual({error, not_found}, ?SNAPSHOTS:load(?STORE, Stream, 2)),
    %% From 2.0 on 0 asks for the latest, which 2.1.1 and later show by its version.
    case code:which(esdb_gater_api) of
        non_existing ->
            {ok, Latest} = ?SNAPSHOTS:load(?STORE, Stream, 0),
            ?assertEqual(state(1000), maps:get(data, Latest));
        _ ->
            {ok, Zero} = ?SNAPSHOTS:load(?STORE, Stream, 0),
            ?assertEqual({Stream, 0, state(0), metadata(0)}, parts(Zero))
    end.

deletion() ->
    Stream = <<"account-3">>,
    [ok = ?SNAPSHOTS:save(?STORE, Stream, V, state(V), #{}) || V <- [0, 1, 2, 3]],
    ok = ?SNAPSHOTS:delete(?STORE, Stream, 3),
    {ok, #{version := 2}} = ?SNAPSHOTS:load(?STORE, Stream),
    ok = ?SNAPSHOTS:delete(?STORE, Stream),
    ?assertEqual({error, not_found}, ?SNAPSHOTS:load(?STORE, Stream)),
    ?assertEqual({ok, []}, reckon_evoq_adapter:list_versions(?STORE, Stream)).

versions() ->
    Stream = <<"account-4">>,
    [ok = ?SNAPSHOTS:save(?STORE, Stream, V, state(V), #{}) || V <- [7, 256, 0, 65536, 8]],
    ?assertEqual(
        {ok, [0, 7, 8, 256, 65536]}, reckon_evoq_adapter:list_versions(?STORE, Stream)
    ).

%% A retried error would come back after a minute.
none() ->
    {Microseconds, Replies} = timer:tc(fun() ->
        [?SNAPSHOTS:load(?STORE, <<"none">>), ?SNAPSHOTS:load(?STORE, <<"none">>, 3)]
    end),
    ?assertEqual([{error, not_found}], lists:usort(Replies)),
    ok = ?SNAPSHOTS:delete(?STORE, <<"none">>),
    ?assert(Microseconds < 1000000).

%% reckon_evoq has them from 1.5 on.
checkpoints() ->
    case code:which(?CHECKPOINTS) of
        non_existing ->
            ok;
        _ ->
            ok = application:set_env(reckon_evoq, checkpoint_store_id, ?STORE),
            ?assertEqual({error, not_found}, ?CHECKPOINTS:load(orders)),
            [
                begin
                    ok = ?CHECKPOINTS:save(orders, N),
                    ?assertEqual({ok, N}, ?CHECKPOINTS:load(orders))
                end
             || N <- [0, 1, 2, 300]
            ],
            ok = ?CHECKPOINTS:save(other, 5),
            ok = ?CHECKPOINTS:delete(orders),
            ?assertEqual({error, not_found}, ?CHECKPOINTS:load(orders)),
            ?assertEqual({ok, 5}, ?CHECKPOINTS:load(other))
    end.

killed(#{clients := [Client], servers := [Server]}) ->
    Load = fun() ->
        [
            esdb_peer:call(Client, ?SNAPSHOTS, load, [?STORE, Stream])
         || Stream <- [<<"account-1">>, <<"account-4">>]
        ]
    end,
    Before = Load(),
    ?assertMatch([{ok, _}, {ok, _}], Before),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    await_workers(Client),
    ?assertEqual(Before, Load()),
    esdb_server:close(Again).

state(Version) ->
    #{balance => Version, <<"history">> => [{deposit, 1.5}, <<Version:64>>]}.

metadata(Version) ->
    #{aggregate_type => account, at => Version}.

parts(#{stream_id := Stream, version := Version, data := Data, metadata := Metadata} = Snapshot) ->
    ?assert(abs(erlang:system_time(millisecond) - maps:get(timestamp, Snapshot)) < 60000),
    {Stream, Version, Data, Metadata}.
