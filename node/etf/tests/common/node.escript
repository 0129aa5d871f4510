#!/usr/bin/env escript
%%! -noinput
%% What a real node makes of bytes. Frames of four length bytes on standard input and output:
%%   g <seed> <count>   -> list of <count> random terms in the external format, framed like d
%%   d (<size> <term>)* -> one byte for each term: 1 if binary_to_term takes it, otherwise 0
%%   e (<size> <term>)* -> one byte for each two terms: 1 if they are equal, otherwise 0
%%   h (<size> <term>)* -> erlang:phash2/1 of each term, in four bytes
-mode(compile).
-define(DEPTH, 3).

main(_) ->
    Port = open_port({fd, 0, 1}, [binary, {packet, 4}, eof]),
    loop(Port).

loop(Port) ->
    receive
        {Port, {data, <<Command, Rest/binary>>}} ->
            Port ! {self(), {command, answer(Command, Rest)}},
            loop(Port);
        {Port, eof} ->
            halt(0)
    end.

answer($g, <<Seed:32, Count:32>>) ->
    rand:seed(exsss, {Seed, Seed, Seed}),
    [begin
         Term = term(?DEPTH),
         Version = rand:uniform(3) - 1,
         Bytes = term_to_binary(Term, [{minor_version, Version}]),
         [<<(byte_size(Bytes)):32>>, Bytes]
     end || _ <- lists:seq(1, Count)];
answer($d, Frames) ->
    [decode(Bytes, fun(_) -> 1 end) || Bytes <- frames(Frames)];
answer($h, Frames) ->
    [<<(erlang:phash2(binary_to_term(Bytes))):32>> || Bytes <- frames(Frames)];
answer($e, Frames) ->
    equal(frames(Frames)).

frames(<<Size:32, Bytes:Size/binary, Rest/binary>>) -> [Bytes | frames(Rest)];
frames(<<>>) -> [].

decode(Bytes, Then) ->
    try binary_to_term(Bytes) of
        Term -> Then(Term)
    catch
        error:badarg -> 0
    end.

equal([A, B | Rest]) ->
    [decode(A, fun(X) -> decode(B, fun(Y) when X =:= Y -> 1; (_) -> 0 end) end) | equal(Rest)];
equal([]) ->
    [].

term(0) ->
    scalar(rand:uniform(20));
term(Depth) ->
    case rand:uniform(8) of
        1 -> list_to_tuple(terms(Depth, 5));
        2 -> terms(Depth, 6);
        3 -> terms(Depth, 4) ++ term(Depth - 1);
        4 -> maps:from_list([{term(Depth - 1), term(Depth - 1)} || _ <- lists:seq(1, pick(6))]);
        5 -> fun_of(terms(Depth, 3));
        6 when Depth =:= ?DEPTH -> list_to_tuple([scalar(1) || _ <- lists:seq(1, 250 + pick(20))]);
        _ -> scalar(rand:uniform(20))
    end.

terms(Depth, Most) ->
    [term(Depth - 1) || _ <- lists:seq(1, pick(Most))].

fun_of([]) -> fun lists:map/2;
fun_of([A]) -> fun() -> A end;
fun_of([A | B]) -> fun(X) -> {A, B, X} end.

scalar(1) -> rand:uniform(256) - 1;
scalar(2) -> pick(1 bsl 33) - (1 bsl 32);
scalar(3) -> (1 bsl (8 * pick(9))) - pick(2);
scalar(4) -> -(1 bsl (8 * pick(9))) + pick(2);
scalar(5) -> binary:decode_unsigned(<<1, (rand:bytes(pick(400)))/binary>>);
scalar(6) -> -binary:decode_unsigned(<<1, (rand:bytes(pick(20)))/binary>>);
scalar(7) -> (rand:uniform() - 0.5) * math:pow(10, pick(600) - 300);
scalar(8) -> lists:nth(rand:uniform(4), [0.0, -0.0, 1.0, 5.0e-324]);
scalar(9) -> lists:nth(rand:uniform(5), [true, undefined, '', 'Elixir.Enum', 'a b']);
scalar(10) -> list_to_atom([223 + pick(20) || _ <- lists:seq(1, pick(255))]);
scalar(11) -> list_to_atom([lists:nth(rand:uniform(3), [$a, 16#3b1, 16#1F600])
                            || _ <- lists:seq(1, pick(255))]);
scalar(12) -> rand:bytes(pick(70));
scalar(13) -> <<(rand:uniform(1 bsl 40)):(pick(60))>>;
scalar(14) -> [rand:uniform(256) - 1 || _ <- lists:seq(1, pick(40))];
scalar(15) ->
    %% Around the longest that is written as a string; seldom, as it is long.
    Long = case pick(60) of 0 -> 65530; _ -> 0 end,
    lists:duplicate(Long + pick(12), $x);
scalar(16) -> foreign(88, <<(pick(1 bsl 32)):32, (pick(1 bsl 32)):32, (1 + pick(99)):32>>);
scalar(17) ->
    Words = 1 + pick(4),
    foreign(90, <<Words:16>>, <<7:32, (rand:bytes(4 * Words))/binary>>);
scalar(18) -> foreign(120, <<(pick(1 bsl 60)):64, 3:32>>);
scalar(19) -> lists:nth(rand:uniform(3), [self(), make_ref(), hd(erlang:ports())]);
scalar(20) -> [].

foreign(Tag, Rest) -> foreign(Tag, <<>>, Rest).
foreign(Tag, Before, Rest) ->
    Node = <<"n", (integer_to_binary(pick(9)))/binary, "@elsewhere">>,
    binary_to_term(<<131, Tag, Before/binary, 119, (byte_size(Node)), Node/binary, Rest/binary>>).

pick(Most) -> rand:uniform(Most + 1) - 1.
