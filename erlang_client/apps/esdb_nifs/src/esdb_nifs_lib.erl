%% The library: its loader, and a stub for each of its functions.
%%
%% A stub gives `twin`, so that a call without the library is answered by the pure Erlang twin, at the cost of one
%% look-up. esdb_nifs.hrl has the macros around these functions; nobody else calls them.
-module(esdb_nifs_lib).
-on_load(init/0).

-export([loaded/0, must_be_loaded/0, status/0, implementation/0, target/0]).
-export([
    xxhash64/2, xxhash64_dirty/2,
    xxhash3/1, xxhash3_dirty/1,
    fnv1a/1, fnv1a_dirty/1,
    partition_hash/2, partition_hash_dirty/2,
    partition_hash_batch/2, partition_hash_batch_dirty/2,
    stream_partition/3, stream_partition_dirty/3,
    fast_phash/2, fast_phash_dirty/2,
    verify_ed25519/3, verify_ed25519_dirty/3,
    hash_sha256/1, hash_sha256_dirty/1,
    hash_sha256_base64/1, hash_sha256_base64_dirty/1,
    base64_encode/1, base64_encode_dirty/1,
    base64_decode/1, base64_decode_dirty/1,
    secure_compare/2, secure_compare_dirty/2,
    base58_encode/1, base58_encode_dirty/1,
    base58_decode/1, base58_decode_dirty/1,
    match_resource_pattern/2, match_resource_pattern_dirty/2,
    compress_zstd/2, compress_zstd_dirty/2,
    decompress_zstd/1, decompress_zstd_dirty/1,
    compress_lz4/1, compress_lz4_dirty/1,
    decompress_lz4/1, decompress_lz4_dirty/1,
    aggregate_events/3, aggregate_events_dirty/3,
    merge_tagged_batch/2, merge_tagged_batch_dirty/2,
    finalize/1, finalize_dirty/1,
    sum_field/2, sum_field_dirty/2,
    count_where/3, count_where_dirty/3,
    aggregation_stats/1, aggregation_stats_dirty/1,
    wildcard_to_regex/1, wildcard_to_regex_dirty/1,
    wildcard_match/2, wildcard_match_dirty/2,
    regex_match/2, regex_match_dirty/2,
    has_prefix/2, has_prefix_dirty/2,
    has_suffix/2, has_suffix_dirty/2,
    filter_by_wildcard/2, filter_by_wildcard_dirty/2,
    filter_by_regex/2, filter_by_regex_dirty/2,
    filter_by_prefix/2, filter_by_prefix_dirty/2,
    filter_by_suffix/2, filter_by_suffix_dirty/2,
    match_indices/2, match_indices_dirty/2,
    count_matches/2, count_matches_dirty/2,
    compile_predicate/3, compile_predicate_dirty/3,
    filter_events/3, filter_events_dirty/3,
    filter_count/3, filter_count_dirty/3,
    partition_events/3, partition_events_dirty/3,
    find_all/3, find_all_dirty/3,
    first_match/3, first_match_dirty/3,
    any_match/3, any_match_dirty/3,
    all_match/3, all_match_dirty/3,
    build_edges/1, build_edges_dirty/1,
    find_roots/2, find_roots_dirty/2,
    find_leaves/2, find_leaves_dirty/2,
    topo_sort/2, topo_sort_dirty/2,
    has_cycle/2, has_cycle_dirty/2,
    graph_stats/2, graph_stats_dirty/2,
    has_path/4, has_path_dirty/4,
    get_ancestors/3, get_ancestors_dirty/3,
    get_descendants/3, get_descendants_dirty/3,
    to_dot/2, to_dot_dirty/2,
    to_dot_simple/2, to_dot_simple_dirty/2
]).

-define(STATUS, {?MODULE, status}).

%% Whether the library is loaded. The library replaces this function by one that says `true`.
-spec loaded() -> boolean().
loaded() -> twin() =:= loaded.

-spec implementation() -> nif | erlang.
implementation() ->
    case loaded() of
        true -> nif;
        false -> erlang
    end.

%% `ok`, or the error nif_not_loaded.
-spec must_be_loaded() -> ok.
must_be_loaded() ->
    case loaded() of
        true -> ok;
        false -> erlang:error(nif_not_loaded)
    end.

