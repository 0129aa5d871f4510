//! Guarantee: no bytes in an event make matching panic, overflow the stack, or take long.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/random.rs"]
mod random;
mod support;

use esdb_subscription::Index;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;
use support::{Event, T, atom, map, op, parse};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn damaged_fields(
        mut event in random::event(),
        selectors in vec(random::selector(), 1..8),
        damage in vec((0..4usize, any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for (field, at, byte) in damage {
            let bytes = match field {
                0 => &mut event.data,
                1 => &mut event.metadata,
                2 => &mut event.tags,
                _ => &mut event.event_type,
            };
            match byte % 3 {
                0 => bytes.truncate(at.index(bytes.len() + 1)),
                _ if bytes.is_empty() => {}
                _ => { let at = at.index(bytes.len()); bytes[at] = byte; }
            }
        }
        let mut index = Index::new();
        let mut expected = Vec::new();
        for (key, (kind, selector)) in selectors.iter().enumerate() {
            let selector = Arc::new(parse(kind, selector).unwrap());
            if selector.matches(&event.recorded()) {
                expected.push(key);
            }
            index.insert(key, selector);
        }
        let mut visited = Vec::new();
        index.candidates(&event.recorded(), |key| visited.push(*key));
        prop_assert_eq!(visited, expected);
    }
}

#[test]
fn deep_wide_and_long_data() {
    let deep = [[116, 0, 0, 0, 1, 97, 1].repeat(1_000_000), vec![106]].concat();
    let mut wide = vec![116, 0, 3, 0, 0];
    (0..0x3_0000)
        .for_each(|n| wide.extend(T::Tuple(vec![T::Int(n), T::Int(n)]).bytes()[2..].iter()));
    let long = T::Bin("x".repeat(8 << 20)).bytes();
    let nested = (0..32).fold(T::Int(1), |inner, _| map([(T::Int(1), inner)]));
    let value = |value| map([(atom("data"), value)]);
    let selectors = [
        (
            "by_event_payload",
            map([(T::Int(70_000), op("gt", T::Int(1)))]),
        ),
        ("by_event_payload", map([(atom("a"), atom("_"))])),
        ("by_event_pattern", value(T::List(vec![T::Int(1)]))),
        ("by_event_pattern", value(op("ne", T::Int(1)))),
        ("by_event_pattern", value(nested)),
    ];
    for (data, expected) in [(deep, [3].as_slice()), (wide, &[0, 3]), (long, &[3])] {
        let mut event = Event::new("s", "t");
        event.data = data;
        let mut index = Index::new();
        for (key, (kind, selector)) in selectors.iter().enumerate() {
            index.insert(key, Arc::new(parse(kind, selector).unwrap()));
        }
        let mut visited = Vec::new();
        index.candidates(&event.recorded(), |key| visited.push(*key));
        assert_eq!(visited, expected);
    }
}
