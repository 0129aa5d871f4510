%% What each function costs: the library, its Erlang twin, the public function that chooses between them, and OTP's
%% own where it has one. One run, the four in turns, so that a busy machine slows all of them alike.
%%
%% `make bench-nifs`; `make bench-nifs ONLY=hash` for the functions whose names contain the word.
-module(esdb_nifs_bench).
-export([main/1]).

-define(ROUNDS, 15).
%% One round of one candidate takes about this long.
-define(ROUND_US, 2000).

main(Args) ->
    {loaded, File} = esdb_nifs_lib:status(),
    io:format("OTP ~s, ~s~nfastest of ~b rounds, microseconds per call; x = times faster than the twin~n~n", [
        erlang:system_info(otp_release), filename:basename(File), ?ROUNDS
    ]),
    [Empty] = measure([call(fun esdb_nifs_lib:loaded/0, [])]),
    io:format("a call of the library that does nothing: ~.3f~n~n", [Empty]),
    io:format("~-28s ~-22s ~11s ~11s ~11s ~11s ~8s ~8s~n", [
        "function", "input", "nif", "twin", "public", "otp", "nif x", "public x"
    ]),
    Rows = [Row || Row = {_, Name, _, _, _} <- rows(), wanted(Name, Args)],
    Ratios = [alone(fun() -> row(Row) end) || Row <- Rows],
    io:format("~nlowest public ratio: ~.2f~n", [lists:min(Ratios)]).

wanted(_, []) -> true;
wanted(Name, [Part | _]) -> string:find(atom_to_list(Name), Part) =/= nomatch.

%% In a process of its own: its heap holds the arguments of this row and nothing else.
alone(Fun) ->
    {Pid, Monitor} = spawn_monitor(fun() -> exit({ratio, Fun()}) end),
    receive {'DOWN', Monitor, process, Pid, {ratio, Ratio}} -> Ratio end.

row({Module, Name, Label, Make, Otp}) ->
    Args = Make(),
    Timed = [timed(Module, Name, Prefix, Args) || Prefix <- ["nif_", "erlang_", ""]] ++ [otp(Otp) || Otp =/= none],
    [Nif, Twin, Public | Rest] = measure(Timed),
    OtpText = case Rest of [Own] -> io_lib:format("~.3f", [Own]); [] -> "-" end,
    io:format("~-28s ~-22s ~11.3f ~11.3f ~11.3f ~11s ~8.2f ~8.2f~n", [
        Name, Label, Nif, Twin, Public, OtpText, Twin / Nif, Twin / Public
    ]),
    Twin / Public.

prefixed(Prefix, Name) -> list_to_atom(Prefix ++ atom_to_list(Name)).

timed({_, Zlib}, _, "erlang_", Args) ->
    call(Zlib, Args);
timed({Module, _}, Name, Prefix, Args) ->
    timed(Module, Name, Prefix, Args);
timed(Module, Name, Prefix, Args) ->
    Function = prefixed(Prefix, Name),
    call(erlang:make_fun(Module, Function, length(Args)), Args).

otp(Fun) -> call(Fun, []).

%% A loop without apply/2, which would be the larger part of a short call.
call(Fun, []) -> fun(N) -> repeat0(N, Fun) end;
call(Fun, [A]) -> fun(N) -> repeat1(N, Fun, A) end;
call(Fun, [A, B]) -> fun(N) -> repeat2(N, Fun, A, B) end;
call(Fun, [A, B, C]) -> fun(N) -> repeat3(N, Fun, A, B, C) end;
call(Fun, [A, B, C, D]) -> fun(N) -> repeat4(N, Fun, A, B, C, D) end.

repeat0(0, _) -> ok;
repeat0(N, F) -> F(), repeat0(N - 1, F).
repeat1(0, _, _) -> ok;
repeat1(N, F, A) -> F(A), repeat1(N - 1, F, A).
repeat2(0, _, _, _) -> ok;
repeat2(N, F, A, B) -> F(A, B), repeat2(N - 1, F, A, B).
repeat3(0, _, _, _, _) -> ok;
repeat3(N, F, A, B, C) -> F(A, B, C), repeat3(N - 1, F, A, B, C).
repeat4(0, _, _, _, _, _) -> ok;
repeat4(N, F, A, B, C, D) -> F(A, B, C, D), repeat4(N - 1, F, A, B, C, D).

%% Calls that take long are timed fewer times.
measure(Timed) ->
    Plans = [plan(Run) || Run <- Timed],
    Rounds = lists:max([Rounds || {_, _, Rounds} <- Plans]),
    Times = [
        [{Which, time(Run, Count)} || {Which, {Run, Count, Limit}} <- lists:enumerate(Plans), Round =< Limit]
     || Round <- lists:seq(1, Rounds)
    ],
    %% What else the machine does only ever adds to a time: the least is the nearest to the truth.
    [lists:min([Us || {Other, Us} <- lists:append(Times), Other =:= Which]) || Which <- lists:seq(1, length(Timed))].

