//! Guarantee: two terms have the same canonical bytes exactly when a node holds them equal.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::node::Node;
use common::{Rng, external, mutate, rebuild};
use esdb_etf::Term;

fn canonical(bytes: &[u8]) -> Vec<u8> {
    let term = Term::parse_external(bytes).expect("well-formed");
    let canonical = term.canonical(usize::MAX).expect("no limit");
    canonical.into_owned()
}

/// Asks the node about each two of `pairs`.
fn agree(node: &mut Node, pairs: &[Vec<u8>]) -> (usize, usize) {
    let (mut equal, mut different) = (0, 0);
    for (pair, verdict) in pairs.as_chunks::<2>().0.iter().zip(node.equal(pairs)) {
        let [a, b] = pair;
        assert_eq!(canonical(a) == canonical(b), verdict, "{a:?} and {b:?}");
        *(if verdict { &mut equal } else { &mut different }) += 1;
    }
    (equal, different)
}

#[test]
fn other_spellings_of_random_terms() {
    let mut node = Node::start();
    let mut pairs = Vec::new();
    for original in node.generate(21, 4_000) {
        let mut body = Vec::new();
        rebuild(
            Term::parse_external(&original).expect("a node's"),
            &mut body,
        );
        pairs.extend([original, external(&body)]);
    }
    let (equal, _) = agree(&mut node, &pairs);
    assert_eq!(equal, 4_000);
}

#[test]
fn terms_and_their_mutations() {
    let mut node = Node::start();
    let samples = node.generate(22, 2_000);
    let mut rng = Rng(23);
    let mut terms = Vec::new();
    for _ in 0..15_000 {
        let original = &samples[rng.below(samples.len())];
        let mut bytes = original.clone();
        mutate(&mut rng, &mut bytes);
        let good = Term::parse_external(&bytes).and_then(Term::check_keys);
        if good.is_ok() {
            terms.extend([original.clone(), bytes]);
        }
    }
    let taken = node.takes(&terms);
    let pairs: Vec<_> = terms
        .chunks(2)
        .zip(taken.chunks(2))
        .filter(|(_, taken)| taken.iter().all(|taken| *taken))
        .flat_map(|(pair, _)| pair.to_vec())
        .collect();
    let (equal, different) = agree(&mut node, &pairs);
    assert!(equal > 100 && different > 1_000, "{equal}, {different}");
}

#[test]
fn no_more_than_the_limit_is_written() {
    let mut node = Node::start();
    for bytes in node.generate(24, 1_000) {
        let term = Term::parse_external(&bytes).expect("a node's term");
        let length = canonical(&bytes).len();
        assert!(term.canonical(length).is_some());
        assert!(term.canonical(length - 1).is_none());
        assert!(term.canonical(0).is_none());
    }
    let nested = [[104, 1].repeat(1_000_000).as_slice(), &[106]].concat();
    let term = Term::parse(&nested).expect("well-formed");
    assert!(term.canonical(100).is_none());
    assert_eq!(term.canonical(nested.len()).as_deref(), Some(&nested[..]));
}
