//! `esdb_graph_nif`: causation graphs.
//!
//! The graph is what the edges say. `Nodes` names the nodes that are asked about; an edge may also name others, and
//! paths lead through them.

use crate::budget::{Budget, Run, Stop};
use crate::digraph::{Adjacency, filled, reach, topological};
use crate::intern::Names;
use crate::raw::Terms;
use crate::term::{binary, bytes, each, pair};
use rustler::{Encoder, Env, Term};

rustler::atoms! {
    ok, error, undefined, cycle_detected, node_count, edge_count, root_count, leaf_count, max_depth
}

/// Nodes and edges of a call, numbered: listed nodes first.
struct Graph<'a> {
    names: Names<'a>,
    /// The numbers of the listed nodes as they came; some may come twice.
    nodes: Vec<u32>,
    /// How many different nodes were listed: their numbers are below.
    listed: usize,
    edges: Vec<(u32, u32)>,
}

impl<'a> Graph<'a> {
    fn read(nodes: Term<'a>, edges: Term<'a>, budget: &mut Budget) -> Result<Self, Stop> {
        let mut graph = Graph::new(nodes.get_env());
        each(nodes, budget, 15, |node, budget| {
            let (number, _) = graph.names.number(node, budget)?;
            graph.nodes.push(number);
            Ok(())
        })?;
        graph.listed = graph.names.len();
        graph.connect(edges, budget)?;
        Ok(graph)
    }

    /// Without the listed nodes, where the answer is in the edges alone: those are only asked whether they are binaries.
    fn read_edges(nodes: Term<'a>, edges: Term<'a>, budget: &mut Budget) -> Result<Self, Stop> {
        each(nodes, budget, 5, |node, _| match node.is_binary() {
            true => Ok(()),
            false => Err(Stop::Twin),
        })?;
        let mut graph = Graph::new(nodes.get_env());
        graph.connect(edges, budget)?;
        Ok(graph)
    }

    fn new(env: Env<'a>) -> Self {
        Graph {
            names: Names::new(env),
            nodes: Vec::with_capacity(64),
            listed: 0,
            edges: Vec::with_capacity(64),
        }
    }

    fn connect(&mut self, edges: Term<'a>, budget: &mut Budget) -> Result<(), Stop> {
        each(edges, budget, 50, |edge, budget| {
            let (from, to) = pair(edge)?;
            let edge = (
                self.names.number(from, budget)?.0,
                self.names.number(to, budget)?.0,
            );
            self.edges.push(edge);
            Ok(())
        })
    }

    fn out(&self) -> Adjacency {
        Adjacency::new(self.names.len(), self.edges.iter().copied())
    }

    fn into(&self) -> Adjacency {
        Adjacency::new(
            self.names.len(),
            self.edges.iter().map(|(from, to)| (*to, *from)),
        )
    }

    /// The listed nodes that no edge enters (or leaves, with `ends` the other way round).
    fn without(&self, ends: impl Fn(&(u32, u32)) -> u32) -> Vec<u32> {
        let mut touched = filled(false, self.names.len());
        for edge in &self.edges {
            if let Some(mark) = touched.get_mut(ends(edge) as usize) {
                *mark = true;
            }
        }
        let free = |node: &&u32| touched.get(**node as usize) == Some(&false);
        self.nodes.iter().filter(free).copied().collect()
    }

    fn roots(&self) -> Vec<u32> {
        self.without(|(_, to)| *to)
    }

    fn leaves(&self) -> Vec<u32> {
        self.without(|(from, _)| *from)
    }

    /// All nodes in order, or fewer where there is a cycle.
    fn order(&self) -> Vec<u32> {
        topological(self.names.len(), &self.out(), &self.edges)
    }

