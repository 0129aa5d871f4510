%% Compression: zstd and LZ4 in the library, zlib by the emulator.
%%
%% zstd gives frames of RFC 8878, LZ4 gives frames of the LZ4 frame format, zlib gives RFC 1950: each is read by the
%% ordinary tools. Erlang has no codec for the first two: without the library they are `{error, not_available}`,
%% never another format under their name.
-module(esdb_archive_nif).
-include("esdb_nifs.hrl").

-export([
    compress/1, compress/2, compress/3, decompress/1, decompress/2,
    compress_lz4/1, decompress_lz4/1,
    compress_zstd/1, compress_zstd/2, decompress_zstd/1,
    compress_zlib/1, compress_zlib/2, decompress_zlib/1,
    compress_batch/1, compress_batch/2, decompress_batch/1,
    compression_stats/2, compression_stats/3
]).
-export([implementation/0, is_nif_loaded/0]).
-export([
    nif_compress/1, nif_compress/2, nif_compress/3, nif_decompress/1, nif_decompress/2,
    nif_compress_lz4/1, nif_decompress_lz4/1,
    nif_compress_zstd/1, nif_compress_zstd/2, nif_decompress_zstd/1,
    nif_compress_zlib/1, nif_compress_zlib/2, nif_decompress_zlib/1,
    nif_compress_batch/1, nif_compress_batch/2, nif_decompress_batch/1,
    nif_compression_stats/2, nif_compression_stats/3
]).
-export([
    erlang_compress_lz4/1, erlang_decompress_lz4/1, erlang_compress_zstd/2, erlang_decompress_zstd/1,
    erlang_compress_zlib/1, erlang_compress_zlib/2, erlang_decompress_zlib/1
]).

-define(ZSTD_LEVEL, 3).
-define(ZLIB_LEVEL, 6).

-type algorithm() :: lz4 | zstd | zlib.
-type result() :: {ok, binary()} | {error, reason()}.
-type reason() ::
    not_available | invalid_level | {unknown_algorithm, term()}
    | compression_failed | decompression_failed | too_large.
-export_type([algorithm/0, result/0, reason/0]).

-spec implementation() -> nif | erlang.
implementation() -> esdb_nifs_lib:implementation().

-spec is_nif_loaded() -> boolean().
is_nif_loaded() -> esdb_nifs_lib:loaded().

%% zstd at its default level.
-spec compress(binary()) -> result().
compress(Data) -> compress(Data, zstd).

%% By algorithm at its default level (module page), or by zstd at a level (changelog).
-spec compress(binary(), algorithm() | 1..22) -> result().
compress(Data, Level) when is_integer(Level) -> compress_zstd(Data, Level);
compress(Data, Algorithm) -> compress(Data, Algorithm, default_level(Algorithm)).

%% LZ4 has no levels: its level is ignored.
-spec compress(binary(), algorithm(), integer()) -> result().
compress(Data, lz4, Level) when is_integer(Level) -> compress_lz4(Data);
compress(Data, zstd, Level) -> compress_zstd(Data, Level);
compress(Data, zlib, Level) -> compress_zlib(Data, Level);
compress(Data, Algorithm, Level) -> unknown(Data, Algorithm, Level).

-spec decompress(binary()) -> result().
decompress(Data) -> decompress(Data, zstd).

-spec decompress(binary(), algorithm()) -> result().
decompress(Data, lz4) -> decompress_lz4(Data);
decompress(Data, zstd) -> decompress_zstd(Data);
decompress(Data, zlib) -> decompress_zlib(Data);
decompress(Data, Algorithm) -> unknown(Data, Algorithm, 0).

default_level(zstd) -> ?ZSTD_LEVEL;
default_level(zlib) -> ?ZLIB_LEVEL;
default_level(_) -> 0.

unknown(Data, Algorithm, Level) when is_binary(Data), is_atom(Algorithm), Algorithm =/= lz4, is_integer(Level) ->
    {error, {unknown_algorithm, Algorithm}};
unknown(_, _, _) ->
    error(badarg).

-spec compress_lz4(binary()) -> result().
compress_lz4(Data) ->
    ?NATIVE(?LARGE(Data), esdb_nifs_lib:compress_lz4(Data), esdb_nifs_lib:compress_lz4_dirty(Data), erlang_compress_lz4(Data)).

