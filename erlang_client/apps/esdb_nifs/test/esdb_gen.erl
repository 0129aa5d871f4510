%% Random terms, and for each function of the library a generator of argument lists.
-module(esdb_gen).
-export([functions/0, any/1, kinds/0, binary/0, pick/1, event/0, predicate/1]).

%% {Module, Name, Generator}: `Name`, `nif_Name` and `erlang_Name` take what the generator gives.
functions() ->
    [{esdb_hash_nif, Name, Gen} || {Name, Gen} <- hashes()] ++
    [{esdb_crypto_nif, Name, Gen} || {Name, Gen} <- crypto()] ++
    [{esdb_gater_crypto_nif, match_resource_pattern, fun() -> [pattern(), text()] end}] ++
    [{esdb_aggregate_nif, Name, Gen} || {Name, Gen} <- aggregate()] ++
    [{esdb_filter_nif, Name, Gen} || {Name, Gen} <- texts() ++ events_by_predicate()] ++
    [{esdb_graph_nif, Name, Gen} || {Name, Gen} <- graph()].

hashes() ->
    Parts = fun() -> pick([1, 2, 16, 1000, 1 bsl 32, 1 bsl 64, uniform(1 bsl 40)]) end,
    [
        {xxhash64, fun() -> [binary()] end},
        {xxhash64, fun() -> [binary(), pick([0, 1, uniform(1 bsl 64) - 1, 1 bsl 64 - 1, 1 bsl 64])] end},
        {xxhash3, fun() -> [binary()] end},
        {fnv1a, fun() -> [binary()] end},
        {partition_hash, fun() -> [binary(), Parts()] end},
        {partition_hash_batch, fun() -> [list(fun text/0), Parts()] end},
        {stream_partition, fun() -> [text(), text(), Parts()] end},
        {fast_phash, fun() -> [pick([binary(), any(3)]), pick([1, 7, 1 bsl 27, 1 bsl 32, uniform(1 bsl 32)])] end}
    ].

crypto() ->
    [
        {hash_sha256, fun() -> [binary()] end},
        {hash_sha256_base64, fun() -> [binary()] end},
        {base64_encode_urlsafe, fun() -> [binary()] end},
        {base64_decode_urlsafe, fun() -> [base64()] end},
        {secure_compare, fun() -> B = binary(), [B, pick([B, binary(), flip(B)])] end},
        {base58_encode, fun() -> [<<(binary:copy(<<0>>, uniform(3) - 1))/binary, (binary())/binary>>] end},
        {base58_decode, fun() -> [base58()] end},
        {verify_ed25519, fun signature/0}
    ].

aggregate() ->
    [
        {aggregate_events, fun() -> [events(), state(), bool()] end},
        {aggregate_events, fun() -> [events(), pick([state(), bool()])] end},
        {sum_field, fun() -> [events(), name()] end},
        {count_where, fun() -> [events(), name(), value()] end},
        {merge_tagged_batch, fun() -> [list(fun() -> {pick([name(), any(1)]), value()} end), state()] end},
        {merge_tagged_batch, fun() -> [list(fun() -> {name(), value()} end)] end},
        {finalize, fun() -> [state()] end},
        {aggregation_stats, fun() -> [events()] end}
    ].

texts() ->
    [
        {wildcard_to_regex, fun() -> [pattern()] end},
        {wildcard_match, fun() -> [text(), pattern()] end},
        {regex_match, fun() -> [text(), regex()] end},
        {has_prefix, fun() -> [text(), text()] end},
        {has_suffix, fun() -> [text(), text()] end},
        {filter_by_wildcard, fun() -> [list(fun text/0), pattern()] end},
        {filter_by_regex, fun() -> [list(fun text/0), regex()] end},
        {filter_by_prefix, fun() -> [list(fun text/0), text()] end},
        {filter_by_suffix, fun() -> [list(fun text/0), text()] end},
        {match_indices, fun() -> [list(fun text/0), pattern()] end},
        {count_matches, fun() -> [list(fun text/0), pattern()] end},
        {is_valid_regex, fun() -> [regex()] end}
    ].

events_by_predicate() ->
    Names = [filter_events, filter_count, partition_events, first_match, find_all, any_match, all_match],
    [{Name, fun() -> [events(), compiled()] end} || Name <- Names].

