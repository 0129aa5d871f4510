//! Guarantee: how many selectors an event is compared with does not depend on the subscriptions that
//! it cannot belong to.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_subscription::Index;
use std::sync::Arc;
use support::{Event, T, atom, bin, map, op, parse};

const OTHERS: usize = 10_000;

/// Evaluations for `event` with `OTHERS` subscriptions that differ in `n`, and the keys visited.
fn ask(event: &Event, kind: &'static str, selector: impl Fn(usize) -> T) -> (u64, Vec<usize>) {
    let mut index = Index::new();
    for n in 0..OTHERS {
        index.insert(n, Arc::new(parse(kind, &selector(n)).unwrap()));
    }
    let mut visited = Vec::new();
    index.candidates(&event.recorded(), |key| visited.push(*key));
    (index.evaluations(), visited)
}

/// An event that belongs to number 77 of each family, and to no other.
fn event() -> Event {
    let customer = map([(bin("id"), T::Int(77)), (atom("type"), bin("VIP"))]);
    Event::new("order-77-eu", "type77")
        .data(&map([
            (atom("status"), bin("open")),
            (atom("total"), T::Int(77)),
            (atom("field77"), T::Int(1)),
            (atom("customer"), customer),
        ]))
        .metadata(&map([(atom("tenant"), T::Int(77))]))
        .tags(&["all", "tag77"])
}

/// Distinct atoms for keys; the tests' terms take static names.
fn name(n: usize) -> &'static str {
    Box::leak(format!("field{n}").into_boxed_str())
}

/// What its members differ in, their type, and the selector of each.
type Family = (&'static str, &'static str, fn(usize) -> T);

#[test]
fn one_of_ten_thousand() {
    let number = |n: usize| T::Int(n as i64);
    let families: [Family; 10] = [
        ("streams", "by_stream", |n| bin(&format!("order-{n}-eu"))),
        ("types", "by_event_type", |n| bin(&format!("type{n}"))),
        ("tags", "by_tags", |n| {
            T::List(vec![bin(&format!("tag{n}")), bin("never")])
        }),
        ("prefixes", "by_event_pattern", |n| {
            bin(&format!("order-{n}-*"))
        }),
        ("suffixes", "by_event_pattern", |n| {
            bin(&format!("*-{n}-eu"))
        }),
        ("pieces", "by_event_pattern", |n| bin(&format!("*-{n}-*"))),
        ("one type, another value", "by_event_pattern", |n| {
            let tenant = map([(atom("tenant"), T::Int(n as i64))]);
            map([
                (atom("event_type"), bin("type77")),
                (atom("metadata"), tenant),
            ])
        }),
        ("one value, another type", "by_event_pattern", |n| {
            let open = map([(atom("status"), bin("open"))]);
            map([
                (atom("event_type"), bin(&format!("type{n}"))),
                (atom("data"), open),
            ])
        }),
        ("keys", "by_event_payload", |n| {
            map([(atom(name(n)), atom("_"))])
        }),
        ("nested values", "by_event_payload", |n| {
            let customer = map([(atom("type"), bin("VIP")), (bin("id"), T::Int(n as i64))]);
            map([(atom("status"), bin("open")), (atom("customer"), customer)])
        }),
    ];
    for (what, kind, selector) in families {
        let (evaluations, visited) = ask(&event(), kind, selector);
        assert_eq!(visited, [77], "{what}");
        // Filing is greedy: the first ones of a family may share a place.
        assert!(evaluations <= 2, "{what}: {evaluations} evaluations");
    }
    let payload = |n| map([(atom("total"), number(n))]);
    assert_eq!(ask(&event(), "by_event_payload", payload), (1, vec![77]));
}

#[test]
fn numbers_on_one_side() {
    // 78 of them match, or are at the bound; the 9,922 others are not looked at.
    for (name, matching) in [("gt", 77), ("gte", 78)] {
        let selector = |n: usize| map([(atom("total"), op(name, T::Int(n as i64)))]);
        let (evaluations, visited) = ask(&event(), "by_event_payload", selector);
        assert_eq!((evaluations, visited.len()), (78, matching));
    }
    for (name, matching) in [("lt", 77), ("le", 78)] {
        let selector = |n: usize| map([(atom("total"), op(name, T::Int(154 - n as i64)))]);
        let (evaluations, visited) = ask(&event(), "by_event_payload", selector);
        assert_eq!((evaluations, visited.len()), (78, matching));
    }
}

#[test]
fn all_together() {
    let mut index = Index::new();
    for n in 0..OTHERS {
        let (kind, selector) = match n % 4 {
            0 => ("by_stream", bin(&format!("stream-{n}"))),
            1 => ("by_event_type", bin(&format!("other{n}"))),
            2 => ("by_tags", bin(&format!("label{n}"))),
            _ => (
                "by_event_payload",
                map([(atom("total"), T::Int(-1 - n as i64))]),
            ),
        };
        index.insert(n, Arc::new(parse(kind, &selector).unwrap()));
    }
    index.candidates(&event().recorded(), |key| panic!("{key} does not match"));
    assert_eq!(index.evaluations(), 0);
}

#[test]
fn long_pieces_of_names_are_found() {
    let long = "x".repeat(50);
    let event = Event::new(&format!("a-{long}-b"), "t");
    let pattern = |n: usize| bin(&format!("*{}{n}*", "x".repeat(40)));
    assert_eq!(
        ask(&event, "by_event_pattern", pattern).1,
        Vec::<usize>::new()
    );
    let pattern = |n: usize| bin(&format!("*{}*", "x".repeat(n % 60 + 1)));
    assert_eq!(
        ask(&event, "by_event_pattern", pattern).1.len(),
        10_000 / 60 * 50 + 40
    );
}
