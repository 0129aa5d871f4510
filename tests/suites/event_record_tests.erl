%% The records in which events come back, field by field, for both generations of clients.
-module(event_record_tests).
-include_lib("eunit/include/eunit.hrl").

event_record_test_() ->
    esdb_fixture:on_client(#{}, [
        {"the old generation gets 12 elements", fun old_generation/1},
        {"the new generation gets 15 elements, integrity fields undefined", fun new_generation/1},
        {"what a client leaves out gets its default", fun defaults/1},
        {"an event without an id gets a UUID of version 7", fun generated_ids/1},
        {"keys may be atoms or binaries", fun binary_keys/1},
        {"an atom as event type comes back as that atom", fun atom_types/1},
        {"undefined and nil stand for what was left out", fun not_given/1},
        {"a batch has one time, and time never goes back", fun times/1}
    ]).

full_event() ->
    #{
        event_id => <<"my-own-id">>,
        event_type => <<"order_placed">>,
        data => #{total => 12},
        metadata => #{user => <<"u1">>},
        tags => [<<"b">>, <<"a">>, <<"b">>],
        data_content_type => <<"application/x-erlang">>,
        metadata_content_type => <<"text/plain">>
    }.

old_generation(#{store := Store}) ->
    {Before, Event, After} = round_trip(old, Store, <<"old">>, full_event()),
    {event, Id, Type, Stream, Version, Data, Metadata, Tags, Timestamp, EpochUs, Dct, Mct} = Event,
    ?assertEqual(
        {<<"my-own-id">>, <<"order_placed">>, <<"old">>, 0, #{total => 12}, #{user => <<"u1">>}},
        {Id, Type, Stream, Version, Data, Metadata}
    ),
    ?assertEqual([<<"b">>, <<"a">>, <<"b">>], Tags),
    ?assertEqual({<<"application/x-erlang">>, <<"text/plain">>}, {Dct, Mct}),
    ?assert(EpochUs >= Before),
    ?assert(EpochUs =< After),
    ?assertEqual(EpochUs div 1000, Timestamp).

new_generation(#{store := Store}) ->
    {_, Event, _} = round_trip(new, Store, <<"new">>, full_event()),
    ?assertEqual(15, tuple_size(Event)),
    Old = hd(esdb_client:events(old, Store, <<"new">>)),
    ?assertEqual(tuple_to_list(Old) ++ [undefined, undefined, undefined], tuple_to_list(Event)).

defaults(#{store := Store}) ->
    {_, Event, _} = round_trip(old, Store, <<"defaults">>, #{event_type => <<"t">>, data => 1}),
    ?assertEqual(#{}, element(7, Event)),
    ?assertEqual(undefined, element(8, Event)),
    ?assertEqual(<<"application/json">>, element(11, Event)),
    ?assertEqual(<<"application/json">>, element(12, Event)).

generated_ids(#{store := Store}) ->
    Before = os:system_time(millisecond),
    Events = [#{event_type => <<"t">>, data => N} || N <- lists:seq(1, 500)],
    {ok, 499} = esdb_client:append(Store, <<"ids">>, Events),
    After = os:system_time(millisecond),
    Ids = [element(2, E) || E <- esdb_client:events(Store, <<"ids">>)],
    ?assertEqual(500, length(lists:usort(Ids))),
    Form = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
    [?assertMatch({match, _}, re:run(Id, Form)) || Id <- Ids],
    Times = [time_of(Id) || Id <- Ids],
    ?assert(lists:min(Times) >= Before),
    ?assert(lists:max(Times) =< After).

%% The first 48 bits of a UUID of version 7: milliseconds since 1970.
time_of(<<High:8/binary, "-", Low:4/binary, _/binary>>) ->
    binary_to_integer(<<High/binary, Low/binary>>, 16).

binary_keys(#{store := Store}) ->
    Event = maps:fold(
        fun(Key, Value, Map) -> Map#{atom_to_binary(Key) => Value} end, #{}, full_event()
    ),
    {_, WithBinaries, _} = round_trip(old, Store, <<"binary-keys">>, Event),
    {_, WithAtoms, _} = round_trip(old, Store, <<"atom-keys">>, full_event()),
    Comparable = fun(E) -> [element(N, E) || N <- [2, 3, 5, 6, 7, 8, 11, 12]] end,
    ?assertEqual(Comparable(WithAtoms), Comparable(WithBinaries)).

atom_types(#{store := Store}) ->
    {_, Event, _} = round_trip(old, Store, <<"atom-type">>, #{event_type => placed, data => 1}),
    ?assertEqual(placed, element(3, Event)).

not_given(#{store := Store}) ->
    NotGiven = #{event_id => undefined, tags => nil, metadata => nil},
    Event = NotGiven#{event_type => <<"t">>, data => undefined},
    {_, Read, _} = round_trip(old, Store, <<"not-given">>, Event),
    ?assertEqual(36, byte_size(element(2, Read))),
    ?assertEqual([undefined, #{}, undefined], [element(N, Read) || N <- [6, 7, 8]]).

times(#{store := Store}) ->
    Event = #{event_type => <<"t">>, data => 1},
    [{ok, _} = esdb_client:append(Store, <<"times">>, [Event, Event]) || _ <- lists:seq(1, 100)],
    Times = [element(10, E) || E <- esdb_client:events(Store, <<"times">>)],
    [?assertEqual(A, B) || {A, B} <- pairs(Times)],
    Batches = [A || {A, _} <- pairs(Times)],
    ?assertEqual(lists:usort(Batches), Batches).

pairs([A, B | Rest]) -> [{A, B} | pairs(Rest)];
pairs([]) -> [].

round_trip(Generation, Store, Stream, Event) ->
    Before = os:system_time(microsecond),
    {ok, 0} = esdb_client:call(Generation, Store, {append_events, Store, Stream, [Event]}),
    After = os:system_time(microsecond),
    [Read] = esdb_client:events(Generation, Store, Stream),
    {Before, Read, After}.