graph() ->
    Listed = [find_roots, find_leaves, topo_sort, has_cycle, graph_stats],
    [{build_edges, fun() -> [list(fun() -> {id(), pick([undefined, id()])} end)] end}] ++
    [{Name, fun() -> [ids(), edges()] end} || Name <- Listed] ++
    [{Name, fun() -> [edges()] end} || Name <- Listed ++ [to_dot]] ++
    [
        {has_path, fun() -> [ids(), edges(), id(), id()] end},
        {has_path, fun() -> [edges(), {id(), id()}] end},
        {get_ancestors, fun() -> [ids(), edges(), id()] end},
        {get_ancestors, fun() -> [edges(), id()] end},
        {get_descendants, fun() -> [ids(), edges(), id()] end},
        {get_descendants, fun() -> [edges(), id()] end},
        {to_dot, fun() -> [list(fun() -> {id(), text(), text()} end), edges()] end},
        {to_dot_simple, fun() -> [list(fun() -> {id(), text()} end), edges()] end}
    ].

%% One term of each type; `pid` and `port` and `reference` are the node's own.
kinds() -> tuple_to_list(all_kinds()).

%% Made once for each process: asking for the ports takes longer than all the rest.
all_kinds() ->
    case get(kinds) of
        undefined ->
            Kinds = make_kinds(),
            put(kinds, Kinds),
            Kinds;
        Kinds ->
            Kinds
    end.

