%% Reading one stream, in both directions, with every request there is for it.
-module(reading_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STREAM, <<"ten">>).

reading_test_() ->
    esdb_fixture:with(
        fun() ->
            Client = esdb_peer:start(),
            Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
            ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
            Events = [#{event_type => <<"t">>, data => N} || N <- lists:seq(0, 9)],
            {ok, 9} = esdb_peer:call(Client, esdb_client, append, [default_store, ?STREAM, Events]),
            #{client => Client, server => Server}
        end,
        [
            {Title, fun(#{client := Client}) -> esdb_peer:run(Client, Test) end}
         || {Title, Test} <- [
                {"forward", fun forward/0},
                {"backward", fun backward/0},
                {"the short forms read the same", fun short_forms/0},
                {"a count of 0 gives no events", fun no_events/0},
                {"a stream that does not exist", fun missing/0},
                {"get_version answers a bare integer", fun version/0},
                {"a long stream in batches", fun long_stream/0},
                {"a slow reader holds up nobody", fun slow_reader/0}
            ]
        ]
    ).

forward() ->
    ?assertEqual([0, 1, 2], get_events(0, 3, forward)),
    ?assertEqual([4, 5, 6, 7, 8, 9], get_events(4, 100, forward)),
    ?assertEqual([9], get_events(9, 1, forward)),
    ?assertEqual([], get_events(10, 5, forward)),
    ?assertEqual([], get_events(1 bsl 62, 5, forward)),
    ?assertEqual(lists:seq(0, 9), get_events(0, 1 bsl 62, forward)).

backward() ->
    ?assertEqual([9, 8, 7], get_events(9, 3, backward)),
    ?assertEqual([1, 0], get_events(1, 10, backward)),
    ?assertEqual([0], get_events(0, 1, backward)),
    %% of the versions asked for, those that there are
    ?assertEqual([9, 8], get_events(11, 4, backward)),
    ?assertEqual([], get_events(100, 5, backward)).

short_forms() ->
    [
        begin
            ?assertEqual([3, 4], read(Generation, {stream_forward, default_store, ?STREAM, 3, 2})),
            ?assertEqual([], read(Generation, {stream_forward, default_store, ?STREAM, 10, 2})),
            ?assertEqual([3, 2], read(Generation, {stream_backward, default_store, ?STREAM, 3, 2})),
            ?assertEqual([1, 0], read(Generation, {stream_backward, default_store, ?STREAM, 1, 9}))
        end
     || Generation <- [old, new]
    ].

no_events() ->
    ?assertEqual([], get_events(0, 0, forward)),
    ?assertEqual([], get_events(9, 0, backward)),
    Requests = [
        {stream_forward, default_store, ?STREAM, 3, 0},
        {stream_backward, default_store, ?STREAM, 3, 0},
        {read_by_event_types, default_store, [<<"t">>], 0},
        {read_by_event_types, default_store, [], 0},
        {read_by_tags, default_store, [<<"tag">>], any, 0},
        {read_by_tags, default_store, [<<"tag">>], all, 0},
        {read_all_global, default_store, 0, 0}
    ],
    [?assertEqual([], read(Generation, R)) || R <- Requests, Generation <- [old, new]].

missing() ->
    Stream = <<"missing">>,
    Requests = [
        {get_events, default_store, Stream, 0, 0, forward},
        {get_events, default_store, Stream, 0, 10, forward},
        {get_events, default_store, Stream, 0, 10, backward},
        {stream_forward, default_store, Stream, 0, 10},
        {stream_backward, default_store, Stream, 0, 10}
    ],
    [
        ?assertEqual(
            {error, {stream_not_found, Stream}},
            esdb_client:call(Generation, default_store, Request)
        )
     || Request <- Requests, Generation <- [old, new]
    ].

version() ->
    Ask = fun(Generation, Stream) ->
        esdb_client:call(Generation, default_store, {get_version, default_store, Stream})
    end,
    ?assertEqual({9, 9}, {Ask(old, ?STREAM), Ask(new, ?STREAM)}),
    ?assertEqual({-1, -1}, {Ask(old, <<"missing">>), Ask(new, <<"missing">>)}).

long_stream() ->
    Stream = <<"long">>,
    Batch = fun(From) ->
        [#{event_type => <<"t">>, data => N} || N <- lists:seq(From, From + 999)]
    end,
    [
        {ok, _} = esdb_client:append(default_store, Stream, Batch(From))
     || From <- lists:seq(0, 19000, 1000)
    ],
    Read = [
        read(old, {stream_forward, default_store, Stream, Start, 700})
     || Start <- lists:seq(0, 19999, 700)
    ],
    ?assert(lists:seq(0, 19999) =:= lists:append(Read)),
    Backward = read(old, {stream_backward, default_store, Stream, 19999, 20000}),
    ?assert(lists:seq(19999, 0, -1) =:= Backward).

slow_reader() ->
    Worker = esdb_client:worker(old, default_store),
    Requests = [
        gen_server:send_request(Worker, {stream_forward, default_store, <<"long">>, 0, 20000})
     || _ <- lists:seq(1, 20)
    ],
    Me = self(),
    spawn_link(fun() ->
        Timed = timer:tc(fun() ->
            esdb_client:call(default_store, {get_version, default_store, ?STREAM})
        end),
        Me ! {quick, Timed}
    end),
    receive
        {quick, {Microseconds, 9}} -> ?assert(Microseconds < 2000000)
    after 5000 -> error(held_up)
    end,
    [?assertMatch({reply, {ok, [_ | _]}}, gen_server:wait_response(R, 30000)) || R <- Requests].

get_events(Start, Count, Direction) ->
    Request = {get_events, default_store, ?STREAM, Start, Count, Direction},
    Old = read(old, Request),
    ?assertEqual(Old, read(new, Request)),
    Old.

%% The data of the events, which equals their versions here.
read(Generation, Request) ->
    {ok, Events} = esdb_client:call(Generation, default_store, Request),
    Data = [element(6, E) || E <- Events],
    ?assertEqual(Data, [element(5, E) || E <- Events]),
    Data.