plan(Run) ->
    _ = Run(1),
    case calibrate(Run, 1) of
        {_, Us} when Us > 200000 -> {Run, 1, 3};
        {_, Us} when Us > 20000 -> {Run, 1, 5};
        {Count, _} -> {Run, Count, ?ROUNDS}
    end.

%% How many calls fill a round. The quicker of two, so that a hiccup does not pass for a slow function.
calibrate(Run, Count) ->
    First = time(Run, Count),
    case First > 100000 orelse lists:min([First, time(Run, Count)]) of
        true -> {Count, First};
        Us when Us * Count < ?ROUND_US / 3, Count < 1 bsl 20 -> calibrate(Run, Count * 4);
        Us -> {Count, Us}
    end.

time(Run, Count) ->
    erlang:garbage_collect(),
    Start = erlang:monotonic_time(),
    Run(Count),
    erlang:convert_time_unit(erlang:monotonic_time() - Start, native, nanosecond) / 1000 / Count.

rows() ->
    lists:append([hashes(), crypto(), archives(), aggregates(), texts(), events(), graphs()]).

label(Bytes) when Bytes < 1024 -> lists:concat([Bytes, " B"]);
label(Bytes) when Bytes < 1 bsl 20 -> lists:concat([Bytes div 1024, " KiB"]);
label(Bytes) -> lists:concat([Bytes bsr 20, " MiB"]).

hashes() ->
    Sizes = [10, 32, 100, 1024, 1 bsl 16, 1 bsl 20],
    [
        {esdb_hash_nif, Name, label(Size), fun() -> [bytes(Size) | More] end, Otp(bytes(Size))}
     || {Name, More, Otp} <- [
            {xxhash64, [], fun(B) -> fun() -> erlang:phash2(B) end end},
            {xxhash3, [], fun(B) -> fun() -> erlang:phash2(B) end end},
            {fnv1a, [], fun(B) -> fun() -> erlang:phash2(B) end end},
            {partition_hash, [16], fun(B) -> fun() -> erlang:phash2(B, 16) end end},
            {fast_phash, [1000], fun(B) -> fun() -> erlang:phash2(B, 1000) end end}
        ],
        Size <- Sizes
    ] ++
    [{esdb_hash_nif, stream_partition, "9 B, 13 B", fun() -> [<<"store_one">>, <<"account-12345">>, 16] end, none}] ++
    [{esdb_hash_nif, partition_hash_batch, ids_label(N), fun() -> [ids(N), 16] end, none} || N <- [10, 1000, 10000, 1000000]].

crypto() ->
    Sizes = [10, 32, 100, 1024, 1 bsl 16, 1 bsl 20],
    {Public, Private} = crypto:generate_key(eddsa, ed25519),
    [{esdb_crypto_nif, hash_sha256, label(S), fun() -> [bytes(S)] end, sha256(bytes(S))} || S <- Sizes] ++
    [{esdb_crypto_nif, hash_sha256_base64, label(S), fun() -> [bytes(S)] end, sha256(bytes(S))} || S <- Sizes] ++
    [{esdb_crypto_nif, base64_encode_urlsafe, label(S), fun() -> [bytes(S)] end, base64(bytes(S))} || S <- Sizes] ++
    [{esdb_crypto_nif, base64_decode_urlsafe, label(S), fun() -> [esdb_codec:base64_encode(bytes(S))] end, unbase64(bytes(S))} || S <- Sizes] ++
    [{esdb_crypto_nif, secure_compare, label(S), fun() -> [bytes(S), binary:copy(bytes(S))] end, none} || S <- Sizes] ++
    [{esdb_crypto_nif, base58_encode, label(S), fun() -> [bytes(S)] end, none} || S <- [10, 34, 64, 256, 1024]] ++
    [{esdb_crypto_nif, base58_decode, label(S), fun() -> [esdb_codec:base58_encode(bytes(S))] end, none} || S <- [10, 34, 64, 256, 1024]] ++
    [
        {esdb_crypto_nif, verify_ed25519, label(S),
            fun() -> [bytes(S), crypto:sign(eddsa, none, bytes(S), [Private, ed25519]), Public] end, none}
     || S <- [64, 1024, 1 bsl 16]
    ] ++
    [{esdb_gater_crypto_nif, match_resource_pattern, "24 B", fun() -> [<<"esdb://realm/orders-*">>, <<"esdb://realm/orders-1234">>] end, none}].

