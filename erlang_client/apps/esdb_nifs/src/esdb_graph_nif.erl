%% Causation graphs.
%%
%% The graph is what the edges say; an edge is `{Cause, Effect}`. Nodes lists the nodes that are asked about; edges may
%% name others, and paths lead through them. The forms with one argument less, those of the changelog, list the nodes
%% of the edges themselves, in the order in which they first come.
-module(esdb_graph_nif).
-include("esdb_nifs.hrl").

-export([
    build_edges/1, find_roots/1, find_roots/2, find_leaves/1, find_leaves/2, topo_sort/1, topo_sort/2,
    has_cycle/1, has_cycle/2, graph_stats/1, graph_stats/2, has_path/2, has_path/4, get_ancestors/2,
    get_ancestors/3, get_descendants/2, get_descendants/3, to_dot/1, to_dot/2, to_dot_simple/2
]).
-export([implementation/0, is_nif_loaded/0]).
-export([
    nif_build_edges/1, nif_find_roots/1, nif_find_roots/2, nif_find_leaves/1, nif_find_leaves/2,
    nif_topo_sort/1, nif_topo_sort/2, nif_has_cycle/1, nif_has_cycle/2, nif_graph_stats/1,
    nif_graph_stats/2, nif_has_path/2, nif_has_path/4, nif_get_ancestors/2, nif_get_ancestors/3,
    nif_get_descendants/2, nif_get_descendants/3, nif_to_dot/1, nif_to_dot/2, nif_to_dot_simple/2
]).
-export([
    erlang_build_edges/1, erlang_find_roots/1, erlang_find_roots/2, erlang_find_leaves/1,
    erlang_find_leaves/2, erlang_topo_sort/1, erlang_topo_sort/2, erlang_has_cycle/1, erlang_has_cycle/2,
    erlang_graph_stats/1, erlang_graph_stats/2, erlang_has_path/2, erlang_has_path/4,
    erlang_get_ancestors/2, erlang_get_ancestors/3, erlang_get_descendants/2, erlang_get_descendants/3,
    erlang_to_dot/1, erlang_to_dot/2, erlang_to_dot_simple/2
]).

-type id() :: binary().
-type edge() :: {Cause :: id(), Effect :: id()}.

-spec implementation() -> nif | erlang.
implementation() -> esdb_nifs_lib:implementation().

-spec is_nif_loaded() -> boolean().
is_nif_loaded() -> esdb_nifs_lib:loaded().

%% The edges of events with their causes; a cause that is not among the events gives none.
-spec build_edges([{id(), id() | undefined}]) -> [edge()].
build_edges(?AT_LEAST_6 = Events) ->
    ?NATIVE(esdb_nifs_lib:build_edges(Events), esdb_nifs_lib:build_edges_dirty(Events), erlang_build_edges(Events));
build_edges(Events) ->
    erlang_build_edges(Events).

nif_build_edges(Events) ->
    ?NIF(esdb_nifs_lib:build_edges(Events), esdb_nifs_lib:build_edges_dirty(Events), erlang_build_edges(Events)).

erlang_build_edges(Events) -> esdb_graph:build_edges(Events).

%% The listed nodes that no edge enters.
-spec find_roots([id()], [edge()]) -> [id()].
find_roots(Nodes, ?AT_LEAST_4 = Edges) ->
    ?NATIVE(
        esdb_nifs_lib:find_roots(Nodes, Edges),
        esdb_nifs_lib:find_roots_dirty(Nodes, Edges),
        erlang_find_roots(Nodes, Edges)
    );
find_roots(Nodes, Edges) ->
    erlang_find_roots(Nodes, Edges).

nif_find_roots(Nodes, Edges) ->
    ?NIF(
        esdb_nifs_lib:find_roots(Nodes, Edges),
        esdb_nifs_lib:find_roots_dirty(Nodes, Edges),
        erlang_find_roots(Nodes, Edges)
    ).

erlang_find_roots(Nodes, Edges) -> esdb_graph:find_roots(Nodes, Edges).

find_roots(Edges) -> find_roots(esdb_graph:nodes(Edges), Edges).
nif_find_roots(Edges) -> nif_find_roots(esdb_graph:nodes(Edges), Edges).
erlang_find_roots(Edges) -> erlang_find_roots(esdb_graph:nodes(Edges), Edges).

%% The listed nodes that no edge leaves.
-spec find_leaves([id()], [edge()]) -> [id()].
find_leaves(Nodes, ?AT_LEAST_4 = Edges) ->
    ?NATIVE(
        esdb_nifs_lib:find_leaves(Nodes, Edges),
        esdb_nifs_lib:find_leaves_dirty(Nodes, Edges),
        erlang_find_leaves(Nodes, Edges)
    );
find_leaves(Nodes, Edges) ->
    erlang_find_leaves(Nodes, Edges).

nif_find_leaves(Nodes, Edges) ->
    ?NIF(
        esdb_nifs_lib:find_leaves(Nodes, Edges),
        esdb_nifs_lib:find_leaves_dirty(Nodes, Edges),
        erlang_find_leaves(Nodes, Edges)
    ).

