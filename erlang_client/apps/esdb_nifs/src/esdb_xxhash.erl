%% xxHash64 and XXH3 (64 bits) in Erlang, after the specification in doc/xxhash_spec.md of the xxHash project.
%%
%% The twins of esdb_hash_nif. Integers of 64 bits are big ones for the emulator, so this is slow, and exact.
-module(esdb_xxhash).
-export([xxh64/2, xxh3/1]).

-define(M64, 16#FFFFFFFFFFFFFFFF).
-define(M32, 16#FFFFFFFF).
-define(P32_1, 16#9E3779B1).
-define(P32_2, 16#85EBCA77).
-define(P32_3, 16#C2B2AE3D).
-define(P1, 16#9E3779B185EBCA87).
-define(P2, 16#C2B2AE3D27D4EB4F).
-define(P3, 16#165667B19E3779F9).
-define(P4, 16#85EBCA77C2B2AE63).
-define(P5, 16#27D4EB2F165667C5).

%% The default secret of XXH3.
-define(SECRET, <<
    16#b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f:256,
    16#cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c:256,
    16#3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8:256,
    16#a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364:256,
    16#eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e:256,
    16#2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e:256
>>).

%% xxHash64 with a seed of 64 bits.
-spec xxh64(binary(), non_neg_integer()) -> non_neg_integer().
xxh64(Data, Seed) when byte_size(Data) >= 32 ->
    Accs = {add(add(Seed, ?P1), ?P2), add(Seed, ?P2), Seed, (Seed - ?P1) band ?M64},
    stripes64(Data, Accs, byte_size(Data));
xxh64(Data, Seed) ->
    tail64(Data, add(add(Seed, ?P5), byte_size(Data))).

stripes64(<<A:64/little, B:64/little, C:64/little, D:64/little, Rest/binary>>, {A0, B0, C0, D0}, Size) ->
    stripes64(Rest, {round64(A0, A), round64(B0, B), round64(C0, C), round64(D0, D)}, Size);
stripes64(Rest, {A, B, C, D}, Size) ->
    Sum = (rotl(A, 1) + rotl(B, 7) + rotl(C, 12) + rotl(D, 18)) band ?M64,
    Merged = lists:foldl(
        fun(Acc, Hash) -> ((Hash bxor round64(0, Acc)) * ?P1 + ?P4) band ?M64 end, Sum, [A, B, C, D]
    ),
    tail64(Rest, add(Merged, Size)).

round64(Acc, Lane) ->
    rotl((Acc + Lane * ?P2) band ?M64, 31) * ?P1 band ?M64.

tail64(<<Lane:64/little, Rest/binary>>, Hash) ->
    tail64(Rest, (rotl(Hash bxor round64(0, Lane), 27) * ?P1 + ?P4) band ?M64);
tail64(<<Lane:32/little, Rest/binary>>, Hash) ->
    tail64(Rest, (rotl(Hash bxor (Lane * ?P1 band ?M64), 23) * ?P2 + ?P3) band ?M64);
tail64(<<Byte, Rest/binary>>, Hash) ->
    tail64(Rest, rotl(Hash bxor (Byte * ?P5 band ?M64), 11) * ?P1 band ?M64);
tail64(<<>>, Hash) ->
    avalanche64(Hash).

avalanche64(H0) ->
    H1 = (H0 bxor (H0 bsr 33)) * ?P2 band ?M64,
    H2 = (H1 bxor (H1 bsr 29)) * ?P3 band ?M64,
    H2 bxor (H2 bsr 32).

%% XXH3 with 64 bits, seed 0 and the default secret.
-spec xxh3(binary()) -> non_neg_integer().
xxh3(<<>>) ->
    avalanche64(secret(56) bxor secret(64));
xxh3(Data) when byte_size(Data) =< 3 ->
    Size = byte_size(Data),
    <<First, _/binary>> = Data,
    Middle = binary:at(Data, Size bsr 1),
    Last = binary:at(Data, Size - 1),
    Combined = (First bsl 16) bor (Middle bsl 24) bor Last bor (Size bsl 8),
    <<S0:32/little, S4:32/little, _/binary>> = ?SECRET,
    avalanche64(Combined bxor (S0 bxor S4));
xxh3(Data) when byte_size(Data) =< 8 ->
    Size = byte_size(Data),
    Skip = Size - 4,
    <<First:32/little, _/binary>> = Data,
    <<_:Skip/binary, Last:32/little>> = Data,
    Keyed = (Last + (First bsl 32)) bxor secret(8) bxor secret(16),
    H0 = (Keyed bxor rotl(Keyed, 49) bxor rotl(Keyed, 24)) * 16#9FB21C651E98DF25 band ?M64,
    H1 = (H0 bxor ((H0 bsr 35) + Size)) * 16#9FB21C651E98DF25 band ?M64,
    H1 bxor (H1 bsr 28);
xxh3(Data) when byte_size(Data) =< 16 ->
    Size = byte_size(Data),
    Low = word(Data, 0) bxor secret(24) bxor secret(32),
    High = word(Data, Size - 8) bxor secret(40) bxor secret(48),
    <<Swapped:64/big>> = <<Low:64/little>>,
    avalanche3((Size + Swapped + High + fold(Low, High)) band ?M64);
xxh3(Data) when byte_size(Data) =< 128 ->
    Size = byte_size(Data),
    Pairs = (Size - 1) bsr 5,
    Mixed = [mix(Data, 16 * I, 32 * I) + mix(Data, Size - 16 * (I + 1), 32 * I + 16) || I <- lists:seq(0, Pairs)],
    avalanche3((Size * ?P1 + lists:sum(Mixed)) band ?M64);
xxh3(Data) when byte_size(Data) =< 240 ->
    Size = byte_size(Data),
    Head = lists:sum([mix(Data, 16 * I, 16 * I) || I <- lists:seq(0, 7)]),
    Tail = lists:sum([mix(Data, 16 * I, 16 * (I - 8) + 3) || I <- lists:seq(8, Size div 16 - 1)]),
    Acc = avalanche3((Size * ?P1 + Head) band ?M64),
    avalanche3((Acc + Tail + mix(Data, Size - 16, 119)) band ?M64);
xxh3(Data) ->
    Size = byte_size(Data),
    Accs0 = {?P32_3, ?P1, ?P2, ?P3, ?P4, ?P32_2, ?P5, ?P32_1},
    %% The last 64 bytes are always the last stripe: what comes before is cut into stripes of 64 bytes.
    Accs1 = stripes3(Data, (Size - 1) div 64, ?SECRET, Accs0),
    Skip = Size - 64,
    <<_:Skip/binary, Last/binary>> = Data,
    Accs = stripe3(Last, secret_from(121), Accs1),
    Merged = lists:sum([
        fold(element(2 * I + 1, Accs) bxor secret(11 + 16 * I), element(2 * I + 2, Accs) bxor secret(19 + 16 * I))
     || I <- lists:seq(0, 3)
    ]),
    avalanche3((Size * ?P1 + Merged) band ?M64).

%% Sixteen stripes are a block, each with the secret from 8 bytes further on; then the lanes are scrambled.
stripes3(_, 0, Secret, Accs) when byte_size(Secret) > 64 ->
    Accs;
stripes3(Data, Count, Secret, Accs) when byte_size(Secret) =:= 64 ->
    stripes3(Data, Count, ?SECRET, scramble(Accs));
stripes3(<<Stripe:64/binary, Rest/binary>>, Count, <<_:8/binary, Next/binary>> = Secret, Accs) ->
    stripes3(Rest, Count - 1, Next, stripe3(Stripe, Secret, Accs)).

stripe3(
    <<D0:64/little, D1:64/little, D2:64/little, D3:64/little, D4:64/little, D5:64/little, D6:64/little, D7:64/little>>,
    <<S0:64/little, S1:64/little, S2:64/little, S3:64/little, S4:64/little, S5:64/little, S6:64/little, S7:64/little,
        _/binary>>,
    {A0, A1, A2, A3, A4, A5, A6, A7}
) ->
    {
        lane(A0, D1, D0 bxor S0),
        lane(A1, D0, D1 bxor S1),
        lane(A2, D3, D2 bxor S2),
        lane(A3, D2, D3 bxor S3),
        lane(A4, D5, D4 bxor S4),
        lane(A5, D4, D5 bxor S5),
        lane(A6, D7, D6 bxor S6),
        lane(A7, D6, D7 bxor S7)
    }.

lane(Acc, Neighbour, Keyed) ->
    (Acc + Neighbour + (Keyed band ?M32) * (Keyed bsr 32)) band ?M64.

scramble(Accs) ->
    list_to_tuple([
        (Acc bxor (Acc bsr 47) bxor secret(128 + 8 * I)) * ?P32_1 band ?M64
     || {I, Acc} <- lists:zip(lists:seq(0, 7), tuple_to_list(Accs))
    ]).

mix(Data, At, SecretAt) ->
    fold(word(Data, At) bxor secret(SecretAt), word(Data, At + 8) bxor secret(SecretAt + 8)).

%% The product of 128 bits, its halves folded.
fold(A, B) ->
    Product = A * B,
    (Product band ?M64) bxor (Product bsr 64).

avalanche3(H0) ->
    H1 = (H0 bxor (H0 bsr 37)) * 16#165667919E3779F9 band ?M64,
    H1 bxor (H1 bsr 32).

word(Data, At) ->
    <<_:At/binary, Word:64/little, _/binary>> = Data,
    Word.

secret(At) -> word(?SECRET, At).

secret_from(At) ->
    <<_:At/binary, Secret/binary>> = ?SECRET,
    Secret.

rotl(Word, Bits) ->
    ((Word bsl Bits) bor (Word bsr (64 - Bits))) band ?M64.

add(A, B) -> (A + B) band ?M64.
