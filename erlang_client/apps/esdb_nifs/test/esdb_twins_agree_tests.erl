%% Each function gives what its twin gives: values, keys, number types, order, errors. 10,000 random calls each; then
%% every type of term in every place of every argument list.
%%
%% Without the library the public functions are the twins, and nif_NAME says so.
-module(esdb_twins_agree_tests).
-include_lib("eunit/include/eunit.hrl").

-define(CASES, 10000).

random_calls_test_() ->
    [
        {lists:concat([Module, ":", Name, "/", arity(Gen)]), {timeout, 60, fun() -> random(Module, Name, Gen) end}}
     || {Module, Name, Gen} <- esdb_gen:functions()
    ].

every_type_in_every_argument_test_() ->
    [
        {lists:concat([Module, ":", Name, "/", arity(Gen)]), {timeout, 60, fun() -> types(Module, Name, Gen) end}}
     || {Module, Name, Gen} <- esdb_gen:functions()
    ].

arity(Gen) ->
    seed(1),
    length(Gen()).

%% A failure prints its arguments, and the seeds are fixed: it comes again.
seed(N) -> rand:seed(exsss, {N, 17, 4}).

random(Module, Name, Gen) ->
    seed(erlang:phash2({Module, Name})),
    repeat(?CASES, fun() -> agree(Module, Name, Gen()) end).

types(Module, Name, Gen) ->
    seed(erlang:phash2({types, Name})),
    Arity = arity(Gen),
    [
        agree(Module, Name, replace(Place, Kind, Gen()))
     || Place <- lists:seq(1, Arity), Kind <- esdb_gen:kinds(), _ <- [1, 2, 3]
    ].

replace(Place, Term, Args) ->
    {Head, [_ | Tail]} = lists:split(Place - 1, Args),
    Head ++ [Term | Tail].

repeat(0, _) -> ok;
repeat(N, Fun) -> Fun(), repeat(N - 1, Fun).

agree(Module, Name, Args) ->
    Twin = outcome(Module, prefixed("erlang_", Name), Args),
    Public = outcome(Module, Name, Args),
    same(Module, Name, Args, Twin, Public),
    case {Module:is_nif_loaded(), outcome(Module, prefixed("nif_", Name), Args)} of
        {true, Nif} -> same(Module, Name, Args, Twin, Nif);
        {false, {error, nif_not_loaded}} -> ok;
        %% What the twin refuses may be refused before the library is asked.
        {false, Nif} -> same(Module, Name, Args, {error, badarg}, Nif)
    end.

prefixed(Prefix, Name) -> list_to_atom(Prefix ++ atom_to_list(Name)).

outcome(Module, Name, Args) ->
    try apply(Module, Name, Args) of
        Result -> {result, Result}
    catch
        error:Reason -> {error, Reason}
    end.

%% Not `=:=` alone: the external form tells 0.0 from -0.0.
same(Module, Name, Args, Expected, Found) ->
    case term_to_binary(Expected) =:= term_to_binary(Found) orelse equal(Expected, Found) of
        true -> ok;
        false -> error({differs, Module, Name, Args, {twin, Expected}, {found, Found}})
    end.

%% Large maps may list their keys in another order, and shared terms be written another way.
equal(A, B) -> A =:= B andalso floats(A) =:= floats(B).

floats(Term) -> lists:sort(floats(Term, [])).
floats(F, Acc) when is_float(F) -> [<<F/float>> | Acc];
floats([H | T], Acc) -> floats(T, floats(H, Acc));
floats(T, Acc) when is_tuple(T) -> floats(tuple_to_list(T), Acc);
floats(M, Acc) when is_map(M) -> floats(maps:to_list(M), Acc);
floats(_, Acc) -> Acc.

