%% Lists of texts and of events, one test for each element: the twins of esdb_filter_nif.
-module(esdb_select).
-export([by_wildcard/1, select/2, indices/3, select_events/2, partition/4, first/2, find/3]).

by_wildcard(Pattern) when is_binary(Pattern) ->
    Compiled = esdb_wildcard:compile(Pattern),
    fun(Text) -> esdb_wildcard:matches(Text, Compiled) end;
by_wildcard(_) ->
    error(badarg).

select(Test, [Item | Items]) when is_binary(Item) ->
    case Test(Item) of
        true -> [Item | select(Test, Items)];
        false -> select(Test, Items)
    end;
select(_, []) ->
    [];
select(_, _) ->
    error(badarg).

indices(Test, [Item | Items], Index) when is_binary(Item) ->
    case Test(Item) of
        true -> [Index | indices(Test, Items, Index + 1)];
        false -> indices(Test, Items, Index + 1)
    end;
indices(_, [], _) ->
    [];
indices(_, _, _) ->
    error(badarg).

select_events(Predicate, [Event | Events]) ->
    case esdb_predicate:accepts(Predicate, Event) of
        true -> [Event | select_events(Predicate, Events)];
        false -> select_events(Predicate, Events)
    end;
select_events(_, []) ->
    [];
select_events(_, _) ->
    error(badarg).

partition(Predicate, [Event | Events], Passed, Others) ->
    case esdb_predicate:accepts(Predicate, Event) of
        true -> partition(Predicate, Events, [Event | Passed], Others);
        false -> partition(Predicate, Events, Passed, [Event | Others])
    end;
partition(_, [], Passed, Others) ->
    {lists:reverse(Passed), lists:reverse(Others)};
partition(_, _, _, _) ->
    error(badarg).

first(Predicate, [Event | Events]) ->
    case esdb_predicate:accepts(Predicate, Event) of
        true -> {ok, Event};
        false -> first(Predicate, Events)
    end;
first(_, []) ->
    not_found;
first(_, _) ->
    error(badarg).

find(Predicate, [Event | Events], Index) ->
    case esdb_predicate:accepts(Predicate, Event) of
        true -> [{Index, Event} | find(Predicate, Events, Index + 1)];
        false -> find(Predicate, Events, Index + 1)
    end;
find(_, [], _) ->
    [];
find(_, _, _) ->
    error(badarg).
