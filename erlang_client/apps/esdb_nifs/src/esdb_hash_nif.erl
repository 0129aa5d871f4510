%% Hashes: xxHash64, XXH3, FNV-1a, partitions.
%%
%% All of them give the same number with the library and without it, so that nodes of both kinds place a stream in
%% the same partition.
-module(esdb_hash_nif).
-include("esdb_nifs.hrl").

-export([
    xxhash64/1, xxhash64/2, xxhash3/1, fnv1a/1,
    partition_hash/2, partition_hash_batch/2, stream_partition/3, fast_phash/2
]).
-export([implementation/0, is_nif_loaded/0]).
-export([
    nif_xxhash64/1, nif_xxhash64/2, nif_xxhash64_seed/2, nif_xxhash3/1, nif_fnv1a/1,
    nif_partition_hash/2, nif_partition_hash_batch/2, nif_stream_partition/3, nif_fast_phash/2
]).
-export([
    erlang_xxhash64/1, erlang_xxhash64/2, erlang_xxhash3/1, erlang_fnv1a/1,
    erlang_partition_hash/2, erlang_partition_hash_batch/2, erlang_stream_partition/3, erlang_fast_phash/2
]).

-define(IS_PARTITIONS(N), is_integer(N), N > 0).

-spec implementation() -> nif | erlang.
implementation() -> esdb_nifs_lib:implementation().

-spec is_nif_loaded() -> boolean().
is_nif_loaded() -> esdb_nifs_lib:loaded().

%% xxHash64 with seed 0.
-spec xxhash64(binary()) -> non_neg_integer().
xxhash64(Data) -> xxhash64(Data, 0).

%% xxHash64 with a seed of at most 64 bits.
-spec xxhash64(binary(), non_neg_integer()) -> non_neg_integer().
xxhash64(Data, Seed) ->
    ?NATIVE(?LARGE(Data), esdb_nifs_lib:xxhash64(Data, Seed), esdb_nifs_lib:xxhash64_dirty(Data, Seed), erlang_xxhash64(Data, Seed)).

nif_xxhash64(Data) -> nif_xxhash64(Data, 0).
nif_xxhash64_seed(Data, Seed) -> nif_xxhash64(Data, Seed).
nif_xxhash64(Data, Seed) ->
    ?NIF(?LARGE(Data), esdb_nifs_lib:xxhash64(Data, Seed), esdb_nifs_lib:xxhash64_dirty(Data, Seed), erlang_xxhash64(Data, Seed)).

erlang_xxhash64(Data) -> erlang_xxhash64(Data, 0).
erlang_xxhash64(Data, Seed) when is_binary(Data), is_integer(Seed), Seed >= 0, Seed < 1 bsl 64 ->
    esdb_xxhash:xxh64(Data, Seed);
erlang_xxhash64(_, _) ->
    error(badarg).

%% XXH3, 64 bits.
-spec xxhash3(binary()) -> non_neg_integer().
xxhash3(Data) ->
    ?NATIVE(?LARGE(Data), esdb_nifs_lib:xxhash3(Data), esdb_nifs_lib:xxhash3_dirty(Data), erlang_xxhash3(Data)).

nif_xxhash3(Data) ->
    ?NIF(?LARGE(Data), esdb_nifs_lib:xxhash3(Data), esdb_nifs_lib:xxhash3_dirty(Data), erlang_xxhash3(Data)).

erlang_xxhash3(Data) when is_binary(Data) -> esdb_xxhash:xxh3(Data);
erlang_xxhash3(_) -> error(badarg).

%% FNV-1a, 64 bits.
-spec fnv1a(binary()) -> non_neg_integer().
fnv1a(Data) ->
    ?NATIVE(?LARGE(Data), esdb_nifs_lib:fnv1a(Data), esdb_nifs_lib:fnv1a_dirty(Data), erlang_fnv1a(Data)).

nif_fnv1a(Data) ->
    ?NIF(?LARGE(Data), esdb_nifs_lib:fnv1a(Data), esdb_nifs_lib:fnv1a_dirty(Data), erlang_fnv1a(Data)).

