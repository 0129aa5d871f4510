//! Directed graphs over numbered nodes, in arrays: no recursion, no allocation for each node, and an order of
//! results that depends on nothing but the order of the input.

/// The edges that leave each node (or enter it), in the order in which they were given.
#[derive(Debug)]
pub struct Adjacency {
    /// Where the neighbours of each node begin; one more entry than nodes.
    starts: Vec<u32>,
    neighbours: Vec<u32>,
}

impl Adjacency {
    /// Sorts `edges`, pairs of (node, neighbour), by their nodes. All numbers must be below `nodes`.
    pub fn new(nodes: usize, edges: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut starts = filled(0, nodes + 1);
        let mut count = 0;
        for (node, _) in edges.clone() {
            if let Some(next) = starts.get_mut(node as usize + 1) {
                *next += 1;
            }
            count += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut free = starts.clone();
        let mut neighbours = filled(0, count);
        for (node, neighbour) in edges {
            if let Some(at) = free.get_mut(node as usize) {
                if let Some(place) = neighbours.get_mut(*at as usize) {
                    *place = neighbour;
                }
                *at += 1;
            }
        }
        Adjacency { starts, neighbours }
    }

    /// The neighbours of `node`.
    #[inline]
    pub fn of(&self, node: u32) -> &[u32] {
        let node = node as usize;
        match (self.starts.get(node), self.starts.get(node + 1)) {
            (Some(from), Some(to)) => self
                .neighbours
                .get(*from as usize..*to as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }
}

/// So many times `value`. The allocator has short ones at hand; zeroed memory, which `vec!` would ask for, it fetches from afar.
pub fn filled<T: Clone>(value: T, count: usize) -> Vec<T> {
    let mut all = Vec::with_capacity(count);
    all.resize(count, value);
    all
}

/// Kahn's algorithm, first in, first out: nodes without incoming edges in the order of their numbers, then each node
/// when the last edge into it is used. Nodes on a cycle, and those behind one, are missing.
pub fn topological(nodes: usize, out: &Adjacency, edges: &[(u32, u32)]) -> Vec<u32> {
    let mut incoming = filled(0u32, nodes);
    for (_, to) in edges {
        if let Some(count) = incoming.get_mut(*to as usize) {
            *count += 1;
        }
    }
    let mut order: Vec<u32> = Vec::with_capacity(nodes);
    order.extend(
        (0u32..)
            .zip(&incoming)
            .filter(|(_, count)| **count == 0)
            .map(|(node, _)| node),
    );
    let mut at = 0;
    while let Some(node) = order.get(at).copied() {
        at += 1;
        for to in out.of(node) {
            if let Some(count) = incoming.get_mut(*to as usize) {
                *count -= 1;
                if *count == 0 {
                    order.push(*to);
                }
            }
        }
    }
    order
}

/// Breadth first from `starts`, in their order: the nodes reached, the starts first, and the greatest distance.
pub fn reach(
    nodes: usize,
    adjacency: &Adjacency,
    starts: impl Iterator<Item = u32>,
) -> (Vec<u32>, u64) {
    let mut seen = filled(false, nodes);
    let mut reached = Vec::new();
    let visit = |node: u32, seen: &mut Vec<bool>, reached: &mut Vec<u32>| {
        if let Some(mark @ false) = seen.get_mut(node as usize) {
            *mark = true;
            reached.push(node);
        }
    };
    starts.for_each(|node| visit(node, &mut seen, &mut reached));
    let (mut at, mut depth) = (0, 0);
    loop {
        let level = reached.len();
        while at < level {
            if let Some(node) = reached.get(at).copied() {
                adjacency
                    .of(node)
                    .iter()
                    .for_each(|to| visit(*to, &mut seen, &mut reached));
            }
            at += 1;
        }
        if reached.len() == level {
            return (reached, depth);
        }
        depth += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use petgraph::graph::{DiGraph, NodeIndex};
    use petgraph::visit::Dfs;

    proptest::proptest! {
        /// petgraph is an independent implementation.
        #[test]
        fn agrees_with_petgraph(edges in proptest::collection::vec((0u32..12, 0u32..12), 0..30)) {
            let mut other = DiGraph::<(), ()>::from_edges(&edges);
            while other.node_count() < 12 {
                other.add_node(());
            }
            let out = Adjacency::new(12, edges.iter().copied());
            let order = topological(12, &out, &edges);
            let cyclic = petgraph::algo::is_cyclic_directed(&other);
            proptest::prop_assert_eq!(order.len() < 12, cyclic);
            if !cyclic {
                let place = |node: u32| order.iter().position(|other| *other == node);
                proptest::prop_assert!(edges.iter().all(|(from, to)| place(*from) < place(*to)));
            }
            for start in 0..12 {
                let mut walk = Dfs::new(&other, NodeIndex::new(start));
                let mut expected = Vec::new();
                while let Some(node) = walk.next(&other) {
                    expected.push(node.index() as u32);
                }
                let (mut reached, _) = reach(12, &out, std::iter::once(start as u32));
                reached.sort_unstable();
                expected.sort_unstable();
                proptest::prop_assert_eq!(reached, expected);
            }
        }
    }
}
