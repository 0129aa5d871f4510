%% Expected versions of appends, for both generations of clients.
-module(expected_version_tests).
-include_lib("eunit/include/eunit.hrl").

expected_version_test_() ->
    esdb_fixture:on_client(#{}, [
        {"every expected version, on streams that are missing, new and longer", fun table/1},
        {"a conflict stores nothing", fun nothing_stored/1},
        {"of appends that race with one expected version, one wins", fun race/1},
        {"a deleted stream counts as missing", fun deleted/1},
        {"an append of no events answers the version it expected", fun no_events/1}
    ]).

%% Events in the stream (0: it does not exist), the expected version, and what becomes of it. The old
%% generation lets 0 match a stream that does not exist, the new one does not.
cases() ->
    [
        {0, any, ok}, {0, no_stream, ok}, {0, -1, ok}, {0, -2, ok},
        {0, stream_exists, conflict}, {0, -4, conflict}, {0, 1, conflict},
        {0, 0, {old, ok, new, conflict}},
        {1, any, ok}, {1, stream_exists, ok}, {1, -2, ok}, {1, -4, ok}, {1, 0, ok},
        {1, no_stream, conflict}, {1, -1, conflict}, {1, 1, conflict}, {1, 1 bsl 62, conflict},
        {3, any, ok}, {3, stream_exists, ok}, {3, -2, ok}, {3, -4, ok}, {3, 2, ok},
        {3, no_stream, conflict}, {3, -1, conflict}, {3, 0, conflict}, {3, 1, conflict},
        {3, 3, conflict}
    ].

table(#{store := Store}) ->
    [
        check(Generation, Store, Case)
     || Generation <- [old, new], Case <- lists:enumerate(cases())
    ].

check(Generation, Store, {Number, {Length, Expected, Outcome}}) ->
    Stream = iolist_to_binary(io_lib:format("~s-~b", [Generation, Number])),
    _ = [esdb_client:append(Store, Stream, [event(N)]) || N <- lists:seq(1, Length)],
    Reply = esdb_client:call(
        Generation, Store, {append_events, Store, Stream, Expected, [event(new), event(new)]}
    ),
    Wanted = wanted(Generation, Outcome, Expected, Length - 1),
    ?assertEqual({Length, Expected, Wanted}, {Length, Expected, Reply}).

wanted(old, {old, Outcome, new, _}, Expected, Current) ->
    wanted(old, Outcome, Expected, Current);
wanted(new, {old, _, new, Outcome}, Expected, Current) ->
    wanted(new, Outcome, Expected, Current);
wanted(_, ok, _, Current) ->
    {ok, Current + 2};
wanted(old, conflict, _, Current) ->
    {error, {wrong_expected_version, Current}};
wanted(new, conflict, Expected, Current) ->
    {error, {wrong_expected_version, Expected, Current}}.

nothing_stored(#{store := Store}) ->
    Stream = <<"nothing-stored">>,
    {ok, 0} = esdb_client:append(Store, Stream, [event(1)]),
    {error, {wrong_expected_version, 0}} =
        esdb_client:append(Store, Stream, 7, [event(2), event(3)]),
    ?assertEqual(0, esdb_client:call(Store, {get_version, Store, Stream})),
    ?assertMatch([_], esdb_client:events(Store, Stream)).

race(#{store := Store}) ->
    Stream = <<"race">>,
    {ok, 0} = esdb_client:append(Store, Stream, [event(0)]),
    Racers = [
        spawn_monitor(fun() -> exit(esdb_client:append(Store, Stream, 0, [event(N)])) end)
     || N <- lists:seq(1, 50)
    ],
    Replies = [
        receive
            {'DOWN', Monitor, process, Pid, Reply} -> Reply
        end
     || {Pid, Monitor} <- Racers
    ],
    ?assertEqual([{ok, 1}], [R || R = {ok, _} <- Replies]),
    ?assertEqual(49, length([R || R = {error, {wrong_expected_version, 1}} <- Replies])).

deleted(#{store := Store}) ->
    Stream = <<"deleted">>,
    {ok, 1} = esdb_client:append(Store, Stream, [event(1), event(2)]),
    ok = esdb_client:call(Store, {delete_stream, Store, Stream}),
    ?assertEqual(
        {error, {wrong_expected_version, -1}},
        esdb_client:append(Store, Stream, stream_exists, [event(3)])
    ),
    ?assertEqual({ok, 0}, esdb_client:append(Store, Stream, no_stream, [event(3)])).

no_events(#{store := Store}) ->
    Stream = <<"no-events">>,
    {ok, 0} = esdb_client:append(Store, Stream, [event(1)]),
    ?assertEqual({ok, 0}, esdb_client:append(Store, Stream, 0, [])).

event(Data) ->
    #{event_type => <<"thing_happened">>, data => Data}.
