%% Texts by wildcard, regular expression, prefix and suffix; events by predicates that are compiled once.
%%
%% A predicate is compiled with compile_predicate/1 or given as it is (esdb_predicate says how one looks).
-module(esdb_filter_nif).
-include("esdb_nifs.hrl").

-export([
    wildcard_to_regex/1, wildcard_match/2, regex_match/2, has_prefix/2, has_suffix/2,
    filter_by_wildcard/2, filter_by_regex/2, filter_by_prefix/2, filter_by_suffix/2, match_indices/2,
    count_matches/2, is_valid_regex/1, compile_predicate/1, filter_events/2, filter_count/2,
    partition_events/2, first_match/2, find_all/2, any_match/2, all_match/2
]).
-export([implementation/0, is_nif_loaded/0]).
-export([
    nif_wildcard_to_regex/1, nif_wildcard_match/2, nif_regex_match/2, nif_has_prefix/2, nif_has_suffix/2,
    nif_filter_by_wildcard/2, nif_filter_by_regex/2, nif_filter_by_prefix/2, nif_filter_by_suffix/2,
    nif_match_indices/2, nif_count_matches/2, nif_is_valid_regex/1, nif_compile_predicate/1,
    nif_filter_events/2, nif_filter_count/2, nif_partition_events/2, nif_first_match/2, nif_find_all/2,
    nif_any_match/2, nif_all_match/2
]).
-export([
    erlang_wildcard_to_regex/1, erlang_wildcard_match/2, erlang_regex_match/2, erlang_has_prefix/2,
    erlang_has_suffix/2, erlang_filter_by_wildcard/2, erlang_filter_by_regex/2,
    erlang_filter_by_prefix/2, erlang_filter_by_suffix/2, erlang_match_indices/2, erlang_count_matches/2,
    erlang_is_valid_regex/1, erlang_compile_predicate/1, erlang_filter_events/2, erlang_filter_count/2,
    erlang_partition_events/2, erlang_first_match/2, erlang_find_all/2, erlang_any_match/2,
    erlang_all_match/2
]).

-type event() :: map() | tuple().

%% The library for predicates that are worth a call; for the others what the twin does with the checked Source.
-define(BY_PREDICATE(Short, Dirty, Twin, Checked),
    case esdb_predicate:worthwhile(Predicate) of
        {twin, Source} -> Checked;
        {Program, Constants} -> ?NATIVE(Short, Dirty, Twin)
    end
).

-spec implementation() -> nif | erlang.
implementation() -> esdb_nifs_lib:implementation().

-spec is_nif_loaded() -> boolean().
is_nif_loaded() -> esdb_nifs_lib:loaded().

%% The regular expression for a pattern: `^orders-.*$` for `orders-*`.
-spec wildcard_to_regex(binary()) -> binary().
wildcard_to_regex(Pattern) ->
    ?NATIVE(
        ?LARGE(Pattern),
        esdb_nifs_lib:wildcard_to_regex(Pattern), esdb_nifs_lib:wildcard_to_regex_dirty(Pattern),
        erlang_wildcard_to_regex(Pattern)
    ).

nif_wildcard_to_regex(Pattern) ->
    ?NIF(
        ?LARGE(Pattern),
        esdb_nifs_lib:wildcard_to_regex(Pattern), esdb_nifs_lib:wildcard_to_regex_dirty(Pattern),
        erlang_wildcard_to_regex(Pattern)
    ).

erlang_wildcard_to_regex(Pattern) when is_binary(Pattern) -> esdb_wildcard:to_regex(Pattern);
erlang_wildcard_to_regex(_) -> error(badarg).

%% Whether the whole text matches: `*` is any sequence, `?` is any one byte.
-spec wildcard_match(binary(), binary()) -> boolean().
wildcard_match(Text, Pattern) ->
    ?NATIVE(
        ?LARGE(Text) orelse ?LARGE(Pattern),
        esdb_nifs_lib:wildcard_match(Text, Pattern), esdb_nifs_lib:wildcard_match_dirty(Text, Pattern),
        erlang_wildcard_match(Text, Pattern)
    ).