sha256(Bytes) -> fun() -> crypto:hash(sha256, Bytes) end.
base64(Bytes) -> fun() -> base64:encode(Bytes) end.
unbase64(Bytes) -> Text = base64:encode(Bytes), fun() -> base64:decode(Text) end.

%% There is no twin of zstd and LZ4: they stand beside zlib over the same data.
archives() ->
    io:format("compression: 'twin' is zlib at level 6, over ids and JSON; ratios:~n"),
    [begin
        Data = documents(S),
        Sizes = [begin {ok, C} = esdb_archive_nif:compress(Data, A, L), {A, L, S / byte_size(C)} end
            || {A, L} <- [{zlib, 6}, {zlib, 1}, {zstd, 1}, {zstd, 3}, {zstd, 9}, {lz4, 0}]],
        io:format("  ~-8s ~s~n", [label(S), [io_lib:format("~s-~b ~.2f  ", [A, L, R]) || {A, L, R} <- Sizes]])
    end || S <- [1024, 1 bsl 16, 1 bsl 20]],
    io:format("~n"),
    lists:append([
        begin
            Data = documents(S),
            {ok, Zlib} = esdb_archive_nif:compress_zlib(Data),
            {ok, Zstd} = esdb_archive_nif:compress_zstd(Data),
            {ok, Lz4} = esdb_archive_nif:compress_lz4(Data),
            Zip = fun(_) -> zlib:compress(Data) end,
            Unzip = fun(_) -> zlib:uncompress(Zlib) end,
            [
                archive(compress_zstd, S, Data, Zip),
                archive(compress_lz4, S, Data, Zip),
                archive(compress_zlib, S, Data, Zip),
                archive(decompress_zstd, S, Zstd, Unzip),
                archive(decompress_lz4, S, Lz4, Unzip),
                archive(decompress_zlib, S, Zlib, Unzip)
            ]
        end
     || S <- [1024, 1 bsl 16, 1 bsl 20]
    ]).

archive(Name, Size, Input, Zlib) ->
    {{esdb_archive_nif, Zlib}, Name, label(Size), fun() -> [Input] end, none}.

