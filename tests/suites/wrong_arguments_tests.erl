%% Each request with each argument of each wrong kind is refused with a text that says which argument
%% is wrong, in a shape that no client retries; the workers live on, and nothing is stored.
%%
%% A new request is one more line of requests/0.
-module(wrong_arguments_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STREAM, {<<"s">>, [binary]}).
-define(NAME, {<<"n">>, [binary]}).
-define(NUMBER, {1, []}).
-define(TYPE, {by_stream, []}).
-define(SOURCE, {<<"source">>, [binary, atom]}).
-define(PID, {self(), [pid]}).
-define(POSITIONS, {1, [list, string]}).
-define(ANY, all).

%% Name, and what stands behind the store's name: a good value, and the kinds of term (see kinds/0) that
%% may stand there as well.
requests() ->
    [
        {append_events, [?STREAM, {[event()], []}]},
        {append_events, [?STREAM, {any, []}, {[event()], []}]},
        {get_events, [?STREAM, ?NUMBER, ?NUMBER, {forward, []}]},
        {stream_forward, [?STREAM, ?NUMBER, ?NUMBER]},
        {stream_backward, [?STREAM, ?NUMBER, ?NUMBER]},
        {get_version, [?STREAM]},
        {delete_stream, [?STREAM]},
        {read_by_event_types, [{[<<"t">>], []}, ?NUMBER]},
        {read_by_tags, [{[<<"t">>], []}, {any, []}, ?NUMBER]},
        {read_all_global, [?NUMBER, ?NUMBER]},
        {save_subscription, [?TYPE, ?STREAM, ?NAME, ?NUMBER, {undefined, [pid]}]},
        {save_subscription, [{by_event_type, []}, {<<"t">>, [binary, atom]}, ?NAME, ?NUMBER, {self(), [pid]}]},
        {save_subscription, [{by_event_pattern, []}, {#{}, [binary, map]}, ?NAME, ?NUMBER, {self(), [pid]}]},
        {save_subscription, [{by_event_payload, []}, {#{}, [map]}, ?NAME, ?NUMBER, {self(), [pid]}]},
        {save_subscription, [{by_tags, []}, {[<<"t">>], [binary]}, ?NAME, ?NUMBER, {self(), [pid]}]},
        {remove_subscription, [{by_stream, [atom]}, ?ANY, ?NAME]},
        {ack_event, [?NAME, ?ANY, {#{version => 1}, []}]},
        {add_demand, [?NAME, ?PID, ?NUMBER]},
        {get_subscription, [?NAME]},
        {subscription_lag, [?NAME]},
        {record_snapshot, [?SOURCE, ?STREAM, ?NUMBER, ?ANY]},
        {read_snapshot, [?SOURCE, ?STREAM, ?NUMBER]},
        {delete_snapshot, [?SOURCE, ?STREAM, ?NUMBER]},
        {list_snapshots, [?SOURCE, ?STREAM]},
        {open_subscription, [?NAME, {#{}, [map]}]},
        {ack_subscription, [?NAME, ?PID, ?POSITIONS]},
        {nack_subscription, [?NAME, ?PID, ?POSITIONS, {retry, []}]},
        {subscription_window, [?NAME, ?PID, ?NUMBER]},
        {close_subscription, [?NAME, ?PID]},
        {reset_subscription, [?NAME, ?NUMBER]},
        {parked_events, [?NAME]},
        {replay_parked, [?NAME, {all, []}]},
        {subscription_status, [?NAME]},
        {delete_subscription, [?NAME]},
        {await_position, [{store, [binary]}, ?NUMBER, ?NUMBER]},
        {list_persistent_subscriptions, []},
        {get_streams, []},
        {has_events, []},
        {get_subscriptions, []},
        {list_all_snapshots, []},
        {create_store, [{[], [map]}]},
        {remove_store, []},
        {get_store_status, []},
        {get_store_config, []}
    ].

%% A term of each kind, such that it is no good value of any argument above.
kinds() ->
    [
        {atom, sometimes},
        {integer, -7},
        {bignum, 1 bsl 70},
        {float, 1.5},
        {list, [1, 2000]},
        {string, "string"},
        {improper_list, [<<"a">> | <<"b">>]},
        {binary, <<"b">>},
        {bitstring, <<1:3>>},
        {tuple, {gt, <<"b">>}},
        {map, #{}},
        {pid, self()},
        {reference, make_ref()},
        {function, fun() -> ok end},
        {export, fun lists:map/2},
        {port, hd(erlang:ports())}
    ].

wrong_arguments_test_() ->
    esdb_fixture:on_client(#{}, [
        {lists:concat([Name, "/", length(Arguments)]), fun(#{store := Store}) ->
            lists:foreach(
                fun({Place, Kind, Request}) -> refused(Store, Place, Kind, Request) end,
                wrong(Store, Name, Arguments)
            ),
            nothing_stored(Store)
        end}
     || {Name, Arguments} <- requests()
    ] ++ [
        {"fields of events", fun(#{store := Store}) ->
            [refused(Store, Key, Kind, Request) || {Key, Kind, Request} <- wrong_fields(Store)],
            nothing_stored(Store)
        end},
        {"options of subscriptions", fun(#{store := Store}) ->
            [refused(Store, Key, Kind, Request) || {Key, Kind, Request} <- wrong_options(Store)],
            nothing_stored(Store)
        end},
        {"names of no bytes and of 65,535", fun(#{store := Store}) ->
            [refused(Store, Place, Size, Request) || {Place, Size, Request} <- wrong_names(Store)],
            nothing_stored(Store)
        end},
        {"more than there may be", fun(#{store := Store}) ->
            [refused(Store, What, many, Request) || {What, Request} <- too_much(Store)],
            nothing_stored(Store)
        end},
        {"the same as casts", fun(#{store := Store}) ->
            [
                gen_server:cast(esdb_client:worker(Generation, Store), Request)
             || Generation <- [old, new],
                {Name, Arguments} <- requests(),
                {_, _, Request} <- wrong(Store, Name, Arguments)
            ],
            nothing_stored(Store)
        end},
        {"good arguments are none of these", fun good/1},
        {"names that are no UTF-8 are none of these either", fun bytes/1}
    ]).

%% Every argument, and the store, once of every kind that it must not be.
wrong(Store, Name, Arguments) ->
    Good = [Store | [good_value(Argument) || Argument <- Arguments]],
    Kinds = [[atom] | [Kinds || {_, Kinds} <- as_pairs(Arguments)]],
    [
        {Place, Kind, list_to_tuple([Name | replace(Place, Term, Good)])}
     || {Place, May} <- lists:zip(lists:seq(1, length(Good)), Kinds),
        May =/= all,
        {Kind, Term} <- kinds(),
        not lists:member(Kind, May)
    ].

as_pairs(Arguments) ->
    [
        case Argument of
            all -> {nothing, all};
            Pair -> Pair
        end
     || Argument <- Arguments
    ].

good_value(all) -> {any, [term]};
good_value({Value, _}) -> Value.

replace(1, Term, [_ | Rest]) -> [Term | Rest];
replace(N, Term, [First | Rest]) -> [First | replace(N - 1, Term, Rest)].

%% The fields of an event, each of each kind that it must not be; and without each that it must have.
wrong_fields(Store) ->
    Fields = [
        {event_type, [atom, binary]},
        {event_id, [binary]},
        {tags, []},
        {data_content_type, [binary, integer, bignum]},
        {metadata_content_type, [binary, integer, bignum]}
    ],
    [
        {Key, Kind, append(Store, (event())#{Key => Term})}
     || {Key, May} <- Fields,
        {Kind, Term} <- kinds(),
        not lists:member(Kind, May)
    ] ++
        [{event, Kind, append(Store, Term)} || {Kind, Term} <- kinds()] ++
        [{Key, missing, append(Store, maps:remove(Key, event()))} || Key <- [event_type, data]].

%% The options of a subscription, each of each kind that it must not be.
wrong_options(Store) ->
    Options = [
        {consumer, [pid]},
        {type, []},
        {selector, [binary]},
        {start_from, []},
        {window, []},
        {max_consumers, []},
        {max_attempts, []},
        {buffer, []},
        {when_full, []},
        {warn_at, []},
        {heartbeat, []},
        {nonsense, []}
    ],
    [
        {Key, Kind, {open_subscription, Store, <<"n">>, #{Key => Term}}}
     || {Key, May} <- Options,
        {Kind, Term} <- kinds(),
        not lists:member(Kind, May)
    ].

append(Store, Event) ->
    {append_events, Store, <<"s">>, any, [event(), Event, event()]}.

%% Wherever a binary names something.
wrong_names(Store) ->
    Names = [{0, <<>>}, {65535, binary:copy(<<"n">>, 65535)}],
    [
        {Place, Size, list_to_tuple([Name | replace(Place, Bad, Good)])}
     || {Name, Arguments} <- requests(),
        %% an event's type, a pattern or a tag may be of any length in a selector
        not lists:member(Name, [save_subscription, remove_subscription]),
        Good <- [[Store | [good_value(Argument) || Argument <- Arguments]]],
        {Place, Argument} <- lists:zip(lists:seq(2, length(Arguments) + 1), Arguments),
        lists:member(Argument, [?STREAM, ?NAME]),
        {Size, Bad} <- Names
    ] ++
        [
            {event, Size, append(Store, (event())#{Key => Value})}
         || {Size, Bad} <- Names,
            {Key, Value} <- [{event_type, Bad}, {event_id, Bad}, {tags, [<<"t">>, Bad]}]
        ] ++
        [{types, Size, {read_by_event_types, Store, [Bad], 1}} || {Size, Bad} <- Names] ++
        [{tags, Size, {read_by_tags, Store, [Bad], any, 1}} || {Size, Bad} <- Names] ++
        [
            {subscription, Size, {save_subscription, Store, by_stream, <<"s">>, Bad, 0, self()}}
         || {Size, Bad} <- Names
        ] ++
        [{source, 65535, {record_snapshot, Store, element(2, lists:last(Names)), <<"s">>, 1, #{}}}] ++
        [{selector, 0, {save_subscription, Store, by_stream, <<>>, <<"n">>, 0, self()}}].

too_much(Store) ->
    Names = [integer_to_binary(N) || N <- lists:seq(1, 1001)],
    [
        {types, {read_by_event_types, Store, Names, 1}},
        {tags, {read_by_tags, Store, Names, any, 1}},
        {event, append(Store, (event())#{tags => Names})},
        {selector, {save_subscription, Store, by_tags, lists:append(lists:duplicate(20, Names)), <<"n">>, 0, self()}},
        {position, {ack_subscription, Store, <<"n">>, self(), lists:seq(1, 10001)}},
        {reason, {nack_subscription, Store, <<"n">>, self(), 1, {park, <<0:(65536 * 8)>>}}},
        {window, {subscription_window, Store, <<"n">>, self(), 10001}},
        {heartbeat, {open_subscription, Store, <<"n">>, #{heartbeat => 1 bsl 62}}},
        {options, {create_store, another_store, [{key, binary:copy(<<0>>, 65536)}]}},
        {store, {create_store, list_to_atom(lists:duplicate(235, $s)), []}},
        {store, {create_store, '', []}},
        {elements, list_to_tuple([append_events, Store | lists:duplicate(100000, x)])},
        {elements, list_to_tuple([append_events, Store | lists:duplicate(20, x)])},
        {elements, {append_events}},
        {elements, {append_events, Store}},
        {snapshot, {record_snapshot, Store, <<"s">>, <<"s">>, 1, binary:copy(<<0>>, 65 bsl 20)}},
        {event, append(Store, (event())#{data => binary:copy(<<0>>, 65 bsl 20)})}
    ].

refused(Store, Place, Kind, Request) ->
    [
        case gen_server:call(esdb_client:worker(Generation, Store), Request, 30000) of
            {error, {stream_not_found, {Name, <<_, _/binary>>}}} ->
                ?assert(
                    lists:member(Name, [invalid_request, invalid_event, unknown_request, too_large])
                );
            {error, {invalid_filter, {_, <<_, _/binary>>}}} when
                element(1, Request) =:= save_subscription; element(1, Request) =:= open_subscription
            ->
                ok;
            Reply ->
                error({not_refused, Generation, Place, Kind, element(1, Request), Reply})
        end
     || Generation <- [old, new]
    ].

nothing_stored(Store) ->
    Old = esdb_client:worker(old, Store),
    ?assertEqual(false, gen_server:call(Old, {has_events, Store})),
    ?assertEqual({ok, []}, gen_server:call(Old, {get_subscriptions, Store})),
    ?assertEqual({ok, []}, gen_server:call(Old, {list_all_snapshots, Store})),
    ?assertEqual({ok, []}, gen_server:call(Old, {list_persistent_subscriptions, Store})),
    {ok, Stores} = gen_server:call(Old, {list_stores}),
    ?assertEqual([Store], [Name || #{store_id := Name} <- Stores]).

%% That what was refused was refused for the one wrong argument.
good(#{store := Store}) ->
    [
        case gen_server:call(esdb_client:worker(Generation, Store), list_to_tuple([Name, Store | Values])) of
            {error, {stream_not_found, {Refused, Text}}} -> error({refused, Name, Refused, Text});
            {error, {invalid_filter, Reason}} -> error({refused, Name, Reason});
            _ -> ok
        end
     || Generation <- [old, new],
        {Name, Arguments} <- requests(),
        %% what is stored here must not disturb the next test
        Name =/= remove_store,
        Values <- [[good_value(Argument) || Argument <- Arguments]]
    ].

%% A binary is a binary.
bytes(#{store := Store}) ->
    [Stream, Type, Tag, Id] = Names = [<<N, 255>> || N <- [254, 253, 252, 251]],
    Event = #{event_type => Type, event_id => Id, tags => [Tag], data => Names},
    [
        begin
            Call = fun(Request) -> esdb_client:call(Generation, Store, Request) end,
            {ok, _} = Call({append_events, Store, Stream, [Event]}),
            {ok, [Recorded]} = Call({get_events, Store, Stream, 0, 10, forward}),
            ?assertEqual({ok, [Recorded]}, Call({read_by_event_types, Store, [Type], 10})),
            ?assertEqual({ok, [Recorded]}, Call({read_by_tags, Store, [Tag], any, 10})),
            ?assertEqual({ok, [Stream]}, Call({get_streams, Store})),
            ok = Call({delete_stream, Store, Stream})
        end
     || Generation <- [old, new]
    ].

event() ->
    #{event_type => <<"t">>, data => 1}.