%% Compiled predicates are opaque: what both sides say of a source is whether it is one.
predicates_test() ->
    rand:seed(exsss, {1, 2, 3}),
    Sources = esdb_gen:kinds() ++ [
        {'and', {eq, a, 1}}, {'and', [{eq, a, 1} | x]}, {eq, 1, 1}, {eq, [], 1}, {in, a, b}, {wildcard, a, b}, {exists}, {'not'},
        {'or', []}, {esdb_predicate, {eq, a, 1}, {}, undefined}, {esdb_predicate, bad, {}, undefined}
    ] ++ [esdb_gen:any(2) || _ <- lists:seq(1, 2000)] ++ [esdb_gen:predicate(3) || _ <- lists:seq(1, 10000)],
    [
        ?assertEqual(verdict(esdb_filter_nif:erlang_compile_predicate(Source)), verdict(esdb_filter_nif:compile_predicate(Source)))
     || Source <- Sources
    ].

verdict({ok, Compiled}) -> {ok, element(2, Compiled)};
verdict(Error) -> Error.

%% Forged programs and constants neither crash nor answer.
forged_predicates_test() ->
    {ok, {esdb_predicate, Source, Constants, Program}} = esdb_filter_nif:compile_predicate({'and', [{gt, a, 1}, {lt, b, 9}]}),
    [
        outcome(esdb_filter_nif, filter_events, [[#{a => 2, b => 3}], {esdb_predicate, Source, Forged, Kind}])
     || Forged <- [Constants, {}, {a} | esdb_gen:kinds()], Kind <- [Program | esdb_gen:kinds()]
    ],
    [
        outcome(esdb_nifs_lib, compile_predicate, [Tests, Entry, Values])
     || Tests <- [[{gt, [0], 1, accept, 5}], [{gt, [9], 1, accept, reject}], [{gt, [0], 9, 0, 0}] | esdb_gen:kinds()],
        Entry <- [0, 1, accept | esdb_gen:kinds()], Values <- [{a, 1} | esdb_gen:kinds()]
    ].

%% Archives have no twins but zlib: every type in every argument is badarg, a named error, or a result.
archives_take_every_type_test() ->
    Kinds = esdb_gen:kinds(),
    Calls =
        [{Name, [Kind]} || Kind <- Kinds, Name <- [
            compress, decompress, compress_lz4, decompress_lz4, compress_zstd, decompress_zstd, compress_zlib, decompress_zlib,
            compress_batch, decompress_batch
        ]] ++
        [{Name, Args} || Kind <- Kinds, Args <- [[<<"data">>, Kind], [Kind, lz4], [Kind, zstd], [Kind, zlib], [Kind, 3]],
            Name <- [compress, decompress, compress_zstd, compress_zlib, compress_batch, compression_stats],
            Name =/= compress_batch orelse is_list(hd(Args))] ++
        [{Name, [Data, Algorithm, Level]} || Kind <- Kinds, Name <- [compress, compression_stats],
            {Data, Algorithm, Level} <- [{<<"data">>, zstd, Kind}, {<<"data">>, lz4, Kind}, {<<"data">>, Kind, 3}, {Kind, zlib, 3}]],
    [
        case outcome(esdb_archive_nif, Name, Args) of
            {error, Reason} -> ?assertEqual({Name, Args, badarg}, {Name, Args, Reason});
            {result, {ok, _}} -> ok;
            {result, {error, Reason}} -> ?assert(is_atom(Reason) orelse element(1, Reason) =:= unknown_algorithm)
        end
     || {Name, Args} <- Calls
    ].

%% All errors are badarg, badarith for sums beyond the floats, or unknown functions of an arity.
errors_are_badarg_test_() ->
    {timeout, 60, fun() ->
        [
            case outcome(Module, Name, replace(Place, Kind, Gen())) of
                {result, _} -> ok;
                {error, Reason} -> ?assert(lists:member(Reason, [badarg, badarith]), {Module, Name, Kind, Reason})
            end
         || {Module, Name, Gen} <- esdb_gen:functions(), Place <- lists:seq(1, arity(Gen)), Kind <- esdb_gen:kinds()
        ]
    end}.
