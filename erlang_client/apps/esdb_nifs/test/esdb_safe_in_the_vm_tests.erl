%% The library does its emulator no harm: long work goes to dirty schedulers, depth costs no stack, memory stays flat,
%% and new versions load beside old ones.
-module(esdb_safe_in_the_vm_tests).
-include_lib("eunit/include/eunit.hrl").
-export([torture/2]).

loaded(Tests) -> [Test || esdb_nifs_lib:loaded(), Test <- Tests].

%% test_nifs.sh says which of the two it tests.
the_library_that_is_tested_is_loaded_test() ->
    [?assertMatch({loaded, _}, esdb_nifs_lib:status()) || os:getenv("ESDB_NIFS") =:= "on"].

%% On an ordinary scheduler each function gives up long work instead of doing it.
long_work_is_handed_over_test_() ->
    loaded([{timeout, 60, fun() ->
        Bytes = binary:copy(<<"0123456789abcdef">>, 1 bsl 18),
        Ids = [integer_to_binary(I) || I <- lists:seq(1, 100000)],
        Edges = [{<<"1">>, Id} || Id <- Ids],
        Events = [#{I => {sum, I}} || I <- lists:seq(1, 100000)],
        Map = maps:from_list([{I, I} || I <- lists:seq(1, 100000)]),
        {ok, {_, _, Constants, Program}} = esdb_filter_nif:compile_predicate({gt, amount, 1}),
        [
            ?assertEqual({Name, dirty}, {Name, apply(esdb_nifs_lib, Name, Args)})
         || {Name, Args} <- [
                {xxhash64, [Bytes, 0]}, {xxhash3, [Bytes]}, {fnv1a, [Bytes]}, {partition_hash, [Bytes, 9]},
                {partition_hash_batch, [Ids, 9]}, {stream_partition, [Bytes, Bytes, 9]}, {fast_phash, [Bytes, 9]},
                {hash_sha256, [Bytes]}, {hash_sha256_base64, [Bytes]}, {base64_encode, [Bytes]}, {base64_decode, [Bytes]},
                {secure_compare, [Bytes, Bytes]}, {base58_encode, [binary:part(Bytes, 0, 8000)]},
                {verify_ed25519, [Bytes, binary:part(Bytes, 0, 64), binary:part(Bytes, 0, 32)]},
                {compress_zstd, [Bytes, 1]}, {compress_zstd, [<<"short">>, 19]}, {compress_lz4, [Bytes]},
                {aggregate_events, [Events, #{}, true]}, {aggregate_events, [[], Map, true]}, {aggregation_stats, [Events]},
                {merge_tagged_batch, [[{a, 1} || _ <- Ids], #{}]}, {finalize, [Map]}, {sum_field, [Events, a]},
                {count_where, [Events, a, 1]}, {wildcard_match, [Bytes, <<"*x*y*">>]}, {filter_by_wildcard, [Ids, <<"*1">>]},
                {filter_by_regex, [Ids, <<"1$">>]}, {filter_by_prefix, [Ids, <<"1">>]}, {filter_by_suffix, [Ids, <<"1">>]},
                {match_indices, [Ids, <<"1*">>]}, {count_matches, [Ids, <<"1*">>]}, {filter_events, [Events, Program, Constants]},
                {all_match, [[#{amount => 2} || _ <- Ids], Program, Constants]}, {build_edges, [[{Id, undefined} || Id <- Ids]]},
                {find_roots, [Ids, []]}, {topo_sort, [[], Edges]}, {has_path, [Ids, Edges, <<"1">>, <<"2">>]}, {to_dot_simple, [[], Edges]}
            ]
        ]
    end}]).

%% Little work that hides behind few elements: what is compared, hashed or copied counts by its size.
large_terms_are_handed_over_test_() ->
    loaded([{timeout, 60, fun() ->
        Large = binary:copy(<<"x">>, 1 bsl 22),
        Other = binary:copy(Large),
        Events = lists:duplicate(1000, #{a => Other}),
        Keys = maps:from_list([{<<(binary:copy(<<"k">>, 150000))/binary, I:32>>, 1} || I <- lists:seq(1, 40)]),
        Hashed = lists:duplicate(100, maps:from_list([{I, I} || I <- lists:seq(1, 40)])),
        [
            ?assertEqual({Name, dirty}, {Name, apply(esdb_nifs_lib, Name, Args)})
         || {Name, Args} <- [
                {filter_count, [Events | parts({'and', [{eq, a, Large}, {eq, a, Large}]})]},
                {filter_count, [Events | parts({'and', [{in, a, [Large]}, {in, a, [1, Large]}]})]},
                {filter_count, [Hashed | parts({'or', [{exists, Large}, {exists, Large}]})]},
                {filter_count, [[#{a => 0}] | parts({'or', [{eq, a, I} || I <- lists:seq(1, 100000)]})]},
                {filter_count, [[] | parts({'or', [{wildcard, a, integer_to_binary(I)} || I <- lists:seq(1, 100000)]})]},
                {count_where, [Events, a, Large]}, {count_where, [Hashed, Large, 1]}, {sum_field, [Hashed, Large]},
                {aggregate_events, [[Keys], #{}, true]}, {aggregate_events, [[], Keys, true]}, {finalize, [Keys]},
                {merge_tagged_batch, [maps:to_list(Keys), #{}]},
                {decompress_zstd, [empty_blocks()]}
            ]
        ],
        %% Comparing terms of any depth is the twin's.
        Deep = [lists:seq(1, 1000)],
        ?assertEqual(twin, esdb_nifs_lib:count_where([#{a => Deep}], a, Deep)),
        %% So is what would hold even a dirty scheduler for seconds.
        Slow = <<"*", (binary:part(Large, 0, 10000))/binary, "?y*">>,
        ?assertEqual(twin, esdb_nifs_lib:wildcard_match_dirty(Large, Slow)),
        ?assertEqual(false, esdb_nifs_lib:wildcard_match_dirty(Large, <<"*", (binary:part(Large, 0, 10000))/binary, "y*">>))
    end}]).

parts(Predicate) ->
    {ok, {_, _, Constants, Program}} = esdb_filter_nif:compile_predicate(Predicate),
    [Program, Constants].

%% A frame without content size: thirty million bytes of blocks without content.
empty_blocks() ->
    <<16#FD2FB528:32/little, 2#00000000, 0, (binary:copy(<<0, 0, 0>>, 10000000))/binary, 1, 0, 0>>.

%% The emulator itself says whether a scheduler was held. Another program may have had the processor meanwhile: each
%% call is tried five times.
no_scheduler_is_held_test_() ->
    Shifted = fun() -> shifted(binary:copy(<<"x">>, 1 bsl 25)) end,
    loaded([
        {lists:concat([Name]), {timeout, 60, fun() -> ?assert(lists:any(fun(_) -> unheld(Module, Name, Make) end, lists:seq(1, 5))) end}}
     || {Module, Name, Make} <- [
            {esdb_archive_nif, decompress, fun() -> [empty_blocks()] end},
            {esdb_aggregate_nif, nif_sum_field, fun() -> [lists:duplicate(1000, list_to_tuple([event | lists:duplicate(1000000, x)])), a] end},
            {esdb_filter_nif, filter_events, fun() ->
                {ok, Many} = esdb_filter_nif:compile_predicate({'or', [{eq, a, I} || I <- lists:seq(1, 300000)]}),
                [[#{a => 1}], Many]
            end},
            %% Many parts, or one long part, for each of many short texts.
            {esdb_filter_nif, filter_by_wildcard, fun() -> [lists:duplicate(5000, <<"b">>), binary:copy(<<"*a">>, 50000)] end},
            {esdb_filter_nif, filter_by_wildcard, fun() ->
                [lists:duplicate(480, binary:copy(<<"a">>, 64)), <<"*", (binary:copy(<<"b">>, 50000))/binary, "*">>]
            end},
            {esdb_hash_nif, xxhash64, fun() -> [Shifted(), 0] end},
            {esdb_hash_nif, xxhash3, fun() -> [Shifted()] end},
            {esdb_hash_nif, fnv1a, fun() -> [Shifted()] end},
            {esdb_hash_nif, partition_hash, fun() -> [Shifted(), 9] end},
            {esdb_hash_nif, stream_partition, fun() -> [<<"s">>, Shifted(), 9] end},
            {esdb_hash_nif, stream_partition, fun() -> [Shifted(), <<"s">>, 9] end},
            {esdb_crypto_nif, nif_hash_sha256, fun() -> [Shifted()] end},
            {esdb_crypto_nif, nif_hash_sha256_base64, fun() -> [Shifted()] end},
            {esdb_crypto_nif, base64_encode_urlsafe, fun() -> [Shifted()] end},
            {esdb_crypto_nif, base64_decode_urlsafe, fun() -> [Shifted()] end},
            {esdb_crypto_nif, secure_compare, fun() -> [Shifted(), Shifted()] end},
            {esdb_crypto_nif, verify_ed25519, fun() -> [Shifted(), <<0:512>>, <<1:256>>] end},
            {esdb_archive_nif, compress_zstd, fun() -> [Shifted(), 1] end},
            {esdb_archive_nif, compress_lz4, fun() -> [Shifted()] end},
            {esdb_archive_nif, decompress_zstd, fun() -> [Shifted()] end},
            {esdb_archive_nif, decompress_lz4, fun() -> [Shifted()] end},
            {esdb_filter_nif, wildcard_match, fun() -> [Shifted(), <<"*y*">>] end},
            {esdb_filter_nif, wildcard_to_regex, fun() -> [Shifted()] end}
        ]
    ]).

%% The same bytes, not at the start of a byte: the emulator copies them before a library can look at them.
shifted(Bytes) ->
    Size = byte_size(Bytes),
    <<_:3, Shifted:Size/binary, _/bits>> = <<0:3, Bytes/binary, 0:5>>,
    Shifted.

%% Whether the call did not hold a scheduler for 8 ms. (What is meant is 1 ms: a busy machine needs a distance.)
unheld(Module, Name, Make) ->
    in_process(fun() ->
        Self = self(),
        {Worker, Monitor} = spawn_monitor(fun() ->
            Args = Make(),
            Self ! made,
            receive go -> ok end,
            _ = apply(Module, Name, Args),
            %% What a process did last before its end is not looked at.
            erlang:yield()
        end),
        receive made -> ok end,
        _ = erlang:system_monitor(Self, [{long_schedule, 8}, {large_heap, 1 bsl 20}]),
        Worker ! go,
        receive {'DOWN', Monitor, process, Worker, normal} -> ok end,
        %% What the monitor says comes late, but in order: after this comes nothing about the worker.
        Large = spawn(fun() -> Numbers = lists:seq(1, 1 bsl 20), erlang:garbage_collect(), length(Numbers) end),
        receive {monitor, Large, large_heap, _} -> ok end,
        _ = erlang:system_monitor(undefined),
        receive {monitor, Worker, long_schedule, _} -> exit(held) after 0 -> ok end
    end) =:= normal.

%% Archives whose headers promise more than they hold, or hold more than may come out.
bombs_are_refused_test_() ->
    loaded([{timeout, 60, fun() ->
        {ok, Small} = esdb_archive_nif:compress(binary:copy(<<0>>, 1 bsl 20), zstd),
        Many = binary:copy(Small, 1030),
        ?assertEqual({error, too_large}, esdb_archive_nif:decompress(Many, zstd)),
        Liar = <<16#FD2FB528:32/little, 2#11100000, (1 bsl 50):64/little, 1:24/little>>,
        ?assertEqual({error, decompression_failed}, esdb_archive_nif:decompress(Liar, zstd))
    end}]).

a_chain_of_a_million_test_() ->
    loaded([{timeout, 60, fun() ->
        Ids = [<<I:32>> || I <- lists:seq(1, 1000000)],
        Edges = lists:zip(lists:droplast(Ids), tl(Ids)),
        ?assert({ok, Ids} =:= esdb_graph_nif:nif_topo_sort(lists:reverse(Ids), Edges)),
        ?assertMatch(#{max_depth := 999999, root_count := 1}, esdb_graph_nif:graph_stats(Ids, Edges)),
        ?assert(esdb_graph_nif:has_path([], Edges, hd(Ids), lists:last(Ids))),
        ?assert(tl(Ids) =:= esdb_graph_nif:get_descendants([], Edges, hd(Ids))),
        ?assertNot(esdb_graph_nif:has_cycle(Ids, Edges)),
        ?assert(esdb_graph_nif:has_cycle(Ids, [{lists:last(Ids), hd(Ids)} | Edges]))
    end}]).

%% With the library and without it.
a_deep_predicate_test_() ->
    {timeout, 60, fun() ->
        Deep = lists:foldl(fun(_, Predicate) -> {'not', {'and', [Predicate]}} end, {eq, a, 1}, lists:seq(1, 100000)),
        {ok, Compiled} = esdb_filter_nif:compile_predicate(Deep),
        ?assertEqual([#{a => 1}], esdb_filter_nif:filter_events([#{a => 1}, #{a => 2}], Compiled)),
        ?assertEqual([#{a => 1}], esdb_filter_nif:erlang_filter_events([#{a => 1}, #{a => 2}], Compiled))
    end}.

%% Calls over calls, with arguments good and bad: what the emulator takes of the machine stays as it was.
flat_memory_test_() ->
    loaded([{timeout, 100, fun() -> [flat_memory(Function, 10000, infinity) || Function <- native_functions()] end}]).

%% Those with twins, and those without.
native_functions() ->
    Frame = fun(Algorithm) -> {ok, Frame} = esdb_archive_nif:compress(esdb_gen:binary(), Algorithm), Frame end,
    esdb_gen:functions() ++
    [{esdb_filter_nif, compile_predicate, fun() -> [esdb_gen:predicate(3)] end}] ++
    [{esdb_archive_nif, Name, Gen} || {Name, Gen} <- [
        {compress_zstd, fun() -> [esdb_gen:binary(), esdb_gen:pick([1, 3, 5, 9])] end},
        {decompress_zstd, fun() -> [esdb_gen:pick([Frame(zstd), Frame(zstd), esdb_gen:binary()])] end},
        {compress_lz4, fun() -> [esdb_gen:binary()] end},
        {decompress_lz4, fun() -> [esdb_gen:pick([Frame(lz4), Frame(lz4), esdb_gen:binary()])] end},
        {compress_batch, fun() -> [[esdb_gen:binary(), esdb_gen:binary()]] end},
        {compression_stats, fun() -> [esdb_gen:binary(), lz4] end}
    ]].

%% `make torture-nifs`: so many calls of each function, or as many as fit into so many seconds.
torture(Calls, Seconds) ->
    io:format("~-42s ~12s ~8s ~12s~n", ["function", "calls", "seconds", "grown, KiB"]),
    [
        begin
            {Done, Us, Grown} = flat_memory(Function, Calls, Seconds * 1000000),
            Label = lists:concat([Module, ":", Name, "/", length(Gen())]),
            io:format("~-42s ~12b ~8.1f ~12b~n", [Label, Done, Us / 1.0e6, Grown div 1024])
        end
     || {Module, Name, Gen} = Function <- native_functions()
    ].

flat_memory({Module, Name, Gen}, Calls, Us) ->
    rand:seed(exsss, {1, 2, 3}),
    Inputs = list_to_tuple([Gen() || _ <- lists:seq(1, 200)]),
    Nif = list_to_atom("nif_" ++ atom_to_list(Name)),
    {done, _} = in_process(fun() -> exit({done, call(min(Calls div 4, 20000), Module, Nif, Inputs, infinity)}) end),
    Before = resident(),
    Start = erlang:monotonic_time(microsecond),
    Until = case Us of infinity -> infinity; _ -> Start + Us end,
    {done, Left} = in_process(fun() -> exit({done, call(Calls, Module, Nif, Inputs, Until)}) end),
    Time = erlang:monotonic_time(microsecond) - Start,
    Grown = resident() - Before,
    %% The allocators keep some megabytes back.
    ?assert(Grown < 32 bsl 20, {Module, Name, length(element(1, Inputs)), grown, Grown}),
    {Calls - Left, Time, Grown}.

%% How many calls were left when the time came. The clock is asked now and then.
call(0, _, _, _, _) ->
    0;
call(N, Module, Name, Inputs, Until) ->
    try apply(Module, Name, element(N rem tuple_size(Inputs) + 1, Inputs)) catch error:_ -> ok end,
    case N band 16#FF =:= 0 andalso Until =/= infinity andalso erlang:monotonic_time(microsecond) > Until of
        true -> N - 1;
        false -> call(N - 1, Module, Name, Inputs, Until)
    end.

in_process(Fun) ->
    {Pid, Monitor} = spawn_monitor(Fun),
    receive {'DOWN', Monitor, process, Pid, Reason} -> Reason end.

%% What the operating system counts for this process: the memory of the library is not the emulator's to count.
resident() ->
    case file:read_file("/proc/self/statm") of
        {ok, Text} ->
            [_, Pages | _] = binary:split(Text, <<" ">>, [global]),
            binary_to_integer(Pages) * 4096;
        {error, _} ->
            erlang:memory(total)
    end.

%% The same module again, while the old version is there: calls go on, natively, and old predicates still work.
reload_test_() ->
    loaded([fun() ->
        {ok, Old} = esdb_filter_nif:compile_predicate({gt, a, 1}),
        [
            begin
                code:purge(esdb_nifs_lib),
                ?assertEqual({module, esdb_nifs_lib}, code:load_file(esdb_nifs_lib)),
                ?assert(esdb_nifs_lib:loaded()),
                ?assertMatch({loaded, _}, esdb_nifs_lib:status()),
                ?assertEqual(16#2D06800538D394C2, esdb_hash_nif:nif_xxhash3(<<>>)),
                ?assertEqual([#{a => 2}], esdb_filter_nif:filter_events([#{a => 1}, #{a => 2}], Old)),
                {ok, New} = esdb_filter_nif:compile_predicate({gt, a, 1}),
                ?assert(is_reference(element(4, New))),
                ?assertEqual([#{a => 2}], esdb_filter_nif:nif_filter_events([#{a => 1}, #{a => 2}], New))
            end
         || _ <- lists:seq(1, 20)
        ]
    end]).

%% Programs are made, used and freed by many while versions come and go: none is made of a type that is not there yet,
%% or no longer.
programs_while_versions_change_test_() ->
    loaded([{timeout, 60, fun() ->
        Workers = [spawn_monitor(fun compile_for_ever/0) || _ <- [1, 2]],
        [
            begin
                code:purge(esdb_nifs_lib),
                ?assertEqual({module, esdb_nifs_lib}, code:load_file(esdb_nifs_lib))
            end
         || _ <- lists:seq(1, 15)
        ],
        [begin exit(Pid, kill), receive {'DOWN', Ref, process, Pid, Reason} -> ?assertEqual(killed, Reason) end end || {Pid, Ref} <- Workers]
    end}]).

compile_for_ever() ->
    {ok, Compiled} = esdb_filter_nif:compile_predicate({'and', [{gt, a, 1}, {lt, a, 9}]}),
    [#{a := 5}] = esdb_filter_nif:filter_events([#{a => 1}, #{a => 5}], Compiled),
    compile_for_ever().

%% A library that is not what was built never comes into the emulator: one that is cut short would end it.
damaged_libraries_are_not_loaded_test_() ->
    loaded([{timeout, 60, fun() ->
        {loaded, File} = esdb_nifs_lib:status(),
        {ok, Library} = file:read_file(File),
        {ok, Sum} = file:read_file(File ++ ".sha256"),
        Half = binary:part(Library, 0, byte_size(Library) div 2),
        [
            ?assertEqual({What, Expected}, {What, loading(Content)})
         || {What, Content, Expected} <- [
                {whole, [{"", Library}, {".sha256", Sum}], loaded},
                {half, [{"", Half}, {".sha256", Sum}], bad_checksum},
                {half_alone, [{"", Half}], no_checksum},
                {whole_alone, [{"", Library}], no_checksum},
                {short_sum, [{"", Library}, {".sha256", <<"abc">>}], bad_checksum},
                {none, [], no_library}
            ]
        ]
    end}]).

%% What an emulator of its own says about a library with these files.
loading(Files) ->
    Dir = string:trim(os:cmd("mktemp -d")),
    Ebin = filename:dirname(code:which(esdb_nifs_lib)),
    try
        os:cmd("mkdir " ++ Dir ++ "/esdb_nifs " ++ Dir ++ "/esdb_nifs/priv; cp -rL " ++ Ebin ++ " " ++ Dir ++ "/esdb_nifs/ebin"),
        [ok = file:write_file(Dir ++ "/esdb_nifs/priv/esdb_nifs.so" ++ Suffix, Content) || {Suffix, Content} <- Files],
        Say = "S = case esdb_nifs_lib:status() of {loaded, _} -> loaded; {_, {R, _}} -> R; {_, R} -> R end, "
            "8696274497037089104 = esdb_hash_nif:xxhash3(<<97, 98, 99>>), io:format(\"~s\", [S]), halt().",
        list_to_atom(os:cmd("erl -noinput -pa " ++ Dir ++ "/esdb_nifs/ebin -eval '" ++ Say ++ "'"))
    after
        os:cmd("rm -rf " ++ Dir)
    end.

%% Every function of the library has a stub: one without would make the whole library fail to load.
stubs_test() ->
    Exports = esdb_nifs_lib:module_info(exports),
    Dirty = [Name || {Name, _} <- Exports, lists:suffix("_dirty", atom_to_list(Name))],
    ?assertEqual(length(Dirty) * 2, length([F || F = {_, Arity} <- Exports, Arity > 0, element(1, F) =/= module_info])).

implementation_test() ->
    Expected = case esdb_nifs_lib:loaded() of true -> nif; false -> erlang end,
    [
        begin
            ?assertEqual(Expected, Module:implementation()),
            ?assertEqual(Expected =:= nif, Module:is_nif_loaded())
        end
     || Module <- [
            esdb_crypto_nif, esdb_archive_nif, esdb_hash_nif, esdb_aggregate_nif, esdb_filter_nif, esdb_graph_nif,
            esdb_gater_crypto_nif
        ]
    ],
    ?assertEqual(Expected =:= nif, esdb_gater_crypto_nif:is_loaded()).

%% Each public function of the tables stands beside nif_NAME and erlang_NAME.
pairs_test() ->
    [
        begin
            _ = code:ensure_loaded(Module),
            rand:seed(exsss, {1, 2, 3}),
            Arity = length(Gen()),
            [
                ?assert(erlang:function_exported(Module, list_to_atom(Prefix ++ atom_to_list(Name)), Arity))
             || Prefix <- ["", "nif_", "erlang_"]
            ]
        end
     || {Module, Name, Gen} <- esdb_gen:functions()
    ].