    /// The list of the nodes with these numbers.
    fn list(&self, env: Env<'a>, numbers: &[u32]) -> Run<'a> {
        let mut terms = Terms::new(env);
        let named = numbers.iter().filter_map(|number| self.names.term(*number));
        named.for_each(|term| terms.push(term));
        terms.list()
    }
}

/// `build_edges([{EventId, CausationId | undefined}])`: the edges whose cause is among the events.
pub fn build_edges<'a>(env: Env<'a>, budget: &mut Budget, events: Term<'a>) -> Run<'a> {
    let mut names = Names::new(env);
    // Causes, ids, and whether the cause is known.
    let (mut causes, mut ids) = (Terms::new(env), Terms::new(env));
    let mut known = Vec::with_capacity(64);
    each(events, budget, 40, |event, budget| {
        let (id, cause) = pair(event)?;
        names.number(id, budget)?;
        if undefined() != cause {
            // Most causes come before their effects.
            known.push(names.known(cause, budget)?.is_some());
            causes.push(cause);
            ids.push(id);
        }
        Ok(())
    })?;
    let mut edges = Terms::new(env);
    for (index, known) in known.into_iter().enumerate() {
        if let (Some(cause), Some(id)) = (causes.get(index), ids.get(index))
            && (known || names.known(cause, budget)?.is_some())
        {
            edges.push((cause, id).encode(env));
        }
    }
    edges.list()
}

/// The listed nodes that are at no edge the end that `end` picks: only those ends get numbers.
fn untouched<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    nodes: Term<'a>,
    edges: Term<'a>,
    end: impl Fn((Term<'a>, Term<'a>)) -> (Term<'a>, Term<'a>),
) -> Run<'a> {
    let mut touched = Names::new(env);
    each(edges, budget, 20, |edge, budget| {
        let (wanted, other) = end(pair(edge)?);
        if !other.is_binary() {
            return Err(Stop::Twin);
        }
        touched.number(wanted, budget).map(|_| ())
    })?;
    let mut free = Terms::new(env);
    each(nodes, budget, 15, |node, budget| {
        if touched.known(node, budget)?.is_none() {
            free.push(node);
        }
        Ok(())
    })?;
    free.list()
}

/// `find_roots(Nodes, Edges)`.
pub fn find_roots<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    nodes: Term<'a>,
    edges: Term<'a>,
) -> Run<'a> {
    untouched(env, budget, nodes, edges, |(from, to)| (to, from))
}

/// `find_leaves(Nodes, Edges)`.
pub fn find_leaves<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    nodes: Term<'a>,
    edges: Term<'a>,
) -> Run<'a> {
    untouched(env, budget, nodes, edges, |(from, to)| (from, to))
}

/// `topo_sort(Nodes, Edges)`: each listed node once.
pub fn topo_sort<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    nodes: Term<'a>,
    edges: Term<'a>,
) -> Run<'a> {
    let graph = Graph::read(nodes, edges, budget)?;
    let mut order = graph.order();
    if order.len() < graph.names.len() {
        return Ok((error(), cycle_detected()).encode(env));
    }
    order.retain(|number| (*number as usize) < graph.listed);
    Ok((ok(), graph.list(env, &order)?).encode(env))
}

/// `has_cycle(Nodes, Edges)`.
pub fn has_cycle<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    nodes: Term<'a>,
    edges: Term<'a>,
) -> Run<'a> {
    let graph = Graph::read_edges(nodes, edges, budget)?;
    Ok((graph.order().len() < graph.names.len()).encode(env))
}

/// `graph_stats(Nodes, Edges)`; the depth is the greatest distance of a node from the nearest root.
pub fn graph_stats<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    nodes: Term<'a>,
    edges: Term<'a>,
) -> Run<'a> {
    let graph = Graph::read(nodes, edges, budget)?;
    let roots = graph.roots();
    let (_, depth) = reach(graph.names.len(), &graph.out(), roots.iter().copied());
    let names = [
        node_count(),
        edge_count(),
        root_count(),
        leaf_count(),
        max_depth(),
    ];
    let counts = [
        graph.nodes.len(),
        graph.edges.len(),
        roots.len(),
        graph.leaves().len(),
    ];
    let values = counts
        .map(|count| count as u64)
        .into_iter()
        .chain([depth])
        .collect::<Vec<u64>>();
    Term::map_from_arrays(env, &names, &values).map_err(|_| Stop::Twin)
}

