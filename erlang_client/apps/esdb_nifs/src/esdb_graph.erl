%% Causation graphs in Erlang: the twins of esdb_graph_nif. Ids are binaries; every other term is badarg.
-module(esdb_graph).
-export([
    nodes/1, build_edges/1, find_roots/2, find_leaves/2, topo_sort/2, has_cycle/2, graph_stats/2,
    has_path/4, get_ancestors/3, get_descendants/3, to_dot/2, to_dot_simple/2
]).

%% The nodes of edges, in the order in which they first come.
nodes(Edges) ->
    ok = check_edges(Edges),
    unique(lists:flatmap(fun({From, To}) -> [From, To] end, Edges), #{}).

build_edges(Events) ->
    Ids = ids(Events, #{}),
    [{Cause, Id} || {Id, Cause} <- Events, Cause =/= undefined, is_map_key(Cause, Ids)].

ids([{Id, Cause} | Events], Ids) when is_binary(Id), (is_binary(Cause) orelse Cause =:= undefined) ->
    ids(Events, Ids#{Id => []});
ids([], Ids) -> Ids;
ids(_, _) -> error(badarg).

find_roots(Nodes, Edges) ->
    ok = check(Nodes, Edges),
    roots(Nodes, Edges).

roots(Nodes, Edges) ->
    Entered = maps:from_list([{To, []} || {_, To} <- Edges]),
    [Node || Node <- Nodes, not is_map_key(Node, Entered)].

find_leaves(Nodes, Edges) ->
    ok = check(Nodes, Edges),
    leaves(Nodes, Edges).

leaves(Nodes, Edges) ->
    Left = maps:from_list([{From, []} || {From, _} <- Edges]),
    [Node || Node <- Nodes, not is_map_key(Node, Left)].

%% Kahn's algorithm over all nodes, listed ones first; the order of the library.
topo_sort(Nodes, Edges) ->
    ok = check(Nodes, Edges),
    All = unique(Nodes ++ lists:flatmap(fun({From, To}) -> [From, To] end, Edges), #{}),
    Incoming = lists:foldl(
        fun({_, To}, Counts) -> maps:update_with(To, fun(Count) -> Count + 1 end, 1, Counts) end, #{}, Edges
    ),
    Free = [Node || Node <- All, not is_map_key(Node, Incoming)],
    Order = kahn(Free, [], Incoming, adjacency(Edges), []),
    case length(Order) =:= length(All) of
        true ->
            Listed = maps:from_list([{Node, []} || Node <- Nodes]),
            {ok, [Node || Node <- Order, is_map_key(Node, Listed)]};
        false ->
            {error, cycle_detected}
    end.

kahn([], [], _, _, Order) ->
    lists:reverse(Order);
kahn([], Next, Incoming, Adjacency, Order) ->
    kahn(lists:reverse(Next), [], Incoming, Adjacency, Order);
kahn([Node | Queue], Next0, Incoming0, Adjacency, Order) ->
    {Next, Incoming} = lists:foldl(
        fun(To, {Free, Counts}) ->
            case Counts of
                #{To := 1} -> {[To | Free], Counts#{To := 0}};
                #{To := Count} -> {Free, Counts#{To := Count - 1}}
            end
        end,
        {Next0, Incoming0},
        maps:get(Node, Adjacency, [])
    ),
    kahn(Queue, Next, Incoming, Adjacency, [Node | Order]).

has_cycle(Nodes, Edges) -> topo_sort(Nodes, Edges) =:= {error, cycle_detected}.

graph_stats(Nodes, Edges) ->
    ok = check(Nodes, Edges),
    Roots = roots(Nodes, Edges),
    {_, Depth} = reach(Roots, adjacency(Edges)),
    #{
        node_count => length(Nodes),
        edge_count => length(Edges),
        root_count => length(Roots),
        leaf_count => length(leaves(Nodes, Edges)),
        max_depth => Depth
    }.

has_path(Nodes, Edges, From, To) when is_binary(From), is_binary(To) ->
    ok = check(Nodes, Edges),
    {Reached, _} = reach([From], adjacency(Edges)),
    lists:member(To, Reached);
has_path(_, _, _, _) ->
    error(badarg).

get_ancestors(Nodes, Edges, Target) when is_binary(Target) ->
    ok = check(Nodes, Edges),
    {[_ | Ancestors], _} = reach([Target], adjacency([{To, From} || {From, To} <- Edges])),
    Ancestors;
get_ancestors(_, _, _) ->
    error(badarg).

get_descendants(Nodes, Edges, Source) when is_binary(Source) ->
    ok = check(Nodes, Edges),
    {[_ | Descendants], _} = reach([Source], adjacency(Edges)),
    Descendants;
get_descendants(_, _, _) ->
    error(badarg).

%% Breadth first, level by level: the nodes reached, the starts first, and the greatest distance.
reach(Starts, Adjacency) ->
    {Level, Seen} = unseen(Starts, #{}, []),
    reach(Level, Adjacency, Seen, [Level], 0).

reach(Level0, Adjacency, Seen0, Levels, Depth) ->
    Neighbours = lists:flatmap(fun(Node) -> maps:get(Node, Adjacency, []) end, Level0),
    case unseen(Neighbours, Seen0, []) of
        {[], _} -> {lists:append(lists:reverse(Levels)), Depth};
        {Level, Seen} -> reach(Level, Adjacency, Seen, [Level | Levels], Depth + 1)
    end.

unseen([Node | Nodes], Seen, New) when is_map_key(Node, Seen) -> unseen(Nodes, Seen, New);
unseen([Node | Nodes], Seen, New) -> unseen(Nodes, Seen#{Node => []}, [Node | New]);
unseen([], Seen, New) -> {lists:reverse(New), Seen}.

unique(Nodes, Seen) ->
    {Unique, _} = unseen(Nodes, Seen, []),
    Unique.

%% The edges of each node, in the order of the edges.
adjacency(Edges) ->
    lists:foldr(
        fun({From, To}, Adjacency) ->
            case Adjacency of
                #{From := Tos} -> Adjacency#{From := [To | Tos]};
                #{} -> Adjacency#{From => [To]}
            end
        end,
        #{},
        Edges
    ).

to_dot(Nodes, Edges) ->
    dot(
        fun
            ({Id, Type, Label}) when is_binary(Id), is_binary(Type), is_binary(Label) ->
                {Id, [quoted(Label), "\\n", quoted(Type)]};
            (_) ->
                error(badarg)
        end,
        Nodes,
        Edges
    ).

to_dot_simple(Nodes, Edges) ->
    dot(
        fun
            ({Id, Type}) when is_binary(Id), is_binary(Type) -> {Id, quoted(Type)};
            (_) -> error(badarg)
        end,
        Nodes,
        Edges
    ).

dot(Label, Nodes, Edges) ->
    ok = check_edges(Edges),
    NodeLines = node_lines(Label, Nodes),
    EdgeLines = [["  \"", quoted(From), "\" -> \"", quoted(To), "\";\n"] || {From, To} <- Edges],
    iolist_to_binary([
        "digraph causation {\n  rankdir=TB;\n  node [shape=box];\n\n", NodeLines, "\n", EdgeLines, "}\n"
    ]).

node_lines(Label, [Node | Nodes]) ->
    {Id, Text} = Label(Node),
    [["  \"", quoted(Id), "\" [label=\"", Text, "\"];\n"] | node_lines(Label, Nodes)];
node_lines(_, []) -> [];
node_lines(_, _) -> error(badarg).

quoted(Text) ->
    binary:replace(Text, [<<"\\">>, <<"\"">>], <<"\\">>, [global, {insert_replaced, 1}]).

check(Nodes, Edges) ->
    ok = check_nodes(Nodes),
    check_edges(Edges).

check_nodes([Node | Nodes]) when is_binary(Node) -> check_nodes(Nodes);
check_nodes([]) -> ok;
check_nodes(_) -> error(badarg).

check_edges([{From, To} | Edges]) when is_binary(From), is_binary(To) -> check_edges(Edges);
check_edges([]) -> ok;
check_edges(_) -> error(badarg).
