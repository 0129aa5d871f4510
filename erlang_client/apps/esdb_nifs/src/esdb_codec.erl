%% URL-safe base64 and Base58 in Erlang: the twins of esdb_crypto_nif.
-module(esdb_codec).
-export([base64_encode/1, base64_decode/1, base58_encode/1, base58_decode/1]).

%% 58 to the tenth, the largest power of 58 whose multiples by a digit stay small integers.
-define(CHUNK, 430804206899405824).
-define(CHUNK_DIGITS, 10).

-spec base64_encode(binary()) -> binary().
base64_encode(Data) ->
    Whole = byte_size(Data) div 3 * 3,
    <<Triples:Whole/binary, Rest/binary>> = Data,
    Text = <<
        <<(char64(A)), (char64(B)), (char64(C)), (char64(D))>>
     || <<A:6, B:6, C:6, D:6>> <= Triples
    >>,
    case Rest of
        <<>> -> Text;
        <<A:6, B:2>> -> <<Text/binary, (char64(A)), (char64(B bsl 4))>>;
        <<A:6, B:6, C:4>> -> <<Text/binary, (char64(A)), (char64(B)), (char64(C bsl 2))>>
    end.

char64(I) ->
    element(
        I + 1,
        {$A, $B, $C, $D, $E, $F, $G, $H, $I, $J, $K, $L, $M, $N, $O, $P, $Q, $R, $S, $T, $U, $V, $W, $X, $Y, $Z,
            $a, $b, $c, $d, $e, $f, $g, $h, $i, $j, $k, $l, $m, $n, $o, $p, $q, $r, $s, $t, $u, $v, $w, $x, $y, $z,
            $0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $-, $_}
    ).

-spec base64_decode(binary()) -> {ok, binary()} | {error, invalid_base64}.
base64_decode(Text) ->
    try << <<(value64(C)):6>> || <<C>> <= Text >> of
        Bits ->
            Size = bit_size(Bits) div 8,
            case Bits of
                <<Data:Size/binary>> -> {ok, Data};
                <<Data:Size/binary, 0:2>> -> {ok, Data};
                <<Data:Size/binary, 0:4>> -> {ok, Data};
                _ -> {error, invalid_base64}
            end
    catch
        throw:invalid -> {error, invalid_base64}
    end.

value64(C) when C >= $a, C =< $z -> C - $a + 26;
value64(C) when C >= $A, C =< $Z -> C - $A;
value64(C) when C >= $0, C =< $9 -> C - $0 + 52;
value64($-) -> 62;
value64($_) -> 63;
value64(_) -> throw(invalid).

%% A 1 for each leading zero byte, then the digits of the number.
-spec base58_encode(binary()) -> binary().
base58_encode(Data) ->
    Zeros = leading(Data, 0, 0),
    Digits = digits(binary:decode_unsigned(Data), []),
    <<(binary:copy(<<"1">>, Zeros))/binary, (list_to_binary(Digits))/binary>>.

%% Ten digits at a time: the big number is divided once for all of them.
digits(0, Text) -> Text;
digits(N, Text) when N < ?CHUNK -> small_digits(N, Text);
digits(N, Text) -> digits(N div ?CHUNK, ten_digits(?CHUNK_DIGITS, N rem ?CHUNK, Text)).

small_digits(0, Text) -> Text;
small_digits(N, Text) -> small_digits(N div 58, [char58(N rem 58) | Text]).

ten_digits(0, 0, Text) -> Text;
ten_digits(Left, N, Text) -> ten_digits(Left - 1, N div 58, [char58(N rem 58) | Text]).

char58(I) ->
    element(
        I + 1,
        {$1, $2, $3, $4, $5, $6, $7, $8, $9, $A, $B, $C, $D, $E, $F, $G, $H, $J, $K, $L, $M, $N, $P, $Q, $R, $S, $T,
            $U, $V, $W, $X, $Y, $Z, $a, $b, $c, $d, $e, $f, $g, $h, $i, $j, $k, $m, $n, $o, $p, $q, $r, $s, $t, $u,
            $v, $w, $x, $y, $z}
    ).

-spec base58_decode(binary()) -> {ok, binary()} | {error, invalid_base58}.
base58_decode(Text) ->
    try number(Text, 0) of
        0 -> {ok, binary:copy(<<0>>, leading(Text, $1, 0))};
        N -> {ok, <<(binary:copy(<<0>>, leading(Text, $1, 0)))/binary, (binary:encode_unsigned(N))/binary>>}
    catch
        throw:invalid -> {error, invalid_base58}
    end.

number(<<A, B, C, D, E, F, G, H, I, J, Rest/binary>>, N) ->
    Ten = lists:foldl(fun(Char, Acc) -> Acc * 58 + value58(Char) end, 0, [A, B, C, D, E, F, G, H, I, J]),
    number(Rest, N * ?CHUNK + Ten);
number(<<Char, Rest/binary>>, N) ->
    number(Rest, N * 58 + value58(Char));
number(<<>>, N) ->
    N.

value58(C) when C >= $1, C =< $9 -> C - $1;
value58(C) when C >= $A, C =< $H -> C - $A + 9;
value58(C) when C >= $J, C =< $N -> C - $J + 17;
value58(C) when C >= $P, C =< $Z -> C - $P + 22;
value58(C) when C >= $a, C =< $k -> C - $a + 33;
value58(C) when C >= $m, C =< $z -> C - $m + 44;
value58(_) -> throw(invalid).

leading(<<Byte, Rest/binary>>, Byte, Count) -> leading(Rest, Byte, Count + 1);
leading(_, _, Count) -> Count.
