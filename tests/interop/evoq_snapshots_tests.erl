%% evoq and its adapter reckon_evoq, unmodified, keep snapshots and checkpoints of projections.
-module(evoq_snapshots_tests).
-include_lib("eunit/include/eunit.hrl").

%% evoq's callbacks of an aggregate
-export([init/1, execute/2, apply/2, snapshot/1, from_snapshot/1]).
-compile({no_auto_import, [apply/2]}).

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
        {"an aggregate goes on from its snapshot", fun(C) -> on_client(C, fun aggregate/0) end},
        {"all of it is there after a kill -9", fun killed/1}
    ]).

start() ->
    Client = published_client:start(),
    ok = esdb_peer:call(Client, ?SNAPSHOTS, set_adapter, [reckon_evoq_adapter]),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    published_client:await_workers(Client, ?STORE),
    #{clients => [Client], servers => [Server]}.

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

%% The state is what the snapshot says, and what was done after it.
aggregate() ->
    ok = application:set_env(evoq, event_store_adapter, reckon_evoq_adapter),
    ok = application:set_env(evoq, snapshot_every, 5),
    {ok, _} = application:ensure_all_started(evoq),
    Id = <<"account-", (binary:copy(<<"0">>, 32))/binary>>,
    First = start_aggregate(Id),
    [{ok, _, _} = execute_command(First, Id, N) || N <- lists:seq(0, 11)],
    {ok, State} = evoq_aggregate:get_state(First),
    ?assertEqual(lists:seq(0, 11), State),
    ok = gen_server:stop(First),
    {ok, #{version := Version, data := {snapshot, Done}}} = ?SNAPSHOTS:load(?STORE, Id),
    ?assertEqual(lists:seq(0, Version), Done),
    %% changed, so that it shows where the state comes from
    ok = ?SNAPSHOTS:save(?STORE, Id, Version, {snapshot, [from_snapshot | Done]}, #{}),
    Second = start_aggregate(Id),
    ?assertEqual({ok, [from_snapshot | State]}, evoq_aggregate:get_state(Second)),
    {ok, _, _} = execute_command(Second, Id, 12),
    ok = gen_server:stop(Second).

start_aggregate(Id) ->
    {ok, Pid} = evoq_aggregate:start_link(?MODULE, Id, ?STORE),
    Pid.

execute_command(Aggregate, Id, N) ->
    Command = evoq_command:new(do, ?MODULE, Id, #{command_type => do, n => N}),
    evoq_aggregate:execute_command(Aggregate, Command).

init(_Id) ->
    {ok, []}.

execute(_Done, #{n := N}) ->
    {ok, [#{event_type => <<"done">>, data => #{n => N}}]}.

%% evoq 1.2 applies the event at the snapshot's version once more.
apply(Done, Event) ->
    N = number(Event),
    [X || X <- Done, X =/= N] ++ [N].

%% evoq 1.2 reads an event with the map that was executed as its data, later ones read that map.
number(#{n := N}) -> N;
number(#{data := Data}) -> number(Data).

snapshot(Done) ->
    {snapshot, Done}.

from_snapshot({snapshot, Done}) ->
    Done.

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
    published_client:await_workers(Client, ?STORE),
    ?assertEqual(Before, Load()),
    esdb_server:close(Again).

state(Version) ->
    #{balance => Version, <<"history">> => [{deposit, 1.5}, <<Version:64>>]}.

metadata(Version) ->
    #{aggregate_type => account, at => Version}.

parts(#{stream_id := Stream, version := Version, data := Data, metadata := Metadata} = Snapshot) ->
    ?assert(abs(erlang:system_time(millisecond) - maps:get(timestamp, Snapshot)) < 60000),
    {Stream, Version, Data, Metadata}.