nif_wildcard_match(Text, Pattern) ->
    ?NIF(
        ?LARGE(Text) orelse ?LARGE(Pattern),
        esdb_nifs_lib:wildcard_match(Text, Pattern), esdb_nifs_lib:wildcard_match_dirty(Text, Pattern),
        erlang_wildcard_match(Text, Pattern)
    ).

erlang_wildcard_match(Text, Pattern) when is_binary(Text), is_binary(Pattern) ->
    esdb_wildcard:matches(Text, esdb_wildcard:compile(Pattern));
erlang_wildcard_match(_, _) ->
    error(badarg).

%% Whether the text has a match of a regular expression of `re`; badarg when that is not valid.
-spec regex_match(binary(), binary()) -> boolean().
%% Twin used: `re` compiles an expression in less than a microsecond, the library in ten.
regex_match(Text, Regex) -> erlang_regex_match(Text, Regex).

nif_regex_match(Text, Regex) ->
    ?NIF(
        esdb_nifs_lib:regex_match(Text, Regex), esdb_nifs_lib:regex_match_dirty(Text, Regex),
        erlang_regex_match(Text, Regex)
    ).

erlang_regex_match(Text, Regex) when is_binary(Text), is_binary(Regex) ->
    re:run(Text, Regex, [{capture, none}]) =:= match;
erlang_regex_match(_, _) ->
    error(badarg).

%% Twin used.
-spec has_prefix(binary(), binary()) -> boolean().
has_prefix(Text, Prefix) -> erlang_has_prefix(Text, Prefix).

nif_has_prefix(Text, Prefix) ->
    ?NIF(
        esdb_nifs_lib:has_prefix(Text, Prefix), esdb_nifs_lib:has_prefix_dirty(Text, Prefix),
        erlang_has_prefix(Text, Prefix)
    ).

erlang_has_prefix(Text, Prefix) when is_binary(Text), is_binary(Prefix) -> esdb_wildcard:has_prefix(Text, Prefix);
erlang_has_prefix(_, _) -> error(badarg).

%% Twin used.
-spec has_suffix(binary(), binary()) -> boolean().
has_suffix(Text, Suffix) -> erlang_has_suffix(Text, Suffix).

nif_has_suffix(Text, Suffix) ->
    ?NIF(
        esdb_nifs_lib:has_suffix(Text, Suffix), esdb_nifs_lib:has_suffix_dirty(Text, Suffix),
        erlang_has_suffix(Text, Suffix)
    ).

erlang_has_suffix(Text, Suffix) when is_binary(Text), is_binary(Suffix) -> esdb_wildcard:has_suffix(Text, Suffix);
erlang_has_suffix(_, _) -> error(badarg).

%% The items that match.
-spec filter_by_wildcard([binary()], binary()) -> [binary()].
filter_by_wildcard(Items, Pattern) ->
    ?NATIVE(
        esdb_nifs_lib:filter_by_wildcard(Items, Pattern), esdb_nifs_lib:filter_by_wildcard_dirty(Items, Pattern),
        erlang_filter_by_wildcard(Items, Pattern)
    ).

nif_filter_by_wildcard(Items, Pattern) ->
    ?NIF(
        esdb_nifs_lib:filter_by_wildcard(Items, Pattern), esdb_nifs_lib:filter_by_wildcard_dirty(Items, Pattern),
        erlang_filter_by_wildcard(Items, Pattern)
    ).

erlang_filter_by_wildcard(Items, Pattern) -> esdb_select:select(esdb_select:by_wildcard(Pattern), Items).

%% The items that have a match.
-spec filter_by_regex([binary()], binary()) -> [binary()].
filter_by_regex(?AT_LEAST_64 = Items, Regex) ->
    ?NATIVE(
        esdb_nifs_lib:filter_by_regex(Items, Regex), esdb_nifs_lib:filter_by_regex_dirty(Items, Regex),
        erlang_filter_by_regex(Items, Regex)
    );