aggregates() ->
    [
        {esdb_aggregate_nif, Name, lists:concat([N, " events"]), fun() -> [orders(N) | More] end, none}
     || {Name, More} <- [
            {aggregate_events, [#{}, true]}, {sum_field, [amount]}, {count_where, [status, paid]}, {aggregation_stats, []}
        ],
        N <- [1, 10, 100, 10000, 100000]
    ] ++
    %% Little that comes to a large state.
    [
        {esdb_aggregate_nif, Name, lists:concat([N, " to ", Keys, " keys", Tags]), fun() -> [Make(N), maps:from_list(keyed(Keys)) | More] end, none}
     || {Name, Make, More, Tags} <- [
            {aggregate_events, fun orders/1, [false], ""}, {aggregate_events, fun orders/1, [true], ", off"},
            {merge_tagged_batch, fun pairs/1, [], ""}
        ],
        {N, Keys} <- [{12, 12}, {12, 1000}, {2, 100000}]
    ] ++
    [{esdb_aggregate_nif, merge_tagged_batch, lists:concat([N, " pairs"]), fun() -> [pairs(N), #{}] end, none} || N <- [1, 10, 100, 10000, 1000000]] ++
    [{esdb_aggregate_nif, finalize, lists:concat([N, " keys"]), fun() -> [maps:from_list(keyed(N))] end, none} || N <- [1, 10, 30, 100, 10000, 100000]].

texts() ->
    [{esdb_filter_nif, wildcard_to_regex, "8 B", fun() -> [<<"orders-*">>] end, none},
     {esdb_filter_nif, wildcard_match, "1 id", fun() -> [<<"orders-12345">>, <<"orders-*">>] end, none},
     {esdb_filter_nif, wildcard_match, "1 id, 3 stars", fun() -> [<<"eu-orders-12345-paid">>, <<"*orders*5*id">>] end, none},
     {esdb_filter_nif, regex_match, "1 id", fun() -> [<<"orders-12345">>, <<"^orders-[0-9]+$">>] end, none},
     {esdb_filter_nif, has_prefix, "1 id", fun() -> [<<"orders-12345">>, <<"orders-">>] end, none},
     {esdb_filter_nif, has_suffix, "1 id", fun() -> [<<"orders-12345">>, <<"45">>] end, none}] ++
    [
        {esdb_filter_nif, Name, ids_label(N), fun() -> [ids(N), Pattern] end, none}
     || {Name, Pattern} <- [
            {filter_by_wildcard, <<"orders-*5">>}, {filter_by_regex, <<"^orders-[0-9]+5$">>}, {filter_by_prefix, <<"orders-">>},
            {filter_by_suffix, <<"5">>}, {match_indices, <<"orders-*5">>}, {count_matches, <<"orders-*5">>}
        ],
        N <- [1, 10, 100, 10000, 1000000]
    ].

events() ->
    {ok, One} = esdb_filter_nif:compile_predicate({gt, amount, 990}),
    {ok, Four} = esdb_filter_nif:compile_predicate(
        {'and', [
            {wildcard, stream_id, <<"orders-*">>}, {'or', [{gt, [data, amount], 900}, {in, [data, status], [paid, sent]}]},
            {'not', {eq, [data, customer], <<"c1">>}}
        ]}
    ),
    [
        {esdb_filter_nif, Name, lists:concat([N, " events, ", Tests]), fun() -> [orders(N), Predicate] end, none}
     || {Tests, Predicate} <- [{"1 test", One}, {"4 tests", Four}],
        Name <- [filter_events, filter_count, partition_events, first_match, find_all, any_match, all_match],
        N <- [1, 10, 100, 10000]
    ].

graphs() ->
    lists:append([
        begin
            Nodes = fun() -> element(1, tree(N)) end,
            Causes = fun() -> element(2, tree(N)) end,
            Edges = fun() -> esdb_graph:build_edges(Causes()) end,
            Label = lists:concat([N, " nodes"]),
            First = <<"event-1">>,
            Last = <<"event-", (integer_to_binary(N))/binary>>,
            [
                {esdb_graph_nif, build_edges, Label, fun() -> [Causes()] end, none},
                {esdb_graph_nif, has_path, Label, fun() -> [Nodes(), Edges(), First, Last] end, none},
                {esdb_graph_nif, get_ancestors, Label, fun() -> [Nodes(), Edges(), Last] end, none},
                {esdb_graph_nif, get_descendants, Label, fun() -> [Nodes(), Edges(), First] end, none},
                {esdb_graph_nif, to_dot_simple, Label, fun() -> [[{Node, <<"placed">>} || Node <- Nodes()], Edges()] end, none},
                {esdb_graph_nif, to_dot, Label, fun() -> [[{Node, <<"placed">>, <<"order">>} || Node <- Nodes()], Edges()] end, none}
            ] ++
            [{esdb_graph_nif, Name, Label, fun() -> [Nodes(), Edges()] end, none} || Name <- [find_roots, find_leaves, topo_sort, has_cycle, graph_stats]]
        end
     || N <- [2, 10, 100, 2000, 100000]
    ]).

bytes(Size) -> << <<(I * 131 + I bsr 8)>> || I <- lists:seq(1, Size) >>.
ids_label(N) -> lists:concat([N, " ids"]).
ids(N) -> [iolist_to_binary([element(I rem 3 + 1, {"orders-", "users-", "stock-"}), integer_to_list(I * 7919)]) || I <- lists:seq(1, N)].

documents(Size) ->
    Text = iolist_to_binary([
        io_lib:format("{\"id\":\"orders-~b\",\"amount\":~b,\"status\":\"~s\",\"customer\":\"c~b\",\"note\":\"~.36b\"}\n", [
            I, I * 7919 rem 1000, element(I rem 3 + 1, {"paid", "sent", "open"}), I * 31 rem 97, erlang:phash2(I)
        ])
     || I <- lists:seq(1, Size div 70 + 1)
    ]),
    binary:part(binary:copy(Text, Size div byte_size(Text) + 1), 0, Size).

orders(N) ->
    [
        #{
            event_id => integer_to_binary(I),
            event_type => <<"order_placed">>,
            stream_id => <<"orders-", (integer_to_binary(I rem 50))/binary>>,
            data => #{
                amount => {sum, I * 7919 rem 1000},
                quantity => {sum, I rem 7},
                status => element(I rem 3 + 1, {paid, sent, open}),
                customer => <<"c", (integer_to_binary(I rem 97))/binary>>,
                last_seen => {overwrite, I}
            }
        }
     || I <- lists:seq(1, N)
    ].

pairs(N) -> [{element(I rem 5 + 1, {amount, quantity, count, total, <<"name">>}), {sum, I}} || I <- lists:seq(1, N)].
keyed(N) -> [{I, element(I rem 3 + 1, {{sum, I}, {overwrite, I}, I})} || I <- lists:seq(1, N)].

%% A binary tree: event I is caused by event I div 2.
tree(N) ->
    Id = fun(I) -> <<"event-", (integer_to_binary(I))/binary>> end,
    {[Id(I) || I <- lists:seq(1, N)], [{Id(1), undefined} | [{Id(I), Id(I div 2)} || I <- lists:seq(2, N)]]}.