erlang_fnv1a(Data) when is_binary(Data) -> fnv1a(Data, 16#cbf29ce484222325);
erlang_fnv1a(_) -> error(badarg).

fnv1a(<<Byte, Rest/binary>>, Hash) ->
    fnv1a(Rest, (Hash bxor Byte) * 16#100000001b3 band 16#FFFFFFFFFFFFFFFF);
fnv1a(<<>>, Hash) ->
    Hash.

%% XXH3 modulo the number of partitions.
-spec partition_hash(binary(), pos_integer()) -> non_neg_integer().
partition_hash(Data, Partitions) ->
    ?NATIVE(
        ?LARGE(Data),
        esdb_nifs_lib:partition_hash(Data, Partitions),
        esdb_nifs_lib:partition_hash_dirty(Data, Partitions),
        erlang_partition_hash(Data, Partitions)
    ).

nif_partition_hash(Data, Partitions) ->
    ?NIF(
        ?LARGE(Data),
        esdb_nifs_lib:partition_hash(Data, Partitions),
        esdb_nifs_lib:partition_hash_dirty(Data, Partitions),
        erlang_partition_hash(Data, Partitions)
    ).

erlang_partition_hash(Data, Partitions) when is_binary(Data), ?IS_PARTITIONS(Partitions) ->
    esdb_xxhash:xxh3(Data) rem Partitions;
erlang_partition_hash(_, _) ->
    error(badarg).

%% partition_hash/2 of each item.
-spec partition_hash_batch([binary()], pos_integer()) -> [non_neg_integer()].
partition_hash_batch(Items, Partitions) ->
    ?NATIVE(
        esdb_nifs_lib:partition_hash_batch(Items, Partitions),
        esdb_nifs_lib:partition_hash_batch_dirty(Items, Partitions),
        erlang_partition_hash_batch(Items, Partitions)
    ).

nif_partition_hash_batch(Items, Partitions) ->
    ?NIF(
        esdb_nifs_lib:partition_hash_batch(Items, Partitions),
        esdb_nifs_lib:partition_hash_batch_dirty(Items, Partitions),
        erlang_partition_hash_batch(Items, Partitions)
    ).

erlang_partition_hash_batch(Items, Partitions) when length(Items) >= 0, ?IS_PARTITIONS(Partitions) ->
    [erlang_partition_hash(Item, Partitions) || Item <- Items];
erlang_partition_hash_batch(_, _) ->
    error(badarg).

%% The partition of a stream of a store: XXH3 of both ids with a zero byte between them.
-spec stream_partition(binary(), binary(), pos_integer()) -> non_neg_integer().
stream_partition(StoreId, StreamId, Partitions) ->
    ?NATIVE(
        ?LARGE(StoreId) orelse ?LARGE(StreamId),
        esdb_nifs_lib:stream_partition(StoreId, StreamId, Partitions),
        esdb_nifs_lib:stream_partition_dirty(StoreId, StreamId, Partitions),
        erlang_stream_partition(StoreId, StreamId, Partitions)
    ).

nif_stream_partition(StoreId, StreamId, Partitions) ->
    ?NIF(
        ?LARGE(StoreId) orelse ?LARGE(StreamId),
        esdb_nifs_lib:stream_partition(StoreId, StreamId, Partitions),
        esdb_nifs_lib:stream_partition_dirty(StoreId, StreamId, Partitions),
        erlang_stream_partition(StoreId, StreamId, Partitions)
    ).

erlang_stream_partition(StoreId, StreamId, Partitions) when
    is_binary(StoreId), is_binary(StreamId), ?IS_PARTITIONS(Partitions)
->
    esdb_xxhash:xxh3(<<StoreId/binary, 0, StreamId/binary>>) rem Partitions;
erlang_stream_partition(_, _, _) ->
    error(badarg).

%% erlang:phash2/2. Twin used: the emulator's own is native code already.
-spec fast_phash(term(), pos_integer()) -> non_neg_integer().
fast_phash(Data, Range) -> erlang_fast_phash(Data, Range).

nif_fast_phash(Data, Range) ->
    ?NIF(
        esdb_nifs_lib:fast_phash(Data, Range),
        esdb_nifs_lib:fast_phash_dirty(Data, Range),
        erlang_fast_phash(Data, Range)
    ).

erlang_fast_phash(Data, Range) -> erlang:phash2(Data, Range).
