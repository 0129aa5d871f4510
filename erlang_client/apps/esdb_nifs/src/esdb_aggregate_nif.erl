%% Events folded into one map, with tagged values: `{sum, N}` adds to what is there, `{overwrite, V}` and plain
%% values replace it.
%%
%% An event is a map, whose fields are those under `data` when that is a map and its own otherwise, or an `#event{}`
%% record, whose fields are those of its data.
-module(esdb_aggregate_nif).
-include("esdb_nifs.hrl").

-export([
    aggregate_events/2, aggregate_events/3, sum_field/2, count_where/3,
    merge_tagged_batch/1, merge_tagged_batch/2, finalize/1, aggregation_stats/1
]).
-export([implementation/0, is_nif_loaded/0]).
-export([
    nif_aggregate_events/2, nif_aggregate_events/3, nif_sum_field/2, nif_count_where/3,
    nif_merge_tagged_batch/1, nif_merge_tagged_batch/2, nif_finalize/1, nif_aggregation_stats/1
]).
-export([
    erlang_aggregate_events/2, erlang_aggregate_events/3, erlang_sum_field/2, erlang_count_where/3,
    erlang_merge_tagged_batch/1, erlang_merge_tagged_batch/2, erlang_finalize/1, erlang_aggregation_stats/1
]).

-type event() :: map() | tuple().

-spec implementation() -> nif | erlang.
implementation() -> esdb_nifs_lib:implementation().

-spec is_nif_loaded() -> boolean().
is_nif_loaded() -> esdb_nifs_lib:loaded().

