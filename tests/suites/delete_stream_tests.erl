%% A deleted stream is gone from every read; a stream of the same name begins anew.
-module(delete_stream_tests).
-include_lib("eunit/include/eunit.hrl").

delete_stream_test_() ->
    esdb_fixture:on_client(#{}, [
        {"deletion answers ok, also for a missing stream", fun answers/1},
        {"the stream is missing afterwards", fun missing/1},
        {"its events are gone from lists and queries", fun gone_everywhere/1},
        {"the next append begins at 0, without the old events", fun begins_anew/1},
        {"an id of the deleted stream is new again", fun ids_are_forgotten/1},
        {"a store whose only stream was deleted has no events", fun no_events_left/1}
    ]).

answers(#{store := Store}) ->
    {ok, 0} = append(Store, <<"answers">>, [<<"x">>]),
    ?assertEqual(ok, delete(old, Store, <<"answers">>)),
    ?assertEqual(ok, delete(old, Store, <<"answers">>)),
    ?assertEqual(ok, delete(new, Store, <<"never was">>)).

missing(#{store := Store}) ->
    Stream = <<"missing">>,
    {ok, 1} = append(Store, Stream, [<<"x">>, <<"y">>]),
    ok = delete(old, Store, Stream),
    ?assertEqual(-1, esdb_client:call(Store, {get_version, Store, Stream})),
    ?assertEqual(
        {error, {stream_not_found, Stream}},
        esdb_client:call(Store, {get_events, Store, Stream, 0, 10, forward})
    ).

gone_everywhere(#{store := Store}) ->
    {ok, 1} = append(Store, <<"gone">>, [<<"g1">>, <<"g2">>]),
    {ok, 0} = append(Store, <<"stays">>, [<<"s1">>]),
    ok = delete(new, Store, <<"gone">>),
    {ok, Streams} = esdb_client:call(Store, {get_streams, Store}),
    ?assertEqual({false, true}, {
        lists:member(<<"gone">>, Streams), lists:member(<<"stays">>, Streams)
    }),
    Queries = [
        {read_all_global, Store, 0, 1000},
        {read_by_event_types, Store, [<<"t">>], 1000},
        {read_by_event_types, Store, [], 1000},
        {read_by_tags, Store, [<<"tag">>], any, 1000},
        {read_by_tags, Store, [<<"tag">>], all, 1000}
    ],
    [
        begin
            {ok, Events} = esdb_client:call(Store, Query),
            Found = [element(6, E) || E <- Events],
            ?assertEqual({Query, [<<"s1">>]}, {Query, Found})
        end
     || Query <- Queries
    ].

begins_anew(#{store := Store}) ->
    Stream = <<"anew">>,
    {ok, 2} = append(Store, Stream, [<<"a">>, <<"b">>, <<"c">>]),
    ok = delete(old, Store, Stream),
    ?assertEqual({ok, 1}, append(Store, Stream, [<<"d">>, <<"e">>])),
    ?assertEqual([{0, <<"d">>}, {1, <<"e">>}], [
        {element(5, E), element(6, E)}
     || E <- esdb_client:events(Store, Stream)
    ]),
    ok = delete(old, Store, Stream).

ids_are_forgotten(#{store := Store}) ->
    Stream = <<"ids">>,
    Event = #{event_type => <<"t">>, data => 1, event_id => <<"once">>},
    {ok, 0} = esdb_client:append(Store, Stream, [#{event_type => <<"t">>, data => 0}]),
    {ok, 1} = esdb_client:append(Store, Stream, [Event]),
    ok = delete(old, Store, Stream),
    ?assertEqual({ok, 0}, esdb_client:append(Store, Stream, [Event])),
    ok = delete(old, Store, Stream).

no_events_left(#{store := Store}) ->
    {ok, Streams} = esdb_client:call(Store, {get_streams, Store}),
    [ok = delete(old, Store, Stream) || Stream <- Streams],
    ?assertEqual({ok, []}, esdb_client:call(Store, {get_streams, Store})),
    ?assertEqual(false, esdb_client:call(Store, {has_events, Store})).

append(Store, Stream, Data) ->
    Events = [#{event_type => <<"t">>, data => D, tags => [<<"tag">>]} || D <- Data],
    esdb_client:append(Store, Stream, Events).

delete(Generation, Store, Stream) ->
    esdb_client:call(Generation, Store, {delete_stream, Store, Stream}).
