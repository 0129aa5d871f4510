%% A request that can never succeed is answered with a clear error, at once, in a shape that clients
%% do not retry; the worker lives on, and nothing is stored.
-module(bad_requests_tests).
-include_lib("eunit/include/eunit.hrl").

bad_requests_test_() ->
    esdb_fixture:on_client(#{}, [
        {atom_to_list(Name) ++ ": " ++ Title, fun(#{store := Store}) ->
            [refused(Generation, Store, Name, Make(Store)) || Generation <- [old, new]]
        end}
     || {Name, Title, Make} <- cases()
    ] ++ [
        {"an event of more than 64 MiB is too large", fun too_large/1},
        {"messages that are no requests are passed over", fun no_requests/1},
        {"nothing was stored and the workers are the same", fun nothing_stored/1}
    ]).

cases() ->
    [
        {invalid_event, Title, fun(S) -> {append_events, S, <<"s">>, [Event]} end}
     || {Title, Event} <- bad_events()
    ] ++ [
        {invalid_event, "one bad event among good ones", fun(S) ->
            {append_events, S, <<"s">>, any, [good(), good(), #{data => 1}]}
        end},
        {invalid_request, "events that are no list", fun(S) ->
            {append_events, S, <<"s">>, any, good()}
        end},
        {invalid_request, "events that are an improper list", fun(S) ->
            {append_events, S, <<"s">>, [good() | good()]}
        end}
    ] ++ [
        {invalid_request, "an expected version " ++ io_lib:format("~p", [Expected]), fun(S) ->
            {append_events, S, <<"s">>, Expected, [good()]}
        end}
     || Expected <- [-3, -5, sometimes, 1.0, <<"any">>, undefined, {1}]
    ] ++ [
        {invalid_request, "a stream id " ++ io_lib:format("~p", [Stream]), fun(S) ->
            list_to_tuple([Name, S, Stream | Rest])
        end}
     || {Name, Rest} <- [
            {append_events, [[#{event_type => <<"t">>, data => 1}]]},
            {get_events, [0, 1, forward]},
            {get_version, []},
            {delete_stream, []}
        ],
        Stream <- [atom, "string", 1, <<1:1>>]
    ] ++ [
        {invalid_request, Title, fun(S) -> list_to_tuple([Name, S | Rest]) end}
     || {Title, Name, Rest} <- bad_reads()
    ] ++ [
        {unknown_store, io_lib:format("~p", [Request]), fun(_) -> Request end}
     || Request <- [
            {get_streams, nowhere},
            {append_events, nowhere, <<"s">>, [#{event_type => <<"t">>, data => 1}]},
            {get_version, nowhere, <<"s">>}
        ]
    ] ++ [
        {unknown_request, io_lib:format("~p", [Request]), fun(_) -> Request end}
     || Request <- [
            {frobnicate, default_store}, {append_events, default_store}, {frobnicate}, {}, hello,
            42, [], <<"x">>, #{}, {"append_events", default_store}, {has_events, default_store, 1}
        ]
    ].

bad_events() ->
    Good = good(),
    [
        {"no event type", maps:remove(event_type, Good)},
        {"no data", maps:remove(data, Good)},
        {"an empty map", #{}},
        {"a record instead of a map", {event, <<"id">>, <<"t">>}},
        {"an event type that is a number", Good#{event_type => 1}},
        {"an event type that is a string", Good#{event_type => "placed"}},
        {"an empty event type", Good#{event_type => <<>>}},
        {"tags that are no list", Good#{tags => <<"tag">>}},
        {"tags that are an improper list", Good#{tags => [<<"tag">> | <<"tag">>]}},
        {"a tag that is an atom", Good#{tags => [<<"tag">>, tag]}},
        {"an id that is a reference", Good#{event_id => make_ref()}},
        {"a content type that is an atom", Good#{data_content_type => json}}
    ].

bad_reads() ->
    [
        {"a negative start", get_events, [<<"s">>, -1, 1, forward]},
        {"a start that is an atom", stream_forward, [<<"s">>, first, 1]},
        {"a start that is a float", stream_backward, [<<"s">>, 1.0, 1]},
        {"a negative count", get_events, [<<"s">>, 0, -1, forward]},
        {"an unknown direction", get_events, [<<"s">>, 0, 1, sideways]},
        {"a negative offset", read_all_global, [-1, 10]},
        {"a batch size that is an atom", read_all_global, [0, all]},
        {"a negative batch size", read_by_event_types, [[], -1]},
        {"types that are no list", read_by_event_types, [<<"t">>, 10]},
        {"a type that is a number", read_by_event_types, [[1], 10]},
        {"tags that are no list", read_by_tags, [<<"t">>, any, 10]},
        {"an unknown way to match tags", read_by_tags, [[<<"t">>], most, 10]}
    ].

%% The text must say something.
refused(Generation, Store, Name, Request) ->
    {Microseconds, Reply} = timer:tc(fun() -> esdb_client:call(Generation, Store, Request) end),
    case Reply of
        {error, {stream_not_found, {Name, <<_, _/binary>>}}} -> ok;
        _ -> error({unexpected_reply, Generation, Name, Request, Reply})
    end,
    ?assert(Microseconds < 1000000).

too_large(#{store := Store}) ->
    Data = binary:copy(<<0>>, (64 bsl 20) + 1),
    Request = {append_events, Store, <<"s">>, [(good())#{data => Data}]},
    Reply = gen_server:call(esdb_client:worker(old, Store), Request, 30000),
    ?assertMatch({error, {stream_not_found, {too_large, <<_, _/binary>>}}}, Reply).

no_requests(#{store := Store}) ->
    Worker = esdb_client:worker(old, Store),
    Messages = [
        hello, {}, [], {'$gen_call', nobody, {has_events, Store}}, {'$gen_call', {self(), x}},
        {'$gen_cast', garbage}, {'$gen_cast', {append_events, Store, 1, 2}}, {system, 1, 2},
        {'EXIT', self(), normal}, {nodedown, node()}, {'DOWN', make_ref(), process, self(), x}
    ],
    [Worker ! Message || Message <- Messages],
    ?assertEqual(false, gen_server:call(Worker, {has_events, Store})).

nothing_stored(#{store := Store}) ->
    [
        begin
            ?assertEqual(false, esdb_client:call(Generation, Store, {has_events, Store})),
            Monitor = monitor(process, esdb_client:worker(Generation, Store)),
            receive
                {'DOWN', Monitor, process, _, Reason} -> error({worker_down, Reason})
            after 100 -> demonitor(Monitor, [flush])
            end
        end
     || Generation <- [old, new]
    ].

good() ->
    #{event_type => <<"t">>, data => 1}.