%% From an initial state, tags kept; or from nothing, with the tags kept (false) or taken off (true).
-spec aggregate_events([event()], map() | boolean()) -> map().
aggregate_events(Events, Finalize) when is_boolean(Finalize) -> aggregate_events(Events, #{}, Finalize);
aggregate_events(Events, State) -> aggregate_events(Events, State, false).

%% In order, from the initial state; with Finalize the tags are taken off at the end.
-spec aggregate_events([event()], map(), boolean()) -> map().
%% The library builds the whole state anew, the twin changes what the events change; taking the tags off rebuilds it in both.
%% For a state of two keys no event need be counted.
aggregate_events(?AT_LEAST_2 = Events, State, Finalize) when
    map_size(State) =< 2; map_size(State) =< length(Events); Finalize, map_size(State) =< 4 * length(Events)
->
    ?NATIVE(
        esdb_nifs_lib:aggregate_events(Events, State, Finalize),
        esdb_nifs_lib:aggregate_events_dirty(Events, State, Finalize),
        erlang_aggregate_events(Events, State, Finalize)
    );
aggregate_events(Events, State, Finalize) ->
    erlang_aggregate_events(Events, State, Finalize).

nif_aggregate_events(Events, Finalize) when is_boolean(Finalize) -> nif_aggregate_events(Events, #{}, Finalize);
nif_aggregate_events(Events, State) -> nif_aggregate_events(Events, State, false).

nif_aggregate_events(Events, State, Finalize) ->
    ?NIF(
        esdb_nifs_lib:aggregate_events(Events, State, Finalize),
        esdb_nifs_lib:aggregate_events_dirty(Events, State, Finalize),
        erlang_aggregate_events(Events, State, Finalize)
    ).

erlang_aggregate_events(Events, Finalize) when is_boolean(Finalize) -> erlang_aggregate_events(Events, #{}, Finalize);
erlang_aggregate_events(Events, State) -> erlang_aggregate_events(Events, State, false).

erlang_aggregate_events(Events, State, Finalize) when is_map(State), is_boolean(Finalize) ->
    Result = fold(fun(Event, Acc) -> maps:fold(fun apply_field/3, Acc, data(Event)) end, State, Events),
    case Finalize of
        true -> erlang_finalize(Result);
        false -> Result
    end;
erlang_aggregate_events(_, _, _) ->
    error(badarg).

apply_field(Key, {sum, N}, State) when is_number(N) ->
    State#{Key => {sum, current(State, Key) + N}};
apply_field(Key, {overwrite, Value}, State) ->
    State#{Key => Value};
apply_field(Key, Value, State) ->
    State#{Key => Value}.

current(State, Key) ->
    case State of
        #{Key := {sum, N}} when is_number(N) -> N;
        #{Key := N} when is_number(N) -> N;
        #{} -> 0
    end.

%% Twin used: the sum of one field over events, each `{sum, N}` or a number; other values count as nothing.
-spec sum_field([event()], atom() | binary()) -> number().
sum_field(Events, Field) -> erlang_sum_field(Events, Field).

nif_sum_field(Events, Field) ->
    ?NIF(
        esdb_nifs_lib:sum_field(Events, Field),
        esdb_nifs_lib:sum_field_dirty(Events, Field),
        erlang_sum_field(Events, Field)
    ).

erlang_sum_field(Events, Field) when is_atom(Field); is_binary(Field) ->
    fold(
        fun(Event, Sum) ->
            case data(Event) of
                #{Field := {sum, N}} when is_number(N) -> Sum + N;
                #{Field := N} when is_number(N) -> Sum + N;
                #{} -> Sum
            end
        end,
        0,
        Events
    );
erlang_sum_field(_, _) ->
    error(badarg).

%% Twin used: how many events have the field with exactly this value. An event without the field is not counted.
-spec count_where([event()], atom() | binary(), term()) -> non_neg_integer().
count_where(Events, Field, Value) -> erlang_count_where(Events, Field, Value).

nif_count_where(Events, Field, Value) ->
    ?NIF(
        esdb_nifs_lib:count_where(Events, Field, Value),
        esdb_nifs_lib:count_where_dirty(Events, Field, Value),
        erlang_count_where(Events, Field, Value)
    ).

erlang_count_where(Events, Field, Value) when is_atom(Field); is_binary(Field) ->
    fold(
        fun(Event, Count) ->
            case data(Event) of
                #{Field := Value} -> Count + 1;
                #{} -> Count
            end
        end,
        0,
        Events
    );
erlang_count_where(_, _, _) ->
    error(badarg).

%% Pairs applied to nothing.
-spec merge_tagged_batch([{term(), term()}]) -> map().
merge_tagged_batch(Pairs) -> merge_tagged_batch(Pairs, #{}).

%% Pairs of key and value applied in order to a state; tags are kept.
-spec merge_tagged_batch([{term(), term()}], map()) -> map().
%% What an ordinary scheduler would give up is not begun on one: the twin is too near to lose a part of the work. As with
%% events, the library builds the whole state anew.
merge_tagged_batch(?AT_LEAST_12 = Pairs, State) when length(Pairs) > 12000, 4 * map_size(State) =< length(Pairs) ->
    case esdb_nifs_lib:merge_tagged_batch_dirty(Pairs, State) of
        twin -> erlang_merge_tagged_batch(Pairs, State);
        Result -> Result
    end;
merge_tagged_batch(?AT_LEAST_12 = Pairs, State) when map_size(State) =< 3; 4 * map_size(State) =< length(Pairs) ->
    ?NATIVE(
        esdb_nifs_lib:merge_tagged_batch(Pairs, State),
        esdb_nifs_lib:merge_tagged_batch_dirty(Pairs, State),
        erlang_merge_tagged_batch(Pairs, State)
    );
merge_tagged_batch(Pairs, State) ->
    erlang_merge_tagged_batch(Pairs, State).

nif_merge_tagged_batch(Pairs) -> nif_merge_tagged_batch(Pairs, #{}).
nif_merge_tagged_batch(Pairs, State) ->
    ?NIF(
        esdb_nifs_lib:merge_tagged_batch(Pairs, State),
        esdb_nifs_lib:merge_tagged_batch_dirty(Pairs, State),
        erlang_merge_tagged_batch(Pairs, State)
    ).

erlang_merge_tagged_batch(Pairs) -> erlang_merge_tagged_batch(Pairs, #{}).
erlang_merge_tagged_batch(Pairs, State) when is_map(State) ->
    fold(
        fun
            ({Key, Value}, Acc) -> apply_field(Key, Value, Acc);
            (_, _) -> error(badarg)
        end,
        State,
        Pairs
    );
erlang_merge_tagged_batch(_, _) ->
    error(badarg).

%% The map without tags: N for {sum, N}, V for {overwrite, V}.
-spec finalize(map()) -> map().
%% A map of few keys is done before a call has begun, and a very large one the emulator rebuilds almost as fast. Both are treated
%% here, not by a call of the twin, which would be felt with one key.
finalize(Map) when map_size(Map) < 6; map_size(Map) > 3000 ->
    maps:map(fun untagged/2, Map);
finalize(Map) ->
    ?NATIVE(esdb_nifs_lib:finalize(Map), esdb_nifs_lib:finalize_dirty(Map), erlang_finalize(Map)).

nif_finalize(Map) ->
    ?NIF(esdb_nifs_lib:finalize(Map), esdb_nifs_lib:finalize_dirty(Map), erlang_finalize(Map)).

erlang_finalize(Map) when is_map(Map) -> maps:map(fun untagged/2, Map);
erlang_finalize(_) -> error(badarg).

untagged(_, {sum, Value}) -> Value;
untagged(_, {overwrite, Value}) -> Value;
untagged(_, Value) -> Value.

%% total_events, events_with_data (those with at least one field), unique_fields.
-spec aggregation_stats([event()]) -> #{atom() => non_neg_integer()}.
aggregation_stats(?AT_LEAST_2 = Events) ->
    ?NATIVE(
        esdb_nifs_lib:aggregation_stats(Events),
        esdb_nifs_lib:aggregation_stats_dirty(Events),
        erlang_aggregation_stats(Events)
    );
aggregation_stats(Events) ->
    erlang_aggregation_stats(Events).

nif_aggregation_stats(Events) ->
    ?NIF(
        esdb_nifs_lib:aggregation_stats(Events),
        esdb_nifs_lib:aggregation_stats_dirty(Events),
        erlang_aggregation_stats(Events)
    ).

erlang_aggregation_stats(Events) ->
    {Total, WithData, Fields} = fold(
        fun(Event, {Total, WithData, Fields}) ->
            case data(Event) of
                Data when Data =:= #{} -> {Total + 1, WithData, Fields};
                Data -> {Total + 1, WithData + 1, maps:fold(fun(Key, _, Acc) -> Acc#{Key => []} end, Fields, Data)}
            end
        end,
        {0, 0, #{}},
        Events
    ),
    #{total_events => Total, events_with_data => WithData, unique_fields => map_size(Fields)}.

data(#{data := Data}) when is_map(Data) -> Data;
data(Event) when is_map(Event) -> Event;
data(Event) when element(1, Event) =:= event, tuple_size(Event) >= 11 ->
    case element(6, Event) of
        Data when is_map(Data) -> Data;
        _ -> #{}
    end;
data(_) -> error(badarg).

fold(Fun, Acc, [Element | Elements]) -> fold(Fun, Fun(Element, Acc), Elements);
fold(_, Acc, []) -> Acc;
fold(_, _, _) -> error(badarg).