filter_by_regex(Items, Regex) ->
    erlang_filter_by_regex(Items, Regex).

nif_filter_by_regex(Items, Regex) ->
    ?NIF(
        esdb_nifs_lib:filter_by_regex(Items, Regex), esdb_nifs_lib:filter_by_regex_dirty(Items, Regex),
        erlang_filter_by_regex(Items, Regex)
    ).

erlang_filter_by_regex(Items, Regex) when is_binary(Regex) ->
    case re:compile(Regex) of
        {ok, Compiled} -> esdb_select:select(fun(Text) -> re:run(Text, Compiled, [{capture, none}]) =:= match end, Items);
        {error, _} -> error(badarg)
    end;
erlang_filter_by_regex(_, _) ->
    error(badarg).

%% The items that begin so.
-spec filter_by_prefix([binary()], binary()) -> [binary()].
filter_by_prefix(?AT_LEAST_1 = Items, Prefix) ->
    ?NATIVE(
        esdb_nifs_lib:filter_by_prefix(Items, Prefix), esdb_nifs_lib:filter_by_prefix_dirty(Items, Prefix),
        erlang_filter_by_prefix(Items, Prefix)
    );
filter_by_prefix(Items, Prefix) ->
    erlang_filter_by_prefix(Items, Prefix).

nif_filter_by_prefix(Items, Prefix) ->
    ?NIF(
        esdb_nifs_lib:filter_by_prefix(Items, Prefix), esdb_nifs_lib:filter_by_prefix_dirty(Items, Prefix),
        erlang_filter_by_prefix(Items, Prefix)
    ).

erlang_filter_by_prefix(Items, Prefix) when is_binary(Prefix) ->
    esdb_select:select(fun(Text) -> esdb_wildcard:has_prefix(Text, Prefix) end, Items);
erlang_filter_by_prefix(_, _) ->
    error(badarg).

%% The items that end so.
-spec filter_by_suffix([binary()], binary()) -> [binary()].
filter_by_suffix(?AT_LEAST_1 = Items, Suffix) ->
    ?NATIVE(
        esdb_nifs_lib:filter_by_suffix(Items, Suffix), esdb_nifs_lib:filter_by_suffix_dirty(Items, Suffix),
        erlang_filter_by_suffix(Items, Suffix)
    );
filter_by_suffix(Items, Suffix) ->
    erlang_filter_by_suffix(Items, Suffix).

nif_filter_by_suffix(Items, Suffix) ->
    ?NIF(
        esdb_nifs_lib:filter_by_suffix(Items, Suffix), esdb_nifs_lib:filter_by_suffix_dirty(Items, Suffix),
        erlang_filter_by_suffix(Items, Suffix)
    ).

erlang_filter_by_suffix(Items, Suffix) when is_binary(Suffix) ->
    esdb_select:select(fun(Text) -> esdb_wildcard:has_suffix(Text, Suffix) end, Items);
erlang_filter_by_suffix(_, _) ->
    error(badarg).

%% The places, from 0 on, of the items that match a wildcard pattern.
-spec match_indices([binary()], binary()) -> [non_neg_integer()].
match_indices(Items, Pattern) ->
    ?NATIVE(
        esdb_nifs_lib:match_indices(Items, Pattern), esdb_nifs_lib:match_indices_dirty(Items, Pattern),
        erlang_match_indices(Items, Pattern)
    ).

nif_match_indices(Items, Pattern) ->
    ?NIF(
        esdb_nifs_lib:match_indices(Items, Pattern), esdb_nifs_lib:match_indices_dirty(Items, Pattern),
        erlang_match_indices(Items, Pattern)
    ).

erlang_match_indices(Items, Pattern) -> esdb_select:indices(esdb_select:by_wildcard(Pattern), Items, 0).

%% How many items match a wildcard pattern.
-spec count_matches([binary()], binary()) -> non_neg_integer().
count_matches(Items, Pattern) ->
    ?NATIVE(
        esdb_nifs_lib:count_matches(Items, Pattern), esdb_nifs_lib:count_matches_dirty(Items, Pattern),
        erlang_count_matches(Items, Pattern)
    ).

