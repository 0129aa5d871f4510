%% An append that is sent again, with the ids its client gave, is not stored again.
-module(retry_tests).
-include_lib("eunit/include/eunit.hrl").

retry_test_() ->
    esdb_fixture:on_client(#{}, [
        {"a retry answers the version of the first time", fun same_version/1},
        {"also when the expected version has passed", fun before_version_check/1},
        {"also when other events came after it", fun not_the_last/1},
        {"also through the other generation's workers", fun other_generation/1},
        {"a batch that spans former appends is a retry", fun spanning/1},
        {"metadata may differ in a retry", fun other_metadata/1},
        {"the same id with other data is a new event", fun other_data/1},
        {"the same id with another type is a new event", fun other_type/1},
        {"the same id in another stream is a new event", fun other_stream/1},
        {"a partial overlap is a conflict and stores nothing", fun partial_overlap/1},
        {"events without an id are never retries", fun no_ids/1},
        {"the window is the last 1,000 events", fun window/1},
        {"of equal appends that race, one is stored", fun race/1}
    ]).

same_version(#{store := Store}) ->
    Events = [event(<<"a">>, 1), event(<<"b">>, 2)],
    ?assertEqual({ok, 1}, append(Store, <<"same">>, any, Events)),
    ?assertEqual({ok, 1}, append(Store, <<"same">>, any, Events)),
    ?assertEqual([1, 2], data(Store, <<"same">>)).

before_version_check(#{store := Store}) ->
    Events = [event(<<"a">>, 1)],
    [
        ?assertEqual({ok, 0}, append(Store, <<"version">>, Expected, Events))
     || Expected <- [no_stream, no_stream, -1, 0, 17, stream_exists]
    ],
    ?assertEqual([1], data(Store, <<"version">>)).

not_the_last(#{store := Store}) ->
    Events = [event(<<"a">>, 1), event(<<"b">>, 2)],
    {ok, 1} = append(Store, <<"later">>, no_stream, Events),
    {ok, 2} = append(Store, <<"later">>, 1, [event(<<"c">>, 3)]),
    ?assertEqual({ok, 1}, append(Store, <<"later">>, no_stream, Events)),
    ?assertEqual([1, 2, 3], data(Store, <<"later">>)).

other_generation(#{store := Store}) ->
    Request = {append_events, Store, <<"other">>, no_stream, [event(<<"a">>, 1)]},
    ?assertEqual({ok, 0}, esdb_client:call(old, Store, Request)),
    ?assertEqual({ok, 0}, esdb_client:call(new, Store, Request)).

spanning(#{store := Store}) ->
    {ok, 0} = append(Store, <<"span">>, any, [event(<<"a">>, 1)]),
    {ok, 1} = append(Store, <<"span">>, any, [event(<<"b">>, 2)]),
    ?assertEqual({ok, 1}, append(Store, <<"span">>, any, [event(<<"a">>, 1), event(<<"b">>, 2)])),
    ?assertEqual([1, 2], data(Store, <<"span">>)).

other_metadata(#{store := Store}) ->
    {ok, 0} = append(Store, <<"meta">>, any, [event(<<"a">>, 1)]),
    Retry = (event(<<"a">>, 1))#{metadata => #{attempt => 2}},
    ?assertEqual({ok, 0}, append(Store, <<"meta">>, any, [Retry])).

other_data(#{store := Store}) ->
    {ok, 0} = append(Store, <<"data">>, any, [event(<<"a">>, 1)]),
    ?assertEqual({ok, 1}, append(Store, <<"data">>, any, [event(<<"a">>, 1.0)])).

other_type(#{store := Store}) ->
    {ok, 0} = append(Store, <<"type">>, any, [event(<<"a">>, 1)]),
    Other = (event(<<"a">>, 1))#{event_type => t},
    ?assertEqual({ok, 1}, append(Store, <<"type">>, any, [Other])).

other_stream(#{store := Store}) ->
    {ok, 0} = append(Store, <<"stream 1">>, any, [event(<<"a">>, 1)]),
    {ok, 0} = append(Store, <<"stream 2">>, any, [event(<<"x">>, 1)]),
    ?assertEqual({ok, 1}, append(Store, <<"stream 2">>, any, [event(<<"a">>, 1)])).

partial_overlap(#{store := Store}) ->
    Stream = <<"partial">>,
    {ok, 1} = append(Store, Stream, any, [event(<<"a">>, 1), event(<<"b">>, 2)]),
    Batches = [
        [event(<<"b">>, 2), event(<<"c">>, 3)],
        [event(<<"z">>, 0), event(<<"a">>, 1)],
        [event(<<"b">>, 2), event(<<"a">>, 1)]
    ],
    [
        ?assertEqual({error, {wrong_expected_version, 1}}, append(Store, Stream, any, Batch))
     || Batch <- Batches
    ],
    ?assertEqual(
        {error, {wrong_expected_version, any, 1}},
        esdb_client:call(new, Store, {append_events, Store, Stream, any, hd(Batches)})
    ),
    ?assertEqual([1, 2], data(Store, Stream)).

no_ids(#{store := Store}) ->
    Event = #{event_type => <<"t">>, data => 1},
    ?assertEqual({ok, 0}, append(Store, <<"no ids">>, any, [Event])),
    ?assertEqual({ok, 1}, append(Store, <<"no ids">>, any, [Event])),
    %% nor is an id that the server gave a client's
    [First | _] = esdb_client:events(Store, <<"no ids">>),
    ?assertEqual({ok, 2}, append(Store, <<"no ids">>, any, [event(element(2, First), 1)])).

window(#{store := Store}) ->
    Stream = <<"window">>,
    {ok, 0} = append(Store, Stream, any, [event(<<"first">>, 0)]),
    More = [event(integer_to_binary(N), N) || N <- lists:seq(1, 999)],
    {ok, 999} = append(Store, Stream, any, More),
    ?assertEqual({ok, 0}, append(Store, Stream, any, [event(<<"first">>, 0)])),
    {ok, 1000} = append(Store, Stream, any, [event(<<"1000">>, 1000)]),
    ?assertEqual({ok, 1}, append(Store, Stream, any, [event(<<"1">>, 1)])),
    ?assertEqual({ok, 1001}, append(Store, Stream, any, [event(<<"first">>, 0)])).

race(#{store := Store}) ->
    Racers = [
        spawn_monitor(fun() ->
            exit(append(Store, <<"race">>, any, [event(<<"a">>, 1), event(<<"b">>, 2)]))
        end)
     || _ <- lists:seq(1, 50)
    ],
    [
        receive
            {'DOWN', Monitor, process, Pid, Reply} -> ?assertEqual({ok, 1}, Reply)
        end
     || {Pid, Monitor} <- Racers
    ],
    ?assertEqual([1, 2], data(Store, <<"race">>)).

event(Id, Data) ->
    #{event_id => Id, event_type => <<"t">>, data => Data}.

append(Store, Stream, Expected, Events) ->
    esdb_client:append(Store, Stream, Expected, Events).

data(Store, Stream) ->
    [element(6, E) || E <- esdb_client:events(Store, Stream)].
