%% Appends to any version: what they answer and what a stream holds afterwards.
-module(append_tests).
-include_lib("eunit/include/eunit.hrl").

append_test_() ->
    esdb_fixture:on_client(#{}, [
        {"an append answers the version of the last event", fun last_version/1},
        {"streams are numbered on their own", fun independent_streams/1},
        {"an append of no events answers the current version", fun no_events/1},
        {"a large batch is numbered without a gap", fun large_batch/1},
        {"any client sees what another one appended", fun both_generations/1},
        {"many processes append to one stream without losing an event", fun concurrent/1},
        {"a stream id may hold any bytes", fun stream_ids/1}
    ]).

last_version(#{store := Store}) ->
    Stream = <<"last-version">>,
    ?assertEqual({ok, 0}, esdb_client:append(Store, Stream, [event(1)])),
    ?assertEqual({ok, 3}, esdb_client:append(Store, Stream, [event(2), event(3), event(4)])),
    ?assertEqual({ok, 4}, esdb_client:append(Store, Stream, any, [event(5)])),
    Numbered = [{element(5, E), element(6, E)} || E <- esdb_client:events(Store, Stream)],
    ?assertEqual([{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}], Numbered).

independent_streams(#{store := Store}) ->
    {ok, 1} = esdb_client:append(Store, <<"independent-a">>, [event(1), event(2)]),
    ?assertEqual({ok, 0}, esdb_client:append(Store, <<"independent-b">>, [event(3)])),
    ?assertEqual({ok, 2}, esdb_client:append(Store, <<"independent-a">>, [event(4)])).

no_events(#{store := Store}) ->
    Stream = <<"no-events">>,
    ?assertEqual({ok, -1}, esdb_client:append(Store, Stream, [])),
    ?assertEqual(-1, esdb_client:call(Store, {get_version, Store, Stream})),
    {ok, 1} = esdb_client:append(Store, Stream, [event(1), event(2)]),
    ?assertEqual({ok, 1}, esdb_client:append(Store, Stream, any, [])).

large_batch(#{store := Store}) ->
    Stream = <<"large-batch">>,
    Events = [event(N) || N <- lists:seq(0, 4999)],
    ?assertEqual({ok, 4999}, esdb_client:append(Store, Stream, Events)),
    Read = [{element(5, E), element(6, E)} || E <- esdb_client:events(Store, Stream)],
    ?assertEqual([{N, N} || N <- lists:seq(0, 4999)], Read).

both_generations(#{store := Store}) ->
    Stream = <<"both-generations">>,
    Append = fun(Generation, N) ->
        esdb_client:call(Generation, Store, {append_events, Store, Stream, [event(N)]})
    end,
    ?assertEqual({ok, 0}, Append(old, 1)),
    ?assertEqual({ok, 1}, Append(new, 2)),
    Data = fun(Generation) ->
        [element(6, E) || E <- esdb_client:events(Generation, Store, Stream)]
    end,
    ?assertEqual([1, 2], Data(old)),
    ?assertEqual([1, 2], Data(new)).

concurrent(#{store := Store}) ->
    Stream = <<"concurrent">>,
    Writers = [
        spawn_monitor(fun() ->
            exit({versions, [append_version(Store, Stream, {W, N}) || N <- lists:seq(1, 50)]})
        end)
     || W <- lists:seq(1, 20)
    ],
    Versions = lists:append([
        receive
            {'DOWN', Monitor, process, Pid, {versions, List}} -> List
        end
     || {Pid, Monitor} <- Writers
    ]),
    ?assertEqual(lists:seq(0, 999), lists:sort(Versions)),
    Data = [element(6, E) || E <- esdb_client:events(Store, Stream)],
    ?assertEqual([{W, N} || W <- lists:seq(1, 20), N <- lists:seq(1, 50)], lists:sort(Data)),
    %% each writer's events in the order in which it wrote them
    [?assertEqual(lists:seq(1, 50), [N || {W0, N} <- Data, W0 =:= W]) || W <- lists:seq(1, 20)].

append_version(Store, Stream, Data) ->
    {ok, Version} = esdb_client:append(Store, Stream, [event(Data)]),
    Version.

stream_ids(#{store := Store}) ->
    Ids = [<<0>>, <<255, 254, 0, 1>>, <<"a b/c\\d$*">>, binary:copy(<<"x">>, 1024), <<"é"/utf8>>],
    [?assertEqual({ok, 0}, esdb_client:append(Store, Id, [event(Id)])) || Id <- Ids],
    [?assertMatch([E] when element(6, E) =:= Id, esdb_client:events(Store, Id)) || Id <- Ids].

event(Data) ->
    #{event_type => <<"thing_happened">>, data => Data}.