erlang_find_leaves(Nodes, Edges) -> esdb_graph:find_leaves(Nodes, Edges).

find_leaves(Edges) -> find_leaves(esdb_graph:nodes(Edges), Edges).
nif_find_leaves(Edges) -> nif_find_leaves(esdb_graph:nodes(Edges), Edges).
erlang_find_leaves(Edges) -> erlang_find_leaves(esdb_graph:nodes(Edges), Edges).

%% The listed nodes, each once, causes before effects.
-spec topo_sort([id()], [edge()]) -> {ok, [id()]} | {error, cycle_detected}.
topo_sort(Nodes, Edges) ->
    ?NATIVE(
        esdb_nifs_lib:topo_sort(Nodes, Edges),
        esdb_nifs_lib:topo_sort_dirty(Nodes, Edges),
        erlang_topo_sort(Nodes, Edges)
    ).

nif_topo_sort(Nodes, Edges) ->
    ?NIF(
        esdb_nifs_lib:topo_sort(Nodes, Edges),
        esdb_nifs_lib:topo_sort_dirty(Nodes, Edges),
        erlang_topo_sort(Nodes, Edges)
    ).

erlang_topo_sort(Nodes, Edges) -> esdb_graph:topo_sort(Nodes, Edges).

topo_sort(Edges) -> topo_sort(esdb_graph:nodes(Edges), Edges).
nif_topo_sort(Edges) -> nif_topo_sort(esdb_graph:nodes(Edges), Edges).
erlang_topo_sort(Edges) -> erlang_topo_sort(esdb_graph:nodes(Edges), Edges).

%% Whether the edges form a cycle.
-spec has_cycle([id()], [edge()]) -> boolean().
has_cycle(Nodes, Edges) ->
    ?NATIVE(
        esdb_nifs_lib:has_cycle(Nodes, Edges),
        esdb_nifs_lib:has_cycle_dirty(Nodes, Edges),
        erlang_has_cycle(Nodes, Edges)
    ).

nif_has_cycle(Nodes, Edges) ->
    ?NIF(
        esdb_nifs_lib:has_cycle(Nodes, Edges),
        esdb_nifs_lib:has_cycle_dirty(Nodes, Edges),
        erlang_has_cycle(Nodes, Edges)
    ).

erlang_has_cycle(Nodes, Edges) -> esdb_graph:has_cycle(Nodes, Edges).

has_cycle(Edges) -> has_cycle(esdb_graph:nodes(Edges), Edges).
nif_has_cycle(Edges) -> nif_has_cycle(esdb_graph:nodes(Edges), Edges).
erlang_has_cycle(Edges) -> erlang_has_cycle(esdb_graph:nodes(Edges), Edges).

%% Counts, and the greatest distance of a node from the nearest root.
-spec graph_stats([id()], [edge()]) -> #{atom() => non_neg_integer()}.
graph_stats(Nodes, ?AT_LEAST_2 = Edges) ->
    ?NATIVE(
        esdb_nifs_lib:graph_stats(Nodes, Edges),
        esdb_nifs_lib:graph_stats_dirty(Nodes, Edges),
        erlang_graph_stats(Nodes, Edges)
    );
graph_stats(Nodes, Edges) ->
    erlang_graph_stats(Nodes, Edges).

nif_graph_stats(Nodes, Edges) ->
    ?NIF(
        esdb_nifs_lib:graph_stats(Nodes, Edges),
        esdb_nifs_lib:graph_stats_dirty(Nodes, Edges),
        erlang_graph_stats(Nodes, Edges)
    ).

erlang_graph_stats(Nodes, Edges) -> esdb_graph:graph_stats(Nodes, Edges).

graph_stats(Edges) -> graph_stats(esdb_graph:nodes(Edges), Edges).
nif_graph_stats(Edges) -> nif_graph_stats(esdb_graph:nodes(Edges), Edges).
erlang_graph_stats(Edges) -> erlang_graph_stats(esdb_graph:nodes(Edges), Edges).

%% Whether edges lead from one node to the other; every node has a path to itself.
-spec has_path([id()], [edge()], id(), id()) -> boolean().
has_path(Nodes, ?AT_LEAST_2 = Edges, From, To) ->
    ?NATIVE(
        esdb_nifs_lib:has_path(Nodes, Edges, From, To),
        esdb_nifs_lib:has_path_dirty(Nodes, Edges, From, To),
        erlang_has_path(Nodes, Edges, From, To)
    );
has_path(Nodes, Edges, From, To) ->
    erlang_has_path(Nodes, Edges, From, To).

nif_has_path(Nodes, Edges, From, To) ->
    ?NIF(
        esdb_nifs_lib:has_path(Nodes, Edges, From, To),
        esdb_nifs_lib:has_path_dirty(Nodes, Edges, From, To),
        erlang_has_path(Nodes, Edges, From, To)
    ).

erlang_has_path(Nodes, Edges, From, To) -> esdb_graph:has_path(Nodes, Edges, From, To).