make_kinds() ->
    list_to_tuple([
        an_atom, true, 0, -1, 1, 1 bsl 62, 1 bsl 200, -(1 bsl 70), 1.5, -0.0, <<>>, <<"bytes">>, <<5:3>>, <<1, 2, 3:4>>,
        [], [a], [a | b], [<<"b">> | <<"t">>], "text", {}, {a}, {a, b}, {<<"a">>, <<"b">>}, #{}, #{a => 1},
        self(), make_ref(), hd(erlang:ports()), fun erlang:self/0, fun(X) -> X end, [#{a => 1} | tail],
        [{<<"a">>, <<"b">>} | tail], list_to_tuple([event | lists:duplicate(11, <<"x">>)]), [1 bsl 100]
    ]).

%% Any term, no deeper than Depth.
any(0) ->
    Kinds = all_kinds(),
    element(uniform(tuple_size(Kinds)), Kinds);
any(Depth) ->
    case uniform(8) of
        1 -> [any(Depth - 1) || _ <- lists:seq(1, uniform(4))];
        2 -> list_to_tuple([any(Depth - 1) || _ <- lists:seq(1, uniform(4))]);
        3 -> maps:from_list([{any(Depth - 1), any(Depth - 1)} || _ <- lists:seq(1, uniform(4))]);
        4 -> [any(Depth - 1) | any(Depth - 1)];
        5 -> rand:uniform();
        6 -> uniform(1 bsl 60) - (1 bsl 59);
        _ -> any(0)
    end.

%% Mostly short, at times long enough for each branch of each hash.
binary() ->
    Size = case uniform(20) of 1 -> uniform(1500); 2 -> uniform(300); _ -> uniform(40) - 1 end,
    <<_, Bytes/binary>> = rand:bytes(Size + 1),
    case uniform(4) of
        %% A sub-binary that does not begin at a byte.
        1 -> <<_:3, Shifted:Size/binary, _/bits>> = <<0:3, Bytes/binary, 0:5>>, Shifted;
        _ -> Bytes
    end.

text() -> over(<<"aab-*?.\n1">>, uniform(9) - 1).
pattern() -> over(<<"aab-**?1">>, uniform(6) - 1).
id() -> over(<<"abcd\"\\">>, uniform(2)).

over(Alphabet, Size) -> << <<(binary:at(Alphabet, uniform(byte_size(Alphabet)) - 1))>> || _ <- lists:seq(1, Size) >>.

base64() ->
    Text = esdb_codec:base64_encode(binary()),
    case uniform(4) of
        1 -> <<Text/binary, (over(<<"AB=+/ _">>, uniform(3)))/binary>>;
        2 -> flip(Text);
        _ -> Text
    end.

base58() ->
    Text = over(<<"111123abcXYZ">>, uniform(60) - 1),
    case uniform(3) of 1 -> flip(Text); _ -> Text end.

flip(<<>>) -> <<>>;
flip(Bytes) ->
    At = uniform(byte_size(Bytes)) - 1,
    <<Head:At/binary, Byte, Tail/binary>> = Bytes,
    <<Head/binary, (Byte bxor (1 bsl (uniform(8) - 1))), Tail/binary>>.

%% One pair of keys is enough: what varies is what was signed and what was damaged.
signature() ->
    {Public, Private} = case get(ed25519_keys) of
        undefined ->
            Keys = crypto:generate_key(eddsa, ed25519),
            put(ed25519_keys, Keys),
            Keys;
        Keys -> Keys
    end,
    Message = binary(),
    Signature = crypto:sign(eddsa, none, Message, [Private, ed25519]),
    case uniform(5) of
        1 -> [Message, flip(Signature), Public];
        2 -> [Message, Signature, flip(Public)];
        3 -> [flip(Message), Signature, Public];
        4 -> [Message, pick([Signature, binary()]), pick([Public, binary()])];
        5 -> [Message, Signature, Public]
    end.

regex() ->
    pick([
        pattern(), esdb_wildcard:to_regex(pattern()), <<"^a.*$">>, <<"a+b">>, <<"[ab]{1,3}-?">>, <<"(a|b)1$">>, <<"^(?:a|b|1)">>,
        <<"\\w+\\s?">>, <<"[^a]">>, <<"\\.">>, <<"(a+)+$">>, <<"(?=a)b">>, <<"(">>, <<"[">>, <<"a**">>, <<"^$">>, <<"$">>,
        <<"a|">>, <<"\\d\\D">>, <<"[[:alpha:]]">>, <<"(?i)A">>, <<"(a)\\1">>, <<".">>, <<"^.?.?$">>, <<"(a-){2}">>,
        over(<<"ab|.*+?()[]^$\\d{}1,-">>, uniform(7))
    ]).

name() -> pick([a, b, c, <<"a">>, <<"b">>, amount, data, event_type]).

number() ->
    pick([
        uniform(100), -uniform(100), rand:uniform(), -0.0, 0.0, 1 bsl 53 + uniform(3), 1 bsl 62, 1 bsl 64, -(1 bsl 63), 1.0e308,
        0, 7
    ]).

value() -> pick([number(), {sum, number()}, {sum, 1}, {sum, a}, {overwrite, number()}, {overwrite, {sum, 5}}, a, any(1)]).

fields() -> [{pick([name(), name(), name(), any(1)]), value()} || _ <- lists:seq(1, uniform(5) - 1)].
state() -> maps:from_list(fields()).

event() ->
    case uniform(6) of
        1 -> record();
        2 -> (state())#{data => state()};
        3 -> (state())#{data => pick([<<"bytes">>, 5])};
        4 -> maps:from_list([{I, {sum, I}} || I <- lists:seq(1, pick([1, 33, 40]))]);
        _ -> state()
    end.

record() ->
    Data = pick([state(), <<"bytes">>]),
    Fields = [event, <<"id">>, pick([<<"a">>, b]), <<"s-1">>, uniform(9), Data, #{a => 1}],
    list_to_tuple(Fields ++ pick([[], [[<<"tag">>]]]) ++ [1, 2, <<"json">>, <<"json">>]).

events() ->
    case uniform(15) of
        1 -> list(fun() -> pick([event(), any(1)]) end);
        _ -> list(fun event/0)
    end.

list(Gen) ->
    %% Short ones mostly; now and then long enough that the public functions ask the library.
    Longest = case uniform(30) of 1 -> 100; 2 -> 24; _ -> 8 end,
    List = [Gen() || _ <- lists:seq(1, uniform(Longest) - 1)],
    case uniform(40) of
        1 -> List ++ any(0);
        2 -> List ++ [any(1)];
        _ -> List
    end.

ids() -> list(fun id/0).
edges() -> list(fun() -> {id(), id()} end).

%% A predicate, as it is or compiled.
compiled() ->
    Predicate = predicate(3),
    case uniform(2) of
        1 -> Predicate;
        2 -> {ok, Compiled} = esdb_filter_nif:compile_predicate(Predicate), Compiled
    end.

predicate(0) ->
    Field = pick([name(), name(), [name(), name()], [data, name()], [name()]]),
    case uniform(8) of
        1 -> {exists, Field};
        2 -> {in, Field, [value() || _ <- lists:seq(1, uniform(4) - 1)]};
        3 -> {pick([wildcard, starts_with, ends_with]), Field, pick([pattern(), <<"b*">>])};
        4 -> pick([true, false]);
        _ -> {pick([eq, ne, gt, gte, lt, lte]), Field, value()}
    end;
predicate(Depth) ->
    case uniform(5) of
        1 -> {'not', predicate(Depth - 1)};
        2 -> {'and', [predicate(Depth - 1) || _ <- lists:seq(1, uniform(4) - 1)]};
        3 -> {'or', [predicate(Depth - 1) || _ <- lists:seq(1, uniform(4) - 1)]};
        _ -> predicate(0)
    end.

bool() -> uniform(2) =:= 1.
pick(List) -> lists:nth(uniform(length(List)), List).
uniform(N) -> rand:uniform(N).
