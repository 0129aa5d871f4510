//! Random selectors and events of a small alphabet, so that they meet.
#![allow(dead_code, missing_docs)]

use crate::support::{Event, T, atom, bin, parse};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

pub const STREAMS: [&str; 7] = ["a", "ab", "a-b", "b-a-b", "$link:a", "aab", "order-1"];
pub const TYPES: [&str; 3] = ["placed", "paid", "sent"];
pub const TAGS: [&str; 4] = ["a", "b", "ab", "c"];

fn scalar() -> impl Strategy<Value = T> {
    prop_oneof![
        select(vec!["a", "b", "undefined"]).prop_map(atom),
        select(vec!["a", "b"]).prop_map(bin),
        select(vec![-1i64, 0, 1, 2, 255, 256, 1 << 40, i64::MAX]).prop_map(T::Int),
        select(vec![0.0, -0.0, 1.0, 1.5, -1.5, 1e18, 1e25, -1e25]).prop_map(T::Float),
        select(vec![1i8, -1]).prop_map(|high| T::Big(high, 3)),
    ]
}

fn key() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "c"])
}

/// Maps with keys that are atoms or binaries, and never the same twice.
fn maps(value: impl Strategy<Value = T>) -> impl Strategy<Value = T> {
    let pairs = btree_map((key(), any::<bool>()), value, 0..4);
    pairs.prop_map(|pairs| {
        let pair = |((name, is_atom), value)| match is_atom {
            true => (atom(name), value),
            false => (bin(name), value),
        };
        T::Map(pairs.into_iter().map(pair).collect())
    })
}

pub fn value() -> impl Strategy<Value = T> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(T::List),
            vec(inner.clone(), 0..3).prop_map(T::Tuple),
            maps(inner),
        ]
    })
}

pub fn data() -> impl Strategy<Value = T> {
    prop_oneof![6 => maps(value()), 1 => value()]
}

/// What may stand for a value in a pattern.
pub fn condition() -> impl Strategy<Value = T> {
    let tuple = |name, operand| T::Tuple(vec![atom(name), operand]);
    let number = prop_oneof![
        select(vec![-2i64, 0, 1, 256, i64::MIN]).prop_map(T::Int),
        select(vec![0.5, 1.0, -1e30, 1e19]).prop_map(T::Float),
        Just(T::Big(1, 3)),
    ];
    let comparison = select(vec!["gt", "gte", "ge", "lt", "lte", "le"]);
    let leaf = prop_oneof![
        4 => scalar(),
        1 => value(),
        1 => Just(atom("_")),
        2 => (comparison, number).prop_map(move |(name, operand)| tuple(name, operand)),
        1 => value().prop_map(move |operand| tuple("eq", operand)),
        1 => value().prop_map(move |operand| tuple("ne", operand)),
        1 => vec(value(), 1..3).prop_map(move |values| tuple("in", T::List(values))),
    ];
    leaf.prop_recursive(3, 8, 3, maps)
}

pub fn payload() -> impl Strategy<Value = T> {
    maps(condition())
}

fn tags() -> impl Strategy<Value = T> {
    let names = vec(select(TAGS.to_vec()), 1..3);
    names.prop_map(|names| T::List(names.into_iter().map(bin).collect()))
}

fn glob() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "-", "*", "order-"]), 1..5).prop_map(|parts| parts.concat())
}

fn pattern() -> impl Strategy<Value = T> {
    let field = prop_oneof![
        glob().prop_map(|glob| ("stream_id", T::Bin(glob))),
        select(TYPES.to_vec()).prop_map(|name| ("event_type", bin(name))),
        condition().prop_map(|condition| ("event_type", condition)),
        payload().prop_map(|map| ("data", map)),
        payload().prop_map(|map| ("metadata", map)),
        tags().prop_map(|tags| ("tags", tags)),
        (0..3i64).prop_map(|version| ("version", T::Int(version))),
        condition().prop_map(|condition| ("version", condition)),
    ];
    let fields = vec(field, 0..4);
    fields.prop_map(|fields| {
        let mut pairs: Vec<(T, T)> = Vec::new();
        for (name, value) in fields {
            if pairs.iter().all(|(key, _)| *key != atom(name)) {
                pairs.push((atom(name), value));
            }
        }
        T::Map(pairs)
    })
}

/// A subscription type and a selector that goes with it.
pub fn selector() -> impl Strategy<Value = (&'static str, T)> {
    prop_oneof![
        1 => Just(("by_stream", bin("$all"))),
        3 => select(STREAMS.to_vec()).prop_map(|name| ("by_stream", bin(name))),
        2 => select(TYPES.to_vec()).prop_map(|name| ("by_event_type", bin(name))),
        3 => glob().prop_map(|glob| ("by_event_pattern", T::Bin(glob))),
        4 => pattern()
            .prop_map(|pattern| ("by_event_pattern", pattern))
            .prop_filter("no event is so", |(kind, pattern)| parse(kind, pattern).is_ok()),
        6 => payload().prop_map(|payload| ("by_event_payload", payload)),
        3 => tags().prop_map(|tags| ("by_tags", tags)),
    ]
}

pub fn event() -> impl Strategy<Value = Event> {
    let names = (select(STREAMS.to_vec()), select(TYPES.to_vec()));
    let tags = vec(select(TAGS.to_vec()), 0..3);
    let terms = (data(), data(), any::<[bool; 2]>());
    (names, 0..3u64, tags, terms).prop_map(|((stream, kind), version, tags, terms)| {
        let (data, metadata, respelled) = terms;
        let mut event = Event::new(stream, kind);
        event.version = version;
        if !tags.is_empty() {
            event = event.tags(&tags);
        }
        let spell = |term: T, other| match other {
            true => term.respelled(),
            false => term.bytes(),
        };
        event.data = spell(data, respelled[0]);
        event.metadata = spell(metadata, respelled[1]);
        event
    })
}