nif_compress_lz4(Data) ->
    ?NIF(?LARGE(Data), esdb_nifs_lib:compress_lz4(Data), esdb_nifs_lib:compress_lz4_dirty(Data), erlang_compress_lz4(Data)).

erlang_compress_lz4(Data) -> not_available(Data).

-spec decompress_lz4(binary()) -> result().
decompress_lz4(Data) ->
    ?NATIVE(?LARGE(Data), esdb_nifs_lib:decompress_lz4(Data), esdb_nifs_lib:decompress_lz4_dirty(Data), erlang_decompress_lz4(Data)).

nif_decompress_lz4(Data) ->
    ?NIF(?LARGE(Data), esdb_nifs_lib:decompress_lz4(Data), esdb_nifs_lib:decompress_lz4_dirty(Data), erlang_decompress_lz4(Data)).

erlang_decompress_lz4(Data) -> not_available(Data).

not_available(Data) when is_binary(Data) -> {error, not_available};
not_available(_) -> error(badarg).

-spec compress_zstd(binary()) -> result().
compress_zstd(Data) -> compress_zstd(Data, ?ZSTD_LEVEL).

%% Levels 1 to 22.
-spec compress_zstd(binary(), integer()) -> result().
compress_zstd(Data, Level) ->
    ?NATIVE(
        ?LARGE(Data),
        esdb_nifs_lib:compress_zstd(Data, Level),
        esdb_nifs_lib:compress_zstd_dirty(Data, Level),
        erlang_compress_zstd(Data, Level)
    ).

nif_compress_zstd(Data) -> nif_compress_zstd(Data, ?ZSTD_LEVEL).
nif_compress_zstd(Data, Level) ->
    ?NIF(
        ?LARGE(Data),
        esdb_nifs_lib:compress_zstd(Data, Level),
        esdb_nifs_lib:compress_zstd_dirty(Data, Level),
        erlang_compress_zstd(Data, Level)
    ).

erlang_compress_zstd(Data, Level) when is_binary(Data), is_integer(Level), Level >= 1, Level =< 22 ->
    {error, not_available};
erlang_compress_zstd(Data, Level) when is_binary(Data), is_integer(Level) ->
    {error, invalid_level};
erlang_compress_zstd(_, _) ->
    error(badarg).

-spec decompress_zstd(binary()) -> result().
decompress_zstd(Data) ->
    ?NATIVE(
        ?LARGE(Data),
        esdb_nifs_lib:decompress_zstd(Data),
        esdb_nifs_lib:decompress_zstd_dirty(Data),
        erlang_decompress_zstd(Data)
    ).

nif_decompress_zstd(Data) ->
    ?NIF(?LARGE(Data), esdb_nifs_lib:decompress_zstd(Data), esdb_nifs_lib:decompress_zstd_dirty(Data), erlang_decompress_zstd(Data)).

erlang_decompress_zstd(Data) -> not_available(Data).

%% zlib is the emulator's, with the library too: it is native code already.
-spec compress_zlib(binary()) -> result().
compress_zlib(Data) -> compress_zlib(Data, ?ZLIB_LEVEL).

%% Levels 0 to 9.
-spec compress_zlib(binary(), integer()) -> result().
compress_zlib(Data, Level) -> erlang_compress_zlib(Data, Level).

nif_compress_zlib(Data) -> nif_compress_zlib(Data, ?ZLIB_LEVEL).
nif_compress_zlib(Data, Level) ->
    ok = esdb_nifs_lib:must_be_loaded(),
    erlang_compress_zlib(Data, Level).

erlang_compress_zlib(Data) -> erlang_compress_zlib(Data, ?ZLIB_LEVEL).
erlang_compress_zlib(Data, Level) when is_binary(Data), is_integer(Level), Level >= 0, Level =< 9 ->
    Z = zlib:open(),
    try
        ok = zlib:deflateInit(Z, Level),
        Compressed = zlib:deflate(Z, Data, finish),
        ok = zlib:deflateEnd(Z),
        {ok, iolist_to_binary(Compressed)}
    after
        zlib:close(Z)
    end;
erlang_compress_zlib(Data, Level) when is_binary(Data), is_integer(Level) ->
    {error, invalid_level};
erlang_compress_zlib(_, _) ->
    error(badarg).

