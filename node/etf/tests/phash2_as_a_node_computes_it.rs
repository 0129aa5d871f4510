//! Guarantee: `phash2` is `erlang:phash2/1`, to the bit, for every sort of term and every spelling
//! of it.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::node::Node;
use common::{Rng, external, mutate, rebuild};
use esdb_etf::{Term, put};

fn agree(node: &mut Node, terms: &[Vec<u8>]) {
    for (bytes, expected) in terms.iter().zip(node.phash2(terms)) {
        let term = Term::parse_external(bytes).expect("a node's term");
        assert_eq!(term.phash2(), expected, "{bytes:?}");
    }
}

#[test]
fn random_terms() {
    let mut node = Node::start();
    let terms = node.generate(11, 5_000);
    agree(&mut node, &terms);
    let respelled = |bytes: &Vec<u8>| {
        let mut body = Vec::new();
        rebuild(
            Term::parse_external(bytes).expect("a node's term"),
            &mut body,
        );
        external(&body)
    };
    let respelled: Vec<_> = terms.iter().map(respelled).collect();
    agree(&mut node, &respelled);
}

#[test]
fn whatever_a_node_takes() {
    let mut node = Node::start();
    let samples = node.generate(12, 2_000);
    let mut rng = Rng(13);
    let mut mutations: Vec<Vec<u8>> = (0..10_000)
        .map(|_| {
            let mut bytes = samples[rng.below(samples.len())].clone();
            mutate(&mut rng, &mut bytes);
            bytes
        })
        .filter(|bytes| {
            Term::parse_external(bytes)
                .and_then(Term::check_keys)
                .is_ok()
        })
        .collect();
    let taken = node.takes(&mutations);
    let mut taken = taken.into_iter();
    mutations.retain(|_| taken.next() == Some(true));
    assert!(mutations.len() > 1_000, "{}", mutations.len());
    agree(&mut node, &mutations);
}

/// `{Kind, Selector, Name}`, as subscriptions are named.
fn triple(kind: &str, selector: &[u8], name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put::tuple(&mut out, 3);
    put::atom(&mut out, kind);
    out.extend_from_slice(selector);
    put::binary(&mut out, name.as_bytes());
    out
}

fn term(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

#[test]
fn names_of_subscriptions() {
    let binary = |text: &str| term(|out| put::binary(out, text.as_bytes()));
    let pattern = term(|out| {
        put::map(out, 1);
        put::atom(out, "event_type");
        put::binary(out, b"x");
    });
    let tags = term(|out| {
        put::list(out, 2);
        put::binary(out, b"a");
        put::binary(out, b"b");
        put::nil(out);
    });
    let all = binary("$all");
    let vectors = [
        (triple("by_stream", &all, "all-events"), 44_668_505),
        (
            triple("by_stream", &binary("$orders-1"), "sub1"),
            115_747_709,
        ),
        (
            triple("by_event_type", &binary("user_created"), "n"),
            66_675_369,
        ),
        (triple("by_event_pattern", &pattern, "p"), 52_310_129),
        (
            triple("by_stream", &all, "evoq_all_default_store"),
            70_255_852,
        ),
        (triple("by_tags", &tags, "t"), 54_331_071),
        (term(|out| put::atom(out, "st1")), 31_345),
        (binary("abc"), 98_228_475),
        (term(|out| put::integer(out, 1)), 2_614_250),
        (term(|out| put::tuple(out, 0)), 87_486_268),
    ];
    for (bytes, expected) in vectors {
        let hash = Term::parse(&bytes).expect("well-formed").phash2();
        assert_eq!(hash, expected, "{bytes:?}");
    }
}
