//! Guarantee: integers of any size and floats are compared by their exact values, by a selector and
//! by the index, in any spelling.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_subscription::Index;
use std::cmp::Ordering;
use std::sync::Arc;
use support::{Event, T, atom, map, op, parse};

/// Numbers around those where something changes: each is exact in 128 bits, or has a fraction.
fn numbers() -> Vec<T> {
    let mut numbers = Vec::new();
    for near in [0, 1, 255, 256, 1 << 31, 1 << 53, i64::MAX - 1, i64::MIN + 1] {
        numbers.extend([near - 1, near, near + 1].map(T::Int));
        numbers.push(T::Int(near.wrapping_neg()));
    }
    let (p53, p63, p64) = (2f64.powi(53), 2f64.powi(63), 2f64.powi(64));
    for float in [
        0.0,
        0.5,
        1.0,
        1.5,
        255.75,
        p53,
        p53 + 2.0,
        p63,
        p64,
        p64 * 1.5,
        1e25,
    ] {
        numbers.extend([float, -float, float.next_up(), float.next_down()].map(T::Float));
    }
    for (high, low) in [(1, 0), (1, 1), (1, 1 << 63), (2, 0), (100, 3)] {
        numbers.extend([T::Big(high, low), T::Big(-high, low)]);
    }
    // Between 2^63 and 2^64.
    numbers.extend([T::Big(0, 1 << 63), T::Big(0, u64::MAX)]);
    numbers
}

/// The whole part, and the rest.
fn exact(number: &T) -> (i128, f64) {
    match number {
        T::Int(n) => (i128::from(*n), 0.0),
        T::Big(high, low) if *high < 0 => (i128::from(*high) * (1 << 64) - i128::from(*low), 0.0),
        T::Big(high, low) => (i128::from(*high) * (1 << 64) + i128::from(*low), 0.0),
        T::Float(f) => (f.trunc() as i128, f.fract()),
        other => panic!("{other:?} is no number"),
    }
}

fn compare(a: &T, b: &T) -> Ordering {
    exact(a).partial_cmp(&exact(b)).unwrap()
}

#[test]
fn each_with_each() {
    let operators: [(&str, &[Ordering]); 6] = [
        ("gt", &[Ordering::Greater]),
        ("gte", &[Ordering::Greater, Ordering::Equal]),
        ("ge", &[Ordering::Greater, Ordering::Equal]),
        ("lt", &[Ordering::Less]),
        ("lte", &[Ordering::Less, Ordering::Equal]),
        ("le", &[Ordering::Less, Ordering::Equal]),
    ];
    let numbers = numbers();
    let mut index = Index::new();
    let mut selectors = Vec::new();
    for bound in &numbers {
        for (name, admitted) in operators {
            let pattern = map([(atom("n"), op(name, bound.clone()))]);
            let selector = Arc::new(parse("by_event_payload", &pattern).unwrap());
            index.insert(selectors.len(), selector.clone());
            selectors.push((bound, name, admitted, selector));
        }
    }
    for value in &numbers {
        let data = map([(atom("n"), value.clone())]);
        for bytes in [data.bytes(), data.respelled()] {
            let mut event = Event::new("s", "t");
            event.data = bytes;
            let mut expected = Vec::new();
            for (key, (bound, name, admitted, selector)) in selectors.iter().enumerate() {
                let matches = admitted.contains(&compare(value, bound));
                let matched = selector.matches(&event.recorded());
                assert_eq!(matched, matches, "{value:?} {name} {bound:?}");
                expected.extend(matches.then_some(key));
            }
            let mut visited = Vec::new();
            index.candidates(&event.recorded(), |key| visited.push(*key));
            assert_eq!(visited, expected, "{value:?}");
        }
    }
}
