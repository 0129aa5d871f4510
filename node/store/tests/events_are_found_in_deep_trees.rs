//! Events are found wherever they lie in the database's tree, whichever way a reader goes through it
//! and however little of the tree is kept in memory: one page, two levels of pages, three; events of
//! many pages among small ones; holes of whole pages.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Direction, Expected, Options, Store, View};
use support::{Event, Logged, binary};

/// Bytes of the event at a position: mostly `bytes`, one in 50 more than any other page has.
fn size(position: usize, bytes: usize) -> usize {
    match position % 50 {
        49 => 9_000,
        _ => bytes,
    }
}

/// `count` events, three times in turn of each of two streams, on disk.
fn filled(count: usize, bytes: usize) -> Logged {
    let mut logged = Logged::in_memory();
    for first in (0..count).step_by(3) {
        let event = |n: usize| {
            let data = format!("{n}-{}", "x".repeat(size(n, bytes)));
            Event::new(&format!("id-{n}"), "thing", &data, &[]).unnamed()
        };
        let events: Vec<_> = (first..count.min(first + 3)).map(event).collect();
        logged.append(name(first), Expected::Any, &events);
    }
    logged.store.checkpoint().unwrap();
    logged
}

fn name(first: usize) -> &'static str {
    match first % 2 {
        0 => "even",
        _ => "odd",
    }
}

/// The number that an event's data begins with.
fn number(event: &esdb_store::RecordedEvent<'_>) -> usize {
    let text = std::str::from_utf8(&event.data[5..]).unwrap();
    let number: usize = text.split('-').next().unwrap().parse().unwrap();
    assert!(event.data.ends_with(b"x"));
    assert_eq!(event.position, number as u64);
    number
}

fn in_order(view: &View, position: usize, limit: usize) -> Vec<usize> {
    let mut seen = Vec::new();
    view.read_from(position as u64, limit, &mut |event| {
        seen.push(number(&event))
    })
    .unwrap();
    seen
}

fn of_stream(view: &View, name: &str, start: u64, direction: Direction) -> Vec<usize> {
    let mut seen = Vec::new();
    let mut visit = |event: esdb_store::RecordedEvent<'_>| seen.push(number(&event));
    view.read_stream(name.as_bytes(), start, usize::MAX, direction, &mut visit)
        .unwrap();
    seen
}

fn all_are_found(view: &View, count: usize) {
    let all: Vec<_> = (0..count).collect();
    assert_eq!(in_order(view, 0, usize::MAX), all);
    for from in (0..count).step_by(count / 17) {
        assert_eq!(in_order(view, from, 40), all[from..count.min(from + 40)]);
    }
    for stream in ["even", "odd"] {
        let is_its = |n: &&usize| name(**n - **n % 3) == stream;
        let its: Vec<_> = all.iter().filter(is_its).copied().collect();
        assert_eq!(of_stream(view, stream, 0, Direction::Forward), its);
        for start in [0, 1, its.len() / 2, its.len() - 1] {
            let forward = of_stream(view, stream, start as u64, Direction::Forward);
            assert_eq!(forward, its[start..]);
            let mut backward = of_stream(view, stream, start as u64, Direction::Backward);
            backward.reverse();
            assert_eq!(backward, its[..=start]);
        }
    }
    let mut typed = Vec::new();
    view.read_by_types(&[&binary(b"thing")], usize::MAX, &mut |event| {
        typed.push(number(&event));
    })
    .unwrap();
    assert_eq!(typed, all);
}

fn found_with(count: usize, bytes: usize) {
    let logged = filled(count, bytes);
    all_are_found(&logged.store.view(), count);
    // Without room for any page, and with room for some.
    for cache_bytes in [0, 64 << 10] {
        let options = Options {
            cache_bytes,
            ..Options::default()
        };
        logged.store.close();
        let store = Store::open_on(logged.disk.clone(), logged.dir.path(), options).unwrap();
        all_are_found(&store.view(), count);
        store.close();
    }
}

#[test]
fn in_a_single_page() {
    found_with(17, 10);
}

#[test]
fn below_one_page() {
    found_with(1_000, 100);
}

#[test]
fn below_two_levels() {
    found_with(4_000, 900);
}

/// One event a page: 17,000 pages are more than one page of pages of pages leads to.
#[test]
fn below_three_levels() {
    let logged = filled(17_000, 2_400);
    let view = logged.store.view();
    let all: Vec<_> = (0..17_000).collect();
    assert_eq!(in_order(&view, 0, usize::MAX), all);
    for from in (0..17_000).step_by(997) {
        assert_eq!(in_order(&view, from, 3), all[from..from + 3]);
        let back = of_stream(&view, "even", from as u64 / 2, Direction::Backward);
        assert_eq!(back.len(), from / 2 + 1);
    }
}

#[test]
fn beside_holes() {
    let mut logged = filled(4_000, 900);
    let alone: Vec<_> = (0..300)
        .map(|n| Event::new(&format!("a{n}"), "other", "x", &[]))
        .collect();
    logged.append("alone", Expected::Any, &alone);
    let last = Event::new("last", "other", "4300-x", &[]);
    logged.append("last", Expected::Any, &[last]);
    logged.store.checkpoint().unwrap();
    for stream in ["odd", "alone"] {
        logged.delete(stream);
        logged.store.checkpoint().unwrap();
        let view = logged.store.view();
        let mut left: Vec<_> = (0..4_000).filter(|n| name(n - n % 3) == "even").collect();
        left.push(4_300);
        if stream == "alone" {
            assert_eq!(in_order(&view, 0, usize::MAX), left);
            for from in (0..4_300).step_by(111) {
                let expected: Vec<_> = left
                    .iter()
                    .filter(|n| **n >= from)
                    .take(9)
                    .copied()
                    .collect();
                assert_eq!(in_order(&view, from, 9), expected);
            }
        }
        left.pop();
        assert_eq!(of_stream(&view, "even", 0, Direction::Forward), left);
    }
}