/// `has_path(Nodes, Edges, From, To)`; every node has a path to itself.
pub fn has_path<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    nodes: Term<'a>,
    edges: Term<'a>,
    from: Term<'a>,
    to: Term<'a>,
) -> Run<'a> {
    let mut graph = Graph::read_edges(nodes, edges, budget)?;
    let (from, to) = (
        graph.names.number(from, budget)?.0,
        graph.names.number(to, budget)?.0,
    );
    let (reached, _) = reach(graph.names.len(), &graph.out(), std::iter::once(from));
    Ok(reached.contains(&to).encode(env))
}

/// All nodes that `adjacency` leads to from `start`, the nearest first, without `start`.
fn around<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    nodes: Term<'a>,
    edges: Term<'a>,
    start: Term<'a>,
    adjacency: impl Fn(&Graph<'a>) -> Adjacency,
) -> Run<'a> {
    let mut graph = Graph::read_edges(nodes, edges, budget)?;
    let start = graph.names.number(start, budget)?.0;
    let (reached, _) = reach(
        graph.names.len(),
        &adjacency(&graph),
        std::iter::once(start),
    );
    graph.list(env, reached.get(1..).unwrap_or_default())
}

/// `get_ancestors(Nodes, Edges, Target)`.
pub fn get_ancestors<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    nodes: Term<'a>,
    edges: Term<'a>,
    target: Term<'a>,
) -> Run<'a> {
    around(env, budget, nodes, edges, target, Graph::into)
}

/// `get_descendants(Nodes, Edges, Source)`.
pub fn get_descendants<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    nodes: Term<'a>,
    edges: Term<'a>,
    source: Term<'a>,
) -> Run<'a> {
    around(env, budget, nodes, edges, source, Graph::out)
}

/// Adds `text` as the inside of a quoted string of the DOT language.
fn quoted(dot: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            dot.push(b'\\');
        }
        dot.push(*byte);
    }
}

/// Writes the graph: one line for each node, then one for each edge.
fn dot<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    nodes: Term<'a>,
    edges: Term<'a>,
    label: impl Fn(&mut Vec<u8>, Term<'a>) -> Result<&'a [u8], Stop>,
) -> Run<'a> {
    let mut dot = Vec::from(b"digraph causation {\n  rankdir=TB;\n  node [shape=box];\n\n");
    let mut text = Vec::new();
    each(nodes, budget, 80, |node, budget| {
        text.clear();
        let id = label(&mut text, node)?;
        budget.spend((text.len() + id.len()) * 2)?;
        dot.extend(b"  \"");
        quoted(&mut dot, id);
        dot.extend(b"\" [label=\"");
        dot.extend(&text);
        dot.extend(b"\"];\n");
        Ok(())
    })?;
    dot.push(b'\n');
    each(edges, budget, 80, |edge, budget| {
        let (from, to) = pair(edge)?;
        let (from, to) = (bytes(from)?, bytes(to)?);
        budget.spend((from.len() + to.len()) * 2)?;
        dot.extend(b"  \"");
        quoted(&mut dot, from);
        dot.extend(b"\" -> \"");
        quoted(&mut dot, to);
        dot.extend(b"\";\n");
        Ok(())
    })?;
    dot.extend(b"}\n");
    Ok(binary(env, &dot))
}

/// `to_dot([{EventId, EventType, Label}], Edges)`: the label above the type.
pub fn to_dot<'a>(env: Env<'a>, budget: &mut Budget, nodes: Term<'a>, edges: Term<'a>) -> Run<'a> {
    dot(env, budget, nodes, edges, |text, node| {
        let (id, kind, label) = node
            .decode::<(Term<'a>, Term<'a>, Term<'a>)>()
            .map_err(|_| Stop::Twin)?;
        quoted(text, bytes(label)?);
        text.extend(b"\\n");
        quoted(text, bytes(kind)?);
        bytes(id)
    })
}

/// `to_dot_simple([{EventId, EventType}], Edges)`: the type as label.
pub fn to_dot_simple<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    nodes: Term<'a>,
    edges: Term<'a>,
) -> Run<'a> {
    dot(env, budget, nodes, edges, |text, node| {
        let (id, kind) = pair(node)?;
        quoted(text, bytes(kind)?);
        bytes(id)
    })
}
