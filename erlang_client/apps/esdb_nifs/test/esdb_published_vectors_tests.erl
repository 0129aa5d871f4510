%% Test vectors that others published, for both implementations of each function; and the ordinary tools read what is
%% written here, and write what is read here.
-module(esdb_published_vectors_tests).
-include_lib("eunit/include/eunit.hrl").

%% Both implementations, or the twin alone without the library.
both(Module, Name, Args) ->
    Prefixes = ["erlang_"] ++ ["nif_" || esdb_nifs_lib:loaded()],
    [Result] = lists:usort([apply(Module, list_to_atom(Prefix ++ Name), Args) || Prefix <- Prefixes]),
    Result.

hex(Text) -> binary:decode_hex(Text).

%% From doc/xxhash_spec.md and the sanity buffer of tests/sanity_test.c of the xxHash project: bytes of a generator
%% that starts at PRIME32 and multiplies by PRIME64.
sanity(Size) ->
    {Bytes, _} = lists:mapfoldl(
        fun(_, Gen) -> {Gen bsr 56, Gen * 11400714785074694797 band 16#FFFFFFFFFFFFFFFF} end, 2654435761, lists:seq(1, Size)
    ),
    list_to_binary(Bytes).

xxhash64_test() ->
    [
        ?assertEqual(Hash, both(esdb_hash_nif, "xxhash64", [sanity(Size), Seed]))
     || {Size, Seed, Hash} <- [
            {0, 0, 16#EF46DB3751D8E999},
            {0, 2654435761, 16#AC75FDA2929B17EF},
            {1, 0, 16#E934A84ADB052768},
            {1, 2654435761, 16#5014607643A9B4C3},
            {4, 0, 16#9136A0DCA57457EE},
            {14, 0, 16#8282DCC4994E35C8},
            {14, 2654435761, 16#C3BD6BF63DEB6DF0},
            {222, 0, 16#B641AE8CB691C174},
            {222, 2654435761, 16#20CB8AB7AE10C14A}
        ]
    ].

xxhash3_test() ->
    [
        ?assertEqual(Hash, both(esdb_hash_nif, "xxhash3", [sanity(Size)]))
     || {Size, Hash} <- [
            {0, 16#2D06800538D394C2},
            {1, 16#C44BDFF4074EECDB},
            {6, 16#27B56A84CD2D7325},
            {12, 16#A713DAF0DFBB77E7},
            {24, 16#A3FE70BF9D3510EB},
            {48, 16#397DA259ECBA1F11},
            {80, 16#BCDEFBBB2C47C90A},
            {195, 16#CD94217EE362EC3A},
            {403, 16#CDEB804D65C6DEA4},
            {512, 16#617E49599013CB6B},
            {2048, 16#DD59E2C3A5F038E0},
            {2240, 16#6E73A90539CF2948},
            {2367, 16#CB37AEB9E5D361ED}
        ]
    ].

%% From the page of the FNV authors (64 bits, FNV-1a).
fnv1a_test() ->
    [
        ?assertEqual(Hash, both(esdb_hash_nif, "fnv1a", [Text]))
     || {Text, Hash} <- [
            {<<>>, 16#CBF29CE484222325},
            {<<"a">>, 16#AF63DC4C8601EC8C},
            {<<"b">>, 16#AF63DF4C8601F1A5},
            {<<"foobar">>, 16#85944171F73967E8}
        ]
    ].

%% FIPS 180-4 examples.
sha256_test() ->
    [
        ?assertEqual(hex(Hash), both(esdb_crypto_nif, "hash_sha256", [Text]))
     || {Text, Hash} <- [
            {<<>>, <<"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855">>},
            {<<"abc">>, <<"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad">>},
            {<<"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq">>,
                <<"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1">>}
        ]
    ].

%% RFC 8032, section 7.1, tests 1 to 3.
ed25519_test() ->
    [
        begin
            [Key, Message, Signature] = [hex(Part) || Part <- Vector],
            ?assert(both(esdb_crypto_nif, "verify_ed25519", [Message, Signature, Key])),
            ?assertNot(both(esdb_crypto_nif, "verify_ed25519", [<<Message/binary, 0>>, Signature, Key]))
        end
     || Vector <- [
            [<<"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a">>, <<>>,
                <<"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b">>],
            [<<"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c">>, <<"72">>,
                <<"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00">>],
            [<<"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025">>, <<"af82">>,
                <<"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a">>]
        ]
    ].

%% Points of small order and encodings that are not canonical, as key and as R, with s = 0, 1 and the group order:
%% where implementations of Ed25519 are known to part, these two do not.
ed25519_edge_test() ->
    Ones = binary:copy(<<"ff">>, 30),
    Zeros = binary:copy(<<"00">>, 30),
    Points = [hex(iolist_to_binary(Point)) || Point <- [
        ["01", Zeros, "00"], ["01", Zeros, "80"], ["00", Zeros, "00"], ["00", Zeros, "80"],
        ["ec", Ones, "7f"], ["ec", Ones, "ff"], ["ed", Ones, "7f"], ["ed", Ones, "ff"], ["ee", Ones, "7f"], ["ee", Ones, "ff"],
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
    ]],
    Scalars = [<<0:256>>, <<1:256/little>>, hex(<<"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010">>)],
    Verdicts = [
        both(esdb_crypto_nif, "verify_ed25519", [<<"message ", N>>, <<R/binary, S/binary>>, Key])
     || Key <- Points, R <- Points, S <- Scalars, N <- [1, 2]
    ],
    %% A point of small order accepts some of them: the comparison was not one of refusals alone.
    ?assert(lists:member(true, Verdicts)).

base58_test() ->
    [
        begin
            ?assertEqual(Text, both(esdb_crypto_nif, "base58_encode", [Bytes])),
            ?assertEqual({ok, Bytes}, both(esdb_crypto_nif, "base58_decode", [Text]))
        end
     || {Bytes, Text} <- [
            %% draft-msporny-base58-03, section 5
            {<<"Hello World!">>, <<"2NEpo7TZRRrLZSi2U">>},
            {<<"The quick brown fox jumps over the lazy dog.">>, <<"USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z">>},
            {hex(<<"0000287fb4cd">>), <<"11233QC4">>},
            %% src/test/data/base58_encode_decode.json of Bitcoin Core
            {hex(<<"572e4794">>), <<"3EFU7m">>},
            {hex(<<"00eb15231dfceb60925886b67d065299925915aeb172c06647">>), <<"1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L">>},
            {<<0:80>>, <<"1111111111">>}
        ]
    ].

base64_test() ->
    ?assertEqual(<<"Zm9vYg">>, both(esdb_crypto_nif, "base64_encode_urlsafe", [<<"foob">>])),
    ?assertEqual(<<"-_8">>, both(esdb_crypto_nif, "base64_encode_urlsafe", [<<16#FB, 16#FF>>])),
    [
        ?assertEqual({error, invalid_base64}, both(esdb_crypto_nif, "base64_decode_urlsafe", [Text]))
     || Text <- [<<"Zg==">>, <<"Zh">>, <<"Z">>, <<"Zm9+">>, <<"Zm 9">>]
    ].

%% Every term has the hash that the emulator gives it.
phash_test() ->
    [?assertEqual(erlang:phash2(Term, 1 bsl 32), both(esdb_hash_nif, "fast_phash", [Term, 1 bsl 32])) || Term <- esdb_gen:kinds()].

%% The command line tools, where they are installed.
tools_test_() ->
    [
        {timeout, 60, fun() -> tool(Tool, Algorithm, Size) end}
     || {Tool, Algorithm} <- [{"zstd", zstd}, {"lz4", lz4}],
        esdb_nifs_lib:loaded(), os:find_executable(Tool) =/= false,
        Size <- [0, 1, 100, 70000, 5000000]
    ].

tool(Tool, Algorithm, Size) ->
    Data = binary:part(binary:copy(<<"orders-1 paid, orders-2 open; ">>, Size div 30 + 1), 0, Size),
    Dir = string:trim(os:cmd("mktemp -d")),
    try
        {ok, Ours} = esdb_archive_nif:compress(Data, Algorithm),
        ok = file:write_file(filename:join(Dir, "ours"), Ours),
        [] = os:cmd([Tool, " -d -c -q ", Dir, "/ours > ", Dir, "/read"]),
        ?assert({ok, Data} =:= file:read_file(filename:join(Dir, "read"))),
        ok = file:write_file(filename:join(Dir, "data"), Data),
        [
            begin
                [] = os:cmd(["cat ", Dir, "/data | ", Tool, " ", Options, " -c -q > ", Dir, "/theirs"]),
                {ok, Theirs} = file:read_file(filename:join(Dir, "theirs")),
                ?assert({ok, Data} =:= esdb_archive_nif:decompress(Theirs, Algorithm)),
                %% Two frames in a row are one text.
                ?assert({ok, <<Data/binary, Data/binary>>} =:= esdb_archive_nif:decompress(<<Theirs/binary, Ours/binary>>, Algorithm))
            end
         || Options <- ["-1", "-9"]
        ]
    after
        os:cmd("rm -rf " ++ Dir)
    end.

%% Both formats let a reader skip a frame of somebody's own (magic 0x184D2A50 to 0x184D2A5F), wherever it stands.
skippable_frames_test() ->
    [
        begin
            {ok, Frame} = esdb_archive_nif:compress(<<"orders">>, Algorithm),
            Skip = <<Magic:32/little, 4:32/little, "mine">>,
            [
                ?assertEqual({Algorithm, {ok, Text}}, {Algorithm, esdb_archive_nif:decompress(iolist_to_binary(Frames), Algorithm)})
             || {Frames, Text} <- [
                    {[Skip, Frame], <<"orders">>}, {[Frame, Skip], <<"orders">>}, {[Frame, Skip, Skip, Frame], <<"ordersorders">>}
                ]
            ],
            [
                ?assertEqual({error, decompression_failed}, esdb_archive_nif:decompress(iolist_to_binary(Frames), Algorithm))
             || Frames <- [[Frame, binary:part(Skip, 0, 7)], [Frame, binary:part(Skip, 0, 10)], [Frame, <<Magic:24/little>>]]
            ]
        end
     || Algorithm <- [A || esdb_nifs_lib:loaded(), A <- [zstd, lz4]], Magic <- [16#184D2A50, 16#184D2A5F]
    ].

damaged_archives_test_() ->
    {timeout, 60, fun() ->
        [
            begin
                {ok, Good} = esdb_archive_nif:compress(binary:copy(<<"orders-1 paid ">>, 50), Algorithm),
                [
                    begin
                        Size = rand:uniform(byte_size(Good)) - 1,
                        <<Head:Size/binary, Byte, Tail/binary>> = Good,
                        Flipped = <<Head/binary, (Byte bxor (1 bsl (rand:uniform(8) - 1))), Tail/binary>>,
                        [
                            case esdb_archive_nif:decompress(Bad, Algorithm) of
                                {ok, _} -> ok;
                                {error, decompression_failed} -> ok;
                                {error, too_large} -> ok
                            end
                         || Bad <- [Flipped, Head]
                        ]
                    end
                 || _ <- lists:seq(1, 2000)
                ],
                ?assertEqual({error, decompression_failed}, esdb_archive_nif:decompress(<<>>, Algorithm)),
                [
                    ?assertEqual({error, decompression_failed}, esdb_archive_nif:decompress(binary:part(<<"no frame">>, 0, Size), Algorithm))
                 || Size <- lists:seq(1, 8)
                ],
                %% What follows a frame is one too. (Tools that read zlib leave alone what follows.)
                [
                    ?assertEqual({error, decompression_failed}, esdb_archive_nif:decompress(<<Good/binary, More/binary>>, Algorithm))
                 || Algorithm =/= zlib, More <- [<<"n">>, <<"no f">>, <<"no frame">>, binary:part(Good, 0, 4), binary:part(Good, 0, 9)]
                ]
            end
         || Algorithm <- [zlib] ++ [A || esdb_nifs_lib:loaded(), A <- [zstd, lz4]]
        ]
    end}.

archives_come_back_test_() ->
    {timeout, 60, fun() ->
        [
            begin
                Data = iolist_to_binary([esdb_gen:binary() || _ <- lists:seq(1, rand:uniform(30))]),
                {ok, Compressed} = esdb_archive_nif:compress(Data, Algorithm, Level),
                ?assertEqual({ok, Data}, esdb_archive_nif:decompress(Compressed, Algorithm)),
                {ok, Stats} = esdb_archive_nif:compression_stats(Data, Algorithm, Level),
                ?assertEqual([compressed_size, original_size, ratio], lists:sort(maps:keys(Stats)))
            end
         || {Algorithm, Levels} <- [{zlib, [0, 1, 6, 9]}] ++ [T || esdb_nifs_lib:loaded(), T <- [{zstd, [1, 3, 9, 12]}, {lz4, [0]}]],
            Level <- Levels, _ <- lists:seq(1, 500)
        ]
    end}.

%% Never another format under their name.
no_codec_without_the_library_test() ->
    Expected = case esdb_nifs_lib:loaded() of true -> ok; false -> error end,
    [
        begin
            {Got, Value} = esdb_archive_nif:compress(<<"data">>, Algorithm),
            ?assertEqual(Expected, Got),
            ?assertEqual(Expected =:= error, Value =:= not_available)
        end
     || Algorithm <- [zstd, lz4]
    ],
    ?assertEqual({error, not_available}, esdb_archive_nif:erlang_compress_zstd(<<>>, 3)),
    ?assertEqual({error, invalid_level}, esdb_archive_nif:compress(<<>>, zstd, 23)),
    ?assertEqual({error, invalid_level}, esdb_archive_nif:compress(<<>>, zlib, 10)),
    ?assertEqual({error, {unknown_algorithm, brotli}}, esdb_archive_nif:compress(<<>>, brotli)),
    ?assertError(badarg, esdb_archive_nif:compress(data, zstd)).
