%% Snapshots: any term, many versions of a stream, read back by whatever client asks, in the shape
%% that its adapters take; there after a kill as before it.
-module(snapshots_tests).
-include_lib("eunit/include/eunit.hrl").

-import(esdb_fixture, [start/1, stop/2]).

-define(STORE, default_store).
-define(SOURCE, <<"source">>).

snapshots_test_() ->
    [
        esdb_fixture:on_client(#{stores => [?STORE, other]}, [
            {Title ++ ", " ++ atom_to_list(Generation), fun(#{}) -> Test(Generation) end}
         || Generation <- [old, new], {Title, Test} <- tests()
        ]),
        {"both generations read what the other recorded", {timeout, 60, fun across/0}},
        {"after kill -9, from log and checkpoint", {timeout, 60, fun killed/0}}
    ].

tests() ->
    [
        {"any term is the state, byte for byte", fun any_term/1},
        {"what adapters wrap is read as they want it", fun wrapped/1},
        {"a state with a key data is no wrapper", fun no_wrapper/1},
        {"a record in the place of another", fun replaced/1},
        {"many versions", fun many_versions/1},
        {"version 0 and latest", fun zero/1},
        {"deleting one version and no other", fun deletion/1},
        {"lists of a stream, a source, a store", fun lists/1},
        {"what snapshots there are, newest first", fun summaries/1},
        {"a cast, and then a call that sees it", fun cast_then_call/1},
        {"a cast, and then a call of another process of the node", fun cast_then_other_calls/1},
        {"streams whose names begin alike, or hold zeros", fun names/1},
        {"no snapshot is a missing one", fun missing/1},
        {"wrong arguments are refused", fun refused/1},
        {"the store that is named counts", fun stores/1},
        {"a large one", fun large/1},
        {"a stream is deleted without its snapshots", fun deleted_stream/1}
    ].

any_term(G) ->
    Terms = [
        'Ünïcödé', undefined, 0, -1, 1 bsl 2040, 1.5, -0.0, <<>>, <<5:3>>, [], [1, 2, 3],
        [a | b], [-1, -2], {}, {account, 1, #{}}, #{}, #{1 => 1, 1.0 => 2, <<"k">> => [{}]}, self(),
        make_ref(), fun lists:map/2, fun() -> G end,
        maps:from_list([{N, N} || N <- lists:seq(1, 99)])
    ],
    Stream = name("any term", G),
    [ok = record(G, Stream, V, T) || {V, T} <- lists:enumerate(Terms)],
    [
        begin
            {ok, Snapshot} = read(G, Stream, V),
            ?assert(term_to_binary(T) =:= term_to_binary(maps:get(data, Snapshot)))
        end
     || {V, T} <- lists:enumerate(Terms)
    ],
    {ok, All} = list(G, any, Stream),
    ?assert(term_to_binary(Terms) =:= term_to_binary([maps:get(data, S) || S <- All])).

%% The shape that reckon_evoq and its checkpoint store record, and take out of what they read.
wrapped(G) ->
    Stream = name("wrapped", G),
    Metadata = #{saved_at => 1, <<"by">> => self()},
    Given = #{data => #{checkpoint => 7}, metadata => Metadata, timestamp => 1234},
    ok = record(G, Stream, 7, Given),
    Expected = Given#{stream_id => Stream, version => 7},
    ?assertEqual({ok, Expected}, read(G, Stream, 7)),
    ?assertEqual({ok, [Expected]}, list(G, Stream, Stream)),
    %% without a time stamp it gets one
    ok = record(G, Stream, 8, maps:remove(timestamp, Given)),
    {ok, #{timestamp := Time} = Read} = read(G, Stream, 8),
    ?assertEqual(Expected#{version => 8}, Read#{timestamp => 1234}),
    ?assert(abs(erlang:system_time(millisecond) - Time) < 60000).

no_wrapper(G) ->
    Stream = name("no wrapper", G),
    States = [
        #{data => 1}, #{metadata => 1, timestamp => 1}, #{data => 1, timestamp => 2},
        #{data => 1, metadata => #{}, balance => 2}, #{<<"data">> => 1, <<"metadata">> => 2},
        #{data => 1, metadata => #{}, 3 => 4}, [{data, 1}, {metadata, 2}]
    ],
    [ok = record(G, Stream, V, S) || {V, S} <- lists:enumerate(States)],
    {ok, All} = list(G, any, Stream),
    ?assertEqual(States, [maps:get(data, S) || S <- All]),
    ?assertEqual([#{}], lists:usort([maps:get(metadata, S) || S <- All])),
    Times = [maps:get(timestamp, S) || S <- All],
    ?assertEqual(lists:sort(Times), Times).

replaced(G) ->
    Stream = name("replaced", G),
    [ok = record(G, Stream, 3, {state, N}) || N <- [1, 2, 3]],
    {ok, [#{version := 3, data := {state, 3}}]} = list(G, any, Stream),
    ?assertMatch({ok, #{data := {state, 3}}}, read(G, Stream, 3)).

many_versions(G) ->
    Stream = name("many versions", G),
    Versions = [N * N || N <- lists:seq(1, 1000)],
    [cast(G, {record_snapshot, ?STORE, ?SOURCE, Stream, V, {state, V}}) || V <- Versions],
    {ok, All} = list(G, any, Stream),
    ?assertEqual(Versions, [maps:get(version, S) || S <- All]),
    [?assertMatch({ok, #{version := V, data := {state, V}}}, read(G, Stream, V)) || V <- Versions],
    ?assertEqual({error, not_found}, read(G, Stream, 2)),
    ?assertMatch({ok, #{version := 1000000}}, read(G, Stream, latest)),
    Last = 1 bsl 63 - 1,
    ok = record(G, Stream, Last, last),
    ?assertMatch({ok, #{version := Last}}, read(G, Stream, latest)).

%% 0 asks for the latest. Old adapters mean version 0, and call whatever they get version 0: they
%% get that one, if there is one.
zero(G) ->
    Stream = name("zero", G),
    ?assertEqual({error, not_found}, read(G, Stream, 0)),
    ?assertEqual({error, not_found}, read(G, Stream, latest)),
    [ok = record(G, Stream, V, {state, V}) || V <- [9, 10, 2]],
    [?assertMatch({ok, #{version := 10}}, read(G, Stream, V)) || V <- [0, latest]],
    ok = record(G, Stream, 0, {state, 0}),
    ?assertMatch({ok, #{version := 10}}, read(G, Stream, latest)),
    Zero = #{old => 0, new => 10},
    {ok, #{version := Version}} = read(G, Stream, 0),
    ?assertEqual(maps:get(G, Zero), Version).

deletion(G) ->
    Stream = name("deletion", G),
    [ok = record(G, Stream, V, {state, V}) || V <- [0, 1, 2, 3]],
    ok = call(G, {delete_snapshot, ?STORE, ?SOURCE, Stream, 0}),
    ok = call(G, {delete_snapshot, ?STORE, <<"another">>, Stream, 2}),
    ok = call(G, {delete_snapshot, ?STORE, ?SOURCE, Stream, 77}),
    ?assertEqual([1, 3], versions(G, Stream)),
    cast(G, {delete_snapshot, ?STORE, ?SOURCE, Stream, 3}),
    ?assertMatch({ok, #{version := 1}}, read(G, Stream, latest)),
    ?assertEqual({error, not_found}, read(G, Stream, 3)),
    cast(G, {delete_snapshot, ?STORE, ?SOURCE, Stream, 1}),
    ?assertEqual({ok, []}, list(G, any, Stream)).

lists(G) ->
    [A, B] = [name("lists a", G), name("lists b", G)],
    [SourceA, SourceB] = [name("source a", G), list_to_atom("source_b_" ++ atom_to_list(G))],
    Recorded = [{SourceA, A, 2}, {SourceB, A, 1}, {SourceB, B, 1}, {SourceB, B, 256}],
    [
        ok = call(G, {record_snapshot, ?STORE, Source, Stream, V, {Source, Stream, V}})
     || {Source, Stream, V} <- Recorded
    ],
    Listed = fun(Source, Stream) ->
        {ok, Snapshots} = list(G, Source, Stream),
        [{S, V} || #{stream_id := S, version := V} <- Snapshots, S =:= A orelse S =:= B]
    end,
    %% a stream's are found whatever the source, as the published servers do it
    [?assertEqual([{A, 1}, {A, 2}], Listed(S, A)) || S <- [any, SourceA, SourceB, <<"none">>]],
    ?assertEqual([{A, 2}], Listed(SourceA, any)),
    ?assertEqual([{A, 1}, {B, 1}, {B, 256}], Listed(SourceB, any)),
    ?assertEqual([{A, 1}, {A, 2}, {B, 1}, {B, 256}], Listed(any, any)),
    ?assertEqual([], Listed(<<"none">>, any)).

summaries(G) ->
    Streams = [name(Title, G) || Title <- ["summary z", "summary a", "summary m"]],
    [ok = record(G, S, 1, #{data => big, metadata => {m, S}, timestamp => 5}) || S <- Streams],
    {ok, [First, Second, Third | _]} = call(G, {list_all_snapshots, ?STORE}),
    ?assertEqual(
        [
            #{stream_id => S, version => 1, metadata => {m, S}, timestamp => 5}
         || S <- lists:reverse(Streams)
        ],
        [First, Second, Third]
    ).

%% Through the workers of both generations in turn.
cast_then_call(G) ->
    Stream = name("cast then call", G),
    Other = #{old => new, new => old},
    [
        begin
            cast(G, {record_snapshot, ?STORE, ?SOURCE, Stream, V, {state, V}}),
            ?assertMatch({ok, #{data := {state, V}}}, read(maps:get(G, Other), Stream, V)),
            cast(maps:get(G, Other), {delete_snapshot, ?STORE, ?SOURCE, Stream, V}),
            ?assertEqual({error, not_found}, read(G, Stream, V)),
            cast(G, {record_snapshot, ?STORE, ?SOURCE, Stream, V, {again, V}}),
            ?assertEqual(lists:seq(1, V), versions(G, Stream))
        end
     || V <- lists:seq(1, 100)
    ].

%% The published servers' workers do one thing after the other, and whoever casts is not told when it
%% is done: an aggregate records a snapshot and ends, and its successor reads it.
cast_then_other_calls(G) ->
    Stream = name("cast then other calls", G),
    [
        begin
            Request = {record_snapshot, ?STORE, ?SOURCE, Stream, V, {state, V}},
            {Pid, Monitor} = spawn_monitor(fun() -> cast(G, Request) end),
            receive
                {'DOWN', Monitor, process, Pid, normal} -> ok
            end,
            ?assertMatch({ok, #{version := V}}, read(G, Stream, latest))
        end
     || V <- lists:seq(1, 300)
    ].

names(G) ->
    Alike = [<<"n">>, <<"n", 0>>, <<"n", 0, 0>>, <<"n", 0, 1>>, <<"nn">>, <<0>>],
    Names = [iolist_to_binary([atom_to_list(G), N]) || N <- Alike],
    Long = binary:copy(<<0>>, 1024),
    [ok = record(G, N, 5, {state, N}) || N <- [Long | Names]],
    [
        ?assertMatch({ok, [#{stream_id := N, version := 5, data := {state, N}}]}, list(G, any, N))
     || N <- [Long | Names]
    ].

missing(G) ->
    Stream = name("missing", G),
    {Microseconds, Replies} = timer:tc(fun() -> [read(G, Stream, V) || V <- [0, 1, latest]] end),
    ?assertEqual([{error, not_found}], lists:usort(Replies)),
    ?assertEqual({ok, []}, list(G, Stream, Stream)),
    ?assertEqual({ok, []}, list(G, any, Stream)),
    ?assert(Microseconds < 1000000).

refused(G) ->
    Before = call(G, {list_snapshots, ?STORE, any, any}),
    S = <<"refused">>,
    Requests =
        [{record_snapshot, ?STORE, ?SOURCE, S, V, x} || V <- [-1, latest, 1.0, <<>>, 1 bsl 64]] ++
        [{delete_snapshot, ?STORE, ?SOURCE, S, V} || V <- [-1, latest, any]] ++
        [{read_snapshot, ?STORE, ?SOURCE, S, V} || V <- [-1, first, <<>>]] ++
        [{record_snapshot, ?STORE, ?SOURCE, T, 1, x} || T <- [any, <<>>, "s", 1]] ++
        [{record_snapshot, ?STORE, T, S, 1, x} || T <- [1, "s", {a}, binary:copy(<<"x">>, 1100)]] ++
        [{read_snapshot, ?STORE, 1, S, 1}, {read_snapshot, ?STORE, ?SOURCE, any, 1}] ++
        [{list_snapshots, ?STORE, any, T} || T <- [1, <<>>, all]] ++
        [{list_snapshots, ?STORE, {}, any}],
    [
        ?assertMatch(
            {_, {error, {stream_not_found, {invalid_request, <<_, _/binary>>}}}},
            {Request, call(G, Request)}
        )
     || Request <- Requests
    ],
    [cast(G, Request) || Request <- Requests],
    ?assertEqual(Before, call(G, {list_snapshots, ?STORE, any, any})),
    Missing = {record_snapshot, nowhere, ?SOURCE, S, 1, x},
    ?assertMatch({error, {stream_not_found, {unknown_store, _}}}, call(G, Missing)).

stores(G) ->
    Stream = name("stores", G),
    ok = call(G, {record_snapshot, other, ?SOURCE, Stream, 1, there}),
    ?assertEqual({error, not_found}, read(G, Stream, 1)),
    ?assertMatch(
        {ok, #{data := there}}, call(G, {read_snapshot, other, ?SOURCE, Stream, 1})
    ).

large(G) ->
    Stream = name("large", G),
    State = binary:copy(<<1, 2, 3, 4>>, 5 bsl 18),
    ok = record(G, Stream, 1, State),
    {ok, #{data := Read}} = read(G, Stream, 1),
    ?assert(State =:= Read),
    TooLarge = {record_snapshot, ?STORE, ?SOURCE, Stream, 2, binary:copy(<<0>>, 64 bsl 20)},
    Reply = gen_server:call(esdb_client:worker(G, ?STORE), TooLarge, 30000),
    ?assertMatch({error, {stream_not_found, {too_large, <<_, _/binary>>}}}, Reply),
    ?assertEqual([1], versions(G, Stream)),
    ok = call(G, {delete_snapshot, ?STORE, ?SOURCE, Stream, 1}).

%% As the published servers do it: a snapshot need not belong to a stream.
deleted_stream(G) ->
    Stream = name("deleted stream", G),
    {ok, 0} = esdb_client:append(?STORE, Stream, [#{event_type => <<"t">>, data => 1}]),
    ok = record(G, Stream, 0, state),
    ok = call(G, {delete_stream, ?STORE, Stream}),
    ?assertEqual([0], versions(G, Stream)).

across() ->
    {Client, Server} = start(#{}),
    esdb_peer:run(Client, fun() ->
        [
            begin
                Stream = name("across", G),
                Given = #{data => {state, G}, metadata => #{}, timestamp => 1},
                ok = record(G, Stream, 3, Given),
                Expected = Given#{stream_id => Stream, version => 3},
                ?assertEqual({ok, Expected}, read(Other, Stream, 3)),
                ?assertEqual({ok, [Expected]}, list(Other, Stream, Stream))
            end
         || {G, Other} <- [{old, new}, {new, old}]
        ]
    end),
    stop([Client], Server).

%% With little memory, some are in checkpoints when the server is killed, and some in the log only.
killed() ->
    {Client, First} = start(#{args => ["--memtable-mib", "1"]}),
    Filler = binary:copy(<<"f">>, 20000),
    Round = fun(N) ->
        [
            cast(S, {record_snapshot, ?STORE, ?SOURCE, name("killed", S), V, {N, S, V, Filler}})
         || S <- [old, new], V <- lists:seq(0, 49)
        ],
        ok = call(old, {delete_snapshot, ?STORE, ?SOURCE, name("killed", new), N})
    end,
    %% a digest, since much takes long on its way out of the node
    Everything = fun() ->
        {ok, Snapshots} = list(new, any, any),
        {ok, Summaries} = call(old, {list_all_snapshots, ?STORE}),
        {length(Snapshots), length(Summaries), erlang:md5(term_to_binary({Snapshots, Summaries}))}
    end,
    Last = lists:foldl(
        fun(N, Server) ->
            esdb_peer:run(Client, fun() -> Round(N) end),
            Before = esdb_peer:run(Client, Everything),
            ?assertMatch({99, 99, _}, Before),
            ok = esdb_server:kill(Server),
            Again = esdb_server:restart(Server),
            ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
            ?assertEqual(Before, esdb_peer:run(Client, Everything)),
            Again
        end,
        First,
        [0, 1, 2]
    ),
    stop([Client], Last).


%% Tests of both generations share a store.
name(Title, Generation) ->
    iolist_to_binary([Title, " ", atom_to_binary(Generation)]).

record(G, Stream, Version, Given) ->
    call(G, {record_snapshot, ?STORE, ?SOURCE, Stream, Version, Given}).

read(G, Stream, Version) ->
    call(G, {read_snapshot, ?STORE, ?SOURCE, Stream, Version}).

list(G, Source, Stream) ->
    call(G, {list_snapshots, ?STORE, Source, Stream}).

versions(G, Stream) ->
    {ok, Snapshots} = list(G, any, Stream),
    [maps:get(version, S) || S <- Snapshots].

call(G, Request) ->
    esdb_client:call(G, ?STORE, Request).

cast(G, Request) ->
    gen_server:cast(esdb_client:worker(G, ?STORE), Request).