%% Which file serves, or why none does.
-spec status() -> {loaded, file:filename()} | {not_loaded, term()}.
status() -> persistent_term:get(?STATUS, {not_loaded, never_tried}).

%% Loads the library. A module whose library cannot be loaded still serves, with the twins: so this never fails.
init() ->
    Status =
        case wanted() of
            true -> load(candidates(), no_library);
            false -> {not_loaded, switched_off}
        end,
    persistent_term:put(?STATUS, Status).

%% ESDB_NIFS=off in the environment, or {esdb_nifs, [{native, false}]} in the configuration.
wanted() ->
    os:getenv("ESDB_NIFS") =/= "off" andalso application:get_env(esdb_nifs, native, true) =/= false.

load([], Reason) ->
    {not_loaded, Reason};
load([File | Files], Reason) ->
    case filelib:is_regular(File ++ ".so") of
        true ->
            case checksum(File ++ ".so") of
                ok ->
                    case erlang:load_nif(File, 0) of
                        ok -> {loaded, File ++ ".so"};
                        {error, Error} -> load(Files, Error)
                    end;
                Bad ->
                    load(Files, {Bad, File ++ ".so"})
            end;
        false ->
            load(Files, Reason)
    end.

%% What was built here comes before what came precompiled.
candidates() ->
    Priv = priv_dir(),
    [filename:join(Priv, "esdb_nifs"), filename:join([Priv, target(), "esdb_nifs"])].

priv_dir() ->
    case code:priv_dir(esdb_nifs) of
        {error, bad_name} ->
            Ebin = filename:dirname(code:which(?MODULE)),
            filename:join(filename:dirname(Ebin), "priv");
        Dir ->
            Dir
    end.

%% The name that Rust has for this platform: x86_64-unknown-linux-gnu for x86_64-pc-linux-gnu.
-spec target() -> string().
target() ->
    case string:lexemes(erlang:system_info(system_architecture), "-") of
        [Cpu, "apple" | _] -> Cpu ++ "-apple-darwin";
        [Cpu, _Vendor, Kernel, Abi] -> string:join([Cpu, "unknown", Kernel, Abi], "-");
        [Cpu, Kernel, Abi] -> string:join([Cpu, "unknown", Kernel, Abi], "-");
        Other -> string:join(Other, "-")
    end.

%% A library has its checksum beside it, as `sha256sum` writes it. One that was cut short on its way would end the
%% emulator when it is loaded.
checksum(File) ->
    case {file:read_file(File), file:read_file(File ++ ".sha256")} of
        {{ok, Content}, {ok, <<Expected:64/binary, _/binary>>}} ->
            Hex = << <<(hex(N))>> || <<N:4>> <= crypto:hash(sha256, Content) >>,
            case Hex =:= Expected of
                true -> ok;
                false -> bad_checksum
            end;
        {{ok, _}, {ok, _}} ->
            bad_checksum;
        {{ok, _}, {error, _}} ->
            no_checksum;
        {{error, _}, _} ->
            unreadable
    end.

hex(N) when N < 10 -> $0 + N;
hex(N) -> $a + N - 10.

%% Always `twin`. Nothing is ever stored under this key; but dialyzer, which does not see the library, must not conclude
%% that no function of it ever gives anything else.
twin() -> persistent_term:get({?MODULE, stub}, twin).