-spec decompress_zlib(binary()) -> result().
decompress_zlib(Data) -> erlang_decompress_zlib(Data).

nif_decompress_zlib(Data) ->
    ok = esdb_nifs_lib:must_be_loaded(),
    erlang_decompress_zlib(Data).

%% More than 2^30 bytes are {error, too_large}, as for the other two.
erlang_decompress_zlib(Data) when is_binary(Data) ->
    Z = zlib:open(),
    try
        ok = zlib:inflateInit(Z),
        inflate(Z, zlib:safeInflate(Z, Data), [], 0)
    catch
        error:_ -> {error, decompression_failed}
    after
        zlib:close(Z)
    end;
erlang_decompress_zlib(_) ->
    error(badarg).

inflate(_, {_, Output}, Done, Size) when Size > 1 bsl 30 ->
    _ = {Output, Done},
    {error, too_large};
inflate(Z, {continue, Output}, Done, Size) ->
    inflate(Z, zlib:safeInflate(Z, []), [Done | Output], Size + iolist_size(Output));
inflate(Z, {finished, Output}, Done, _) ->
    ok = zlib:inflateEnd(Z),
    {ok, iolist_to_binary([Done | Output])}.

%% zstd over each item: {ok, List}, or the first error.
-spec compress_batch([binary()]) -> {ok, [binary()]} | {error, reason()}.
compress_batch(Items) -> compress_batch(Items, ?ZSTD_LEVEL).

-spec compress_batch([binary()], integer()) -> {ok, [binary()]} | {error, reason()}.
compress_batch(Items, Level) when is_integer(Level) -> batch(fun(Item) -> compress_zstd(Item, Level) end, Items, []);
compress_batch(_, _) -> error(badarg).

nif_compress_batch(Items) -> nif_compress_batch(Items, ?ZSTD_LEVEL).
nif_compress_batch(Items, Level) ->
    ok = esdb_nifs_lib:must_be_loaded(),
    compress_batch(Items, Level).

-spec decompress_batch([binary()]) -> {ok, [binary()]} | {error, reason()}.
decompress_batch(Items) -> batch(fun decompress_zstd/1, Items, []).

nif_decompress_batch(Items) ->
    ok = esdb_nifs_lib:must_be_loaded(),
    decompress_batch(Items).

batch(Fun, [Item | Items], Done) ->
    case Fun(Item) of
        {ok, Result} -> batch(Fun, Items, [Result | Done]);
        Error -> Error
    end;
batch(_, [], Done) ->
    {ok, lists:reverse(Done)};
batch(_, _, _) ->
    error(badarg).

-spec compression_stats(binary(), algorithm()) -> {ok, map()} | {error, reason()}.
compression_stats(Data, Algorithm) -> compression_stats(Data, Algorithm, default_level(Algorithm)).

%% Sizes before and after, and their ratio (1.0 for no data).
-spec compression_stats(binary(), algorithm(), integer()) -> {ok, map()} | {error, reason()}.
compression_stats(Data, Algorithm, Level) ->
    case compress(Data, Algorithm, Level) of
        {ok, Compressed} ->
            Sizes = #{original_size => byte_size(Data), compressed_size => byte_size(Compressed)},
            {ok, Sizes#{ratio => ratio(byte_size(Data), byte_size(Compressed))}};
        Error ->
            Error
    end.

ratio(0, _) -> 1.0;
ratio(Original, Compressed) -> Original / Compressed.

nif_compression_stats(Data, Algorithm) -> nif_compression_stats(Data, Algorithm, default_level(Algorithm)).
nif_compression_stats(Data, Algorithm, Level) ->
    ok = esdb_nifs_lib:must_be_loaded(),
    compression_stats(Data, Algorithm, Level).

nif_compress(Data) -> nif_compress(Data, zstd).
nif_compress(Data, AlgorithmOrLevel) ->
    ok = esdb_nifs_lib:must_be_loaded(),
    compress(Data, AlgorithmOrLevel).
nif_compress(Data, Algorithm, Level) ->
    ok = esdb_nifs_lib:must_be_loaded(),
    compress(Data, Algorithm, Level).

nif_decompress(Data) -> nif_decompress(Data, zstd).
nif_decompress(Data, Algorithm) ->
    ok = esdb_nifs_lib:must_be_loaded(),
    decompress(Data, Algorithm).
