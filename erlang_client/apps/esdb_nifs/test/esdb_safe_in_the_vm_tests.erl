%% The library does its emulator no harm: long work goes to dirty schedulers, depth costs no stack, memory stays flat,
%% and new versions load beside old ones.
-module(esdb_safe_in_the_vm_tests).
-include_lib("eunit/include/eunit.hrl").
-export([flat_memory/1]).

loaded(Tests) -> [Test || esdb_nifs_lib:loaded(), Test <- Tests].

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

%% Calls over calls, with arguments good and bad: what the process tree of the system needs stays as it was.
flat_memory_test_() ->
    loaded([{timeout, 100, fun() -> flat_memory(10000) end}]).

%% `make torture-nifs` calls this with 10,000,000.
flat_memory(Calls) ->
    Warm = min(Calls div 4, 2000),
    [
        begin
            rand:seed(exsss, {1, 2, 3}),
            Inputs = list_to_tuple([Gen() || _ <- lists:seq(1, 200)]),
            Nif = list_to_atom("nif_" ++ atom_to_list(Name)),
            in_process(fun() -> call(Warm, Module, Nif, Inputs) end),
            Before = resident(),
            in_process(fun() -> call(Calls, Module, Nif, Inputs) end),
            Grown = resident() - Before,
            %% A leak of 32 bytes in each of the calls would show; the allocators keep some megabytes back.
            ?assert(Grown < 16 bsl 20 + 32 * Calls div 4, {Module, Name, length(element(1, Inputs)), grown, Grown})
        end
     || {Module, Name, Gen} <- esdb_gen:functions()
    ].

call(0, _, _, _) -> ok;
call(N, Module, Name, Inputs) ->
    try apply(Module, Name, element(N rem tuple_size(Inputs) + 1, Inputs)) catch error:_ -> ok end,
    call(N - 1, Module, Name, Inputs).

in_process(Fun) ->
    {Pid, Monitor} = spawn_monitor(Fun),
    receive {'DOWN', Monitor, process, Pid, Reason} -> ?assertEqual(normal, Reason) end.

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