nif_count_matches(Items, Pattern) ->
    ?NIF(
        esdb_nifs_lib:count_matches(Items, Pattern), esdb_nifs_lib:count_matches_dirty(Items, Pattern),
        erlang_count_matches(Items, Pattern)
    ).

erlang_count_matches(Items, Pattern) -> length(erlang_filter_by_wildcard(Items, Pattern)).

%% Whether `re` takes it. Twin used: `re` is native code already.
-spec is_valid_regex(binary()) -> boolean().
is_valid_regex(Regex) -> erlang_is_valid_regex(Regex).

nif_is_valid_regex(Regex) ->
    ok = esdb_nifs_lib:must_be_loaded(),
    erlang_is_valid_regex(Regex).

erlang_is_valid_regex(Regex) when is_binary(Regex) -> element(1, re:compile(Regex)) =:= ok;
erlang_is_valid_regex(_) -> error(badarg).

%% Checks a predicate once, for all later calls.
-spec compile_predicate(esdb_predicate:predicate()) ->
    {ok, esdb_predicate:compiled()} | {error, {invalid_predicate, term()}}.
compile_predicate(Predicate) -> esdb_predicate:compile(Predicate).

nif_compile_predicate(Predicate) ->
    ok = esdb_nifs_lib:must_be_loaded(),
    esdb_predicate:compile(Predicate).

erlang_compile_predicate(Predicate) -> esdb_predicate:compile_erlang(Predicate).

%% The events that pass.
-spec filter_events([event()], esdb_predicate:predicate() | esdb_predicate:compiled()) -> [event()].
filter_events(Events, Predicate) ->
    ?BY_PREDICATE(
        esdb_nifs_lib:filter_events(Events, Program, Constants),
        esdb_nifs_lib:filter_events_dirty(Events, Program, Constants),
        erlang_filter_events(Events, Predicate),
        esdb_select:select_events(Source, Events)
    ).

nif_filter_events(Events, Predicate) ->
    {Program, Constants} = esdb_predicate:parts(Predicate),
    ?NIF(
        esdb_nifs_lib:filter_events(Events, Program, Constants), esdb_nifs_lib:filter_events_dirty(Events, Program, Constants),
        erlang_filter_events(Events, Predicate)
    ).

erlang_filter_events(Events, Predicate) ->
    esdb_select:select_events(esdb_predicate:source(Predicate), Events).

%% How many events pass.
-spec filter_count([event()], esdb_predicate:predicate() | esdb_predicate:compiled()) -> non_neg_integer().
filter_count(Events, Predicate) ->
    ?BY_PREDICATE(
        esdb_nifs_lib:filter_count(Events, Program, Constants),
        esdb_nifs_lib:filter_count_dirty(Events, Program, Constants),
        erlang_filter_count(Events, Predicate),
        length(esdb_select:select_events(Source, Events))
    ).

nif_filter_count(Events, Predicate) ->
    {Program, Constants} = esdb_predicate:parts(Predicate),
    ?NIF(
        esdb_nifs_lib:filter_count(Events, Program, Constants), esdb_nifs_lib:filter_count_dirty(Events, Program, Constants),
        erlang_filter_count(Events, Predicate)
    ).

erlang_filter_count(Events, Predicate) ->
    length(erlang_filter_events(Events, Predicate)).

%% Those that pass, and the others.
-spec partition_events([event()], esdb_predicate:predicate() | esdb_predicate:compiled()) -> {[event()], [event()]}.
partition_events(Events, Predicate) ->
    ?BY_PREDICATE(
        esdb_nifs_lib:partition_events(Events, Program, Constants),
        esdb_nifs_lib:partition_events_dirty(Events, Program, Constants),
        erlang_partition_events(Events, Predicate),
        esdb_select:partition(Source, Events, [], [])
    ).

nif_partition_events(Events, Predicate) ->
    {Program, Constants} = esdb_predicate:parts(Predicate),
    ?NIF(
        esdb_nifs_lib:partition_events(Events, Program, Constants), esdb_nifs_lib:partition_events_dirty(Events, Program, Constants),
        erlang_partition_events(Events, Predicate)
    ).

