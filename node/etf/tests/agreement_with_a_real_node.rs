//! Guarantee: what a node writes is read here, what is written here is read by a node, and what
//! is accepted here is accepted by a node.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::node::Node;
use common::{Rng, external, mutate, rebuild};
use esdb_etf::{Error, Term};

#[test]
fn terms_of_a_node_come_back_equal() {
    let mut node = Node::start();
    let originals = node.generate(1, 4_000);
    let mut pairs = Vec::new();
    for original in &originals {
        let term =
            Term::parse_external(original).unwrap_or_else(|error| panic!("{error}: {original:?}"));
        term.check_keys()
            .unwrap_or_else(|error| panic!("{error}: {original:?}"));
        let mut body = Vec::new();
        rebuild(term, &mut body);
        pairs.extend([original.clone(), external(&body)]);
    }
    let unequal = node.equal(&pairs).iter().position(|equal| !equal);
    assert_eq!(unequal.map(|n| (&pairs[2 * n], &pairs[2 * n + 1])), None);
}

/// Where forms are refused that a node takes and none writes: other integers than the short ones
/// in a fun, references of no words, floats whose text runs beyond its field.
/// (Tags 73 and 75 are the emulator's own spellings of atoms, also as a node's name.)
const STRICTER: [&str; 5] = ["fun", "exported fun", "reference", "float", "node name"];

/// Whether `bytes` are taken for keeping, as the gateway does.
fn accept(bytes: &[u8]) -> Result<(), Error> {
    Term::parse_external(bytes).and_then(Term::check_keys)
}

/// Mutations of a node's terms. Identifiers are moved to another node first: what is possible for
/// its own only a node itself knows.
fn mutations(node: &mut Node, count: usize) -> Vec<Vec<u8>> {
    let mut samples = node.generate(2, 2_000);
    samples.retain(|sample| sample.len() < 2_000);
    for sample in &mut samples {
        let own = b"nonode@nohost";
        while let Some(at) = sample.windows(own.len()).position(|name| name == own) {
            sample[at..at + own.len()].copy_from_slice(b"nonode@others");
        }
    }
    let mut rng = Rng(3);
    let mutation = |_| {
        let mut bytes = samples[rng.below(samples.len())].clone();
        mutate(&mut rng, &mut bytes);
        bytes
    };
    (0..count).map(mutation).collect()
}

#[test]
fn a_node_takes_whatever_is_accepted() {
    let mut node = Node::start();
    let mutations = mutations(&mut node, 20_000);
    let taken = node.takes(&mutations);
    let (mut both, mut stricter) = (0, 0);
    for (bytes, taken) in mutations.iter().zip(taken) {
        match (accept(bytes), taken) {
            (Ok(()), false) => panic!("accepted here, but not by a node: {bytes:?}"),
            (Ok(()), true) => both += 1,
            (Err(_), false) => {}
            (Err(Error::Malformed { what, .. }), true) if STRICTER.contains(&what) => stricter += 1,
            (Err(Error::Tag { tag: 73 | 75, .. }), true) => stricter += 1,
            // binary_to_term does not mind bytes after the term; distribution does.
            (Err(Error::Trailing { .. }), true) => {}
            (Err(error), true) => panic!("{error}, but a node takes {bytes:?}"),
        }
    }
    assert!(both > 2_000, "only {both} mutations are still terms");
    assert!(stricter < 400, "{stricter} terms of a node's are refused");
}
