%% Wildcard patterns over bytes in Erlang: `*` is any sequence, `?` is any one byte.
-module(esdb_wildcard).
-export([compile/1, matches/2, to_regex/1, has_prefix/2, has_suffix/2]).

%% The part before the first star, those between stars, the part after the last; or the whole without any star.
-type pattern() :: {exact, part()} | {part(), [part()], part()}.
%% A literal, or the bytes of a part with question marks in it.
-type part() :: {literal | joker, binary()}.
-export_type([pattern/0]).

-spec compile(binary()) -> pattern().
compile(Pattern) ->
    case binary:split(Pattern, <<"*">>, [global]) of
        [Whole] -> {exact, part(Whole)};
        [Head | Rest] ->
            {Between, [Tail]} = lists:split(length(Rest) - 1, Rest),
            {part(Head), [part(Part) || Part <- Between, Part =/= <<>>], part(Tail)}
    end.

part(Part) ->
    case binary:match(Part, <<"?">>) of
        nomatch -> {literal, Part};
        _ -> {joker, Part}
    end.

-spec matches(binary(), pattern()) -> boolean().
matches(Text, {exact, {_, Bytes} = Part}) ->
    byte_size(Text) =:= byte_size(Bytes) andalso fits(Part, Text);
matches(Text, {{_, HeadBytes} = Head, Between, {_, TailBytes} = Tail}) ->
    HeadSize = byte_size(HeadBytes),
    TailSize = byte_size(TailBytes),
    Middle = byte_size(Text) - HeadSize - TailSize,
    Middle >= 0 andalso
        begin
            <<Start:HeadSize/binary, Body:Middle/binary, End/binary>> = Text,
            fits(Head, Start) andalso fits(Tail, End) andalso search(Between, Body)
        end.

%% The first place where a part fits is never worse than a later one.
search([], _) -> true;
search([{literal, Bytes} | Parts], Text) ->
    case binary:match(Text, Bytes) of
        {At, Size} -> search(Parts, skip(At + Size, Text));
        nomatch -> false
    end;
search([{joker, Bytes} = Part | Parts], Text) ->
    Size = byte_size(Bytes),
    case Text of
        <<Start:Size/binary, After/binary>> ->
            case fits(Part, Start) of
                true -> search(Parts, After);
                false -> search([Part | Parts], skip(1, Text))
            end;
        _ ->
            false
    end.

skip(Size, Text) ->
    <<_:Size/binary, Rest/binary>> = Text,
    Rest.

fits({literal, Bytes}, Text) -> Bytes =:= Text;
fits({joker, Bytes}, Text) -> fits_bytes(Bytes, Text).

fits_bytes(<<$?, Bytes/binary>>, <<_, Text/binary>>) -> fits_bytes(Bytes, Text);
fits_bytes(<<Byte, Bytes/binary>>, <<Byte, Text/binary>>) -> fits_bytes(Bytes, Text);
fits_bytes(Bytes, _) -> Bytes =:= <<>>.

%% ^orders-.*$ for orders-*.
-spec to_regex(binary()) -> binary().
to_regex(Pattern) ->
    Body = << <<(regex(Byte))/binary>> || <<Byte>> <= Pattern >>,
    <<$^, Body/binary, $$>>.

regex($*) -> <<".*">>;
regex($?) -> <<".">>;
regex(Byte) when
    Byte =:= $.; Byte =:= $^; Byte =:= $$; Byte =:= $+; Byte =:= ${; Byte =:= $}; Byte =:= $[; Byte =:= $];
    Byte =:= $\\; Byte =:= $|; Byte =:= $(; Byte =:= $)
->
    <<$\\, Byte>>;
regex(Byte) -> <<Byte>>.

-spec has_prefix(binary(), binary()) -> boolean().
has_prefix(Text, Prefix) ->
    Size = byte_size(Prefix),
    case Text of
        <<Prefix:Size/binary, _/binary>> -> true;
        _ -> false
    end.

-spec has_suffix(binary(), binary()) -> boolean().
has_suffix(Text, Suffix) ->
    Size = byte_size(Suffix),
    Skip = byte_size(Text) - Size,
    case Text of
        <<_:Skip/binary, Suffix:Size/binary>> when Skip >= 0 -> true;
        _ -> false
    end.