erlang_partition_events(Events, Predicate) ->
    esdb_select:partition(esdb_predicate:source(Predicate), Events, [], []).

%% The first that passes; what follows it is not looked at.
-spec first_match([event()], esdb_predicate:predicate() | esdb_predicate:compiled()) -> {ok, event()} | not_found.
first_match(Events, Predicate) ->
    ?BY_PREDICATE(
        esdb_nifs_lib:first_match(Events, Program, Constants),
        esdb_nifs_lib:first_match_dirty(Events, Program, Constants),
        erlang_first_match(Events, Predicate),
        esdb_select:first(Source, Events)
    ).

nif_first_match(Events, Predicate) ->
    {Program, Constants} = esdb_predicate:parts(Predicate),
    ?NIF(
        esdb_nifs_lib:first_match(Events, Program, Constants), esdb_nifs_lib:first_match_dirty(Events, Program, Constants),
        erlang_first_match(Events, Predicate)
    ).

erlang_first_match(Events, Predicate) ->
    esdb_select:first(esdb_predicate:source(Predicate), Events).

%% Those that pass, each with its place from 0 on.
-spec find_all([event()], esdb_predicate:predicate() | esdb_predicate:compiled()) -> [{non_neg_integer(), event()}].
find_all(Events, Predicate) ->
    ?BY_PREDICATE(
        esdb_nifs_lib:find_all(Events, Program, Constants),
        esdb_nifs_lib:find_all_dirty(Events, Program, Constants),
        erlang_find_all(Events, Predicate),
        esdb_select:find(Source, Events, 0)
    ).

nif_find_all(Events, Predicate) ->
    {Program, Constants} = esdb_predicate:parts(Predicate),
    ?NIF(
        esdb_nifs_lib:find_all(Events, Program, Constants), esdb_nifs_lib:find_all_dirty(Events, Program, Constants),
        erlang_find_all(Events, Predicate)
    ).

erlang_find_all(Events, Predicate) ->
    esdb_select:find(esdb_predicate:source(Predicate), Events, 0).

%% Whether one passes.
-spec any_match([event()], esdb_predicate:predicate() | esdb_predicate:compiled()) -> boolean().
any_match(Events, Predicate) ->
    ?BY_PREDICATE(
        esdb_nifs_lib:any_match(Events, Program, Constants),
        esdb_nifs_lib:any_match_dirty(Events, Program, Constants),
        erlang_any_match(Events, Predicate),
        esdb_select:first(Source, Events) =/= not_found
    ).

nif_any_match(Events, Predicate) ->
    {Program, Constants} = esdb_predicate:parts(Predicate),
    ?NIF(
        esdb_nifs_lib:any_match(Events, Program, Constants), esdb_nifs_lib:any_match_dirty(Events, Program, Constants),
        erlang_any_match(Events, Predicate)
    ).

erlang_any_match(Events, Predicate) ->
    esdb_select:first(esdb_predicate:source(Predicate), Events) =/= not_found.

%% Whether none fails.
-spec all_match([event()], esdb_predicate:predicate() | esdb_predicate:compiled()) -> boolean().
all_match(Events, Predicate) ->
    ?BY_PREDICATE(
        esdb_nifs_lib:all_match(Events, Program, Constants),
        esdb_nifs_lib:all_match_dirty(Events, Program, Constants),
        erlang_all_match(Events, Predicate),
        esdb_select:first({'not', Source}, Events) =:= not_found
    ).

nif_all_match(Events, Predicate) ->
    {Program, Constants} = esdb_predicate:parts(Predicate),
    ?NIF(
        esdb_nifs_lib:all_match(Events, Program, Constants), esdb_nifs_lib:all_match_dirty(Events, Program, Constants),
        erlang_all_match(Events, Predicate)
    ).

erlang_all_match(Events, Predicate) ->
    esdb_select:first({'not', esdb_predicate:source(Predicate)}, Events) =:= not_found.