xxhash64(_, _) -> twin().
xxhash64_dirty(_, _) -> twin().
xxhash3(_) -> twin().
xxhash3_dirty(_) -> twin().
fnv1a(_) -> twin().
fnv1a_dirty(_) -> twin().
partition_hash(_, _) -> twin().
partition_hash_dirty(_, _) -> twin().
partition_hash_batch(_, _) -> twin().
partition_hash_batch_dirty(_, _) -> twin().
stream_partition(_, _, _) -> twin().
stream_partition_dirty(_, _, _) -> twin().
fast_phash(_, _) -> twin().
fast_phash_dirty(_, _) -> twin().
verify_ed25519(_, _, _) -> twin().
verify_ed25519_dirty(_, _, _) -> twin().
hash_sha256(_) -> twin().
hash_sha256_dirty(_) -> twin().
hash_sha256_base64(_) -> twin().
hash_sha256_base64_dirty(_) -> twin().
base64_encode(_) -> twin().
base64_encode_dirty(_) -> twin().
base64_decode(_) -> twin().
base64_decode_dirty(_) -> twin().
secure_compare(_, _) -> twin().
secure_compare_dirty(_, _) -> twin().
base58_encode(_) -> twin().
base58_encode_dirty(_) -> twin().
base58_decode(_) -> twin().
base58_decode_dirty(_) -> twin().
match_resource_pattern(_, _) -> twin().
match_resource_pattern_dirty(_, _) -> twin().
compress_zstd(_, _) -> twin().
compress_zstd_dirty(_, _) -> twin().
decompress_zstd(_) -> twin().
decompress_zstd_dirty(_) -> twin().
compress_lz4(_) -> twin().
compress_lz4_dirty(_) -> twin().
decompress_lz4(_) -> twin().
decompress_lz4_dirty(_) -> twin().
aggregate_events(_, _, _) -> twin().
aggregate_events_dirty(_, _, _) -> twin().
merge_tagged_batch(_, _) -> twin().
merge_tagged_batch_dirty(_, _) -> twin().
finalize(_) -> twin().
finalize_dirty(_) -> twin().
sum_field(_, _) -> twin().
sum_field_dirty(_, _) -> twin().
count_where(_, _, _) -> twin().
count_where_dirty(_, _, _) -> twin().
aggregation_stats(_) -> twin().
aggregation_stats_dirty(_) -> twin().
wildcard_to_regex(_) -> twin().
wildcard_to_regex_dirty(_) -> twin().
wildcard_match(_, _) -> twin().
wildcard_match_dirty(_, _) -> twin().
regex_match(_, _) -> twin().
regex_match_dirty(_, _) -> twin().
has_prefix(_, _) -> twin().
has_prefix_dirty(_, _) -> twin().
has_suffix(_, _) -> twin().
has_suffix_dirty(_, _) -> twin().
filter_by_wildcard(_, _) -> twin().
filter_by_wildcard_dirty(_, _) -> twin().
filter_by_regex(_, _) -> twin().
filter_by_regex_dirty(_, _) -> twin().
filter_by_prefix(_, _) -> twin().
filter_by_prefix_dirty(_, _) -> twin().
filter_by_suffix(_, _) -> twin().
filter_by_suffix_dirty(_, _) -> twin().
match_indices(_, _) -> twin().
match_indices_dirty(_, _) -> twin().
count_matches(_, _) -> twin().
count_matches_dirty(_, _) -> twin().
compile_predicate(_, _, _) -> twin().
compile_predicate_dirty(_, _, _) -> twin().
filter_events(_, _, _) -> twin().
filter_events_dirty(_, _, _) -> twin().
filter_count(_, _, _) -> twin().
filter_count_dirty(_, _, _) -> twin().
partition_events(_, _, _) -> twin().
partition_events_dirty(_, _, _) -> twin().
find_all(_, _, _) -> twin().
find_all_dirty(_, _, _) -> twin().
first_match(_, _, _) -> twin().
first_match_dirty(_, _, _) -> twin().
any_match(_, _, _) -> twin().
any_match_dirty(_, _, _) -> twin().
all_match(_, _, _) -> twin().
all_match_dirty(_, _, _) -> twin().
build_edges(_) -> twin().
build_edges_dirty(_) -> twin().
find_roots(_, _) -> twin().
find_roots_dirty(_, _) -> twin().
find_leaves(_, _) -> twin().
find_leaves_dirty(_, _) -> twin().
topo_sort(_, _) -> twin().
topo_sort_dirty(_, _) -> twin().
has_cycle(_, _) -> twin().
has_cycle_dirty(_, _) -> twin().
graph_stats(_, _) -> twin().
graph_stats_dirty(_, _) -> twin().
has_path(_, _, _, _) -> twin().
has_path_dirty(_, _, _, _) -> twin().
get_ancestors(_, _, _) -> twin().
get_ancestors_dirty(_, _, _) -> twin().
get_descendants(_, _, _) -> twin().
get_descendants_dirty(_, _, _) -> twin().
to_dot(_, _) -> twin().
to_dot_dirty(_, _) -> twin().
to_dot_simple(_, _) -> twin().
to_dot_simple_dirty(_, _) -> twin().