has_path(Edges, {From, To}) -> has_path([], Edges, From, To);
has_path(_, _) -> error(badarg).
nif_has_path(Edges, {From, To}) -> nif_has_path([], Edges, From, To);
nif_has_path(_, _) -> error(badarg).
erlang_has_path(Edges, {From, To}) -> erlang_has_path([], Edges, From, To);
erlang_has_path(_, _) -> error(badarg).

%% All nodes that lead to the target, the nearest first, without itself.
-spec get_ancestors([id()], [edge()], id()) -> [id()].
get_ancestors(Nodes, ?AT_LEAST_2 = Edges, Target) ->
    ?NATIVE(
        esdb_nifs_lib:get_ancestors(Nodes, Edges, Target),
        esdb_nifs_lib:get_ancestors_dirty(Nodes, Edges, Target),
        erlang_get_ancestors(Nodes, Edges, Target)
    );
get_ancestors(Nodes, Edges, Target) ->
    erlang_get_ancestors(Nodes, Edges, Target).

nif_get_ancestors(Nodes, Edges, Target) ->
    ?NIF(
        esdb_nifs_lib:get_ancestors(Nodes, Edges, Target),
        esdb_nifs_lib:get_ancestors_dirty(Nodes, Edges, Target),
        erlang_get_ancestors(Nodes, Edges, Target)
    ).

erlang_get_ancestors(Nodes, Edges, Target) -> esdb_graph:get_ancestors(Nodes, Edges, Target).

get_ancestors(Edges, Target) -> get_ancestors([], Edges, Target).
nif_get_ancestors(Edges, Target) -> nif_get_ancestors([], Edges, Target).
erlang_get_ancestors(Edges, Target) -> erlang_get_ancestors([], Edges, Target).

%% All nodes that the source leads to, the nearest first, without itself.
-spec get_descendants([id()], [edge()], id()) -> [id()].
get_descendants(Nodes, ?AT_LEAST_2 = Edges, Source) ->
    ?NATIVE(
        esdb_nifs_lib:get_descendants(Nodes, Edges, Source),
        esdb_nifs_lib:get_descendants_dirty(Nodes, Edges, Source),
        erlang_get_descendants(Nodes, Edges, Source)
    );
get_descendants(Nodes, Edges, Source) ->
    erlang_get_descendants(Nodes, Edges, Source).

nif_get_descendants(Nodes, Edges, Source) ->
    ?NIF(
        esdb_nifs_lib:get_descendants(Nodes, Edges, Source),
        esdb_nifs_lib:get_descendants_dirty(Nodes, Edges, Source),
        erlang_get_descendants(Nodes, Edges, Source)
    ).

erlang_get_descendants(Nodes, Edges, Source) -> esdb_graph:get_descendants(Nodes, Edges, Source).

get_descendants(Edges, Source) -> get_descendants([], Edges, Source).
nif_get_descendants(Edges, Source) -> nif_get_descendants([], Edges, Source).
erlang_get_descendants(Edges, Source) -> erlang_get_descendants([], Edges, Source).

%% DOT for Graphviz; nodes are {Id, Type, Label}, the label stands above the type.
-spec to_dot([{id(), binary(), binary()}], [edge()]) -> binary().
to_dot(Nodes, Edges) ->
    ?NATIVE(esdb_nifs_lib:to_dot(Nodes, Edges), esdb_nifs_lib:to_dot_dirty(Nodes, Edges), erlang_to_dot(Nodes, Edges)).

nif_to_dot(Nodes, Edges) ->
    ?NIF(esdb_nifs_lib:to_dot(Nodes, Edges), esdb_nifs_lib:to_dot_dirty(Nodes, Edges), erlang_to_dot(Nodes, Edges)).

erlang_to_dot(Nodes, Edges) -> esdb_graph:to_dot(Nodes, Edges).

to_dot(Edges) -> to_dot_simple([{Id, Id} || Id <- esdb_graph:nodes(Edges)], Edges).
nif_to_dot(Edges) -> nif_to_dot_simple([{Id, Id} || Id <- esdb_graph:nodes(Edges)], Edges).
erlang_to_dot(Edges) -> erlang_to_dot_simple([{Id, Id} || Id <- esdb_graph:nodes(Edges)], Edges).

%% DOT for Graphviz; nodes are {Id, Type}, the type is the label.
-spec to_dot_simple([{id(), binary()}], [edge()]) -> binary().
to_dot_simple(Nodes, Edges) ->
    ?NATIVE(
        esdb_nifs_lib:to_dot_simple(Nodes, Edges),
        esdb_nifs_lib:to_dot_simple_dirty(Nodes, Edges),
        erlang_to_dot_simple(Nodes, Edges)
    ).

nif_to_dot_simple(Nodes, Edges) ->
    ?NIF(
        esdb_nifs_lib:to_dot_simple(Nodes, Edges),
        esdb_nifs_lib:to_dot_simple_dirty(Nodes, Edges),
        erlang_to_dot_simple(Nodes, Edges)
    ).

erlang_to_dot_simple(Nodes, Edges) -> esdb_graph:to_dot_simple(Nodes, Edges).

