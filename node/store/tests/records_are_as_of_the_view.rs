//! Records: what is put is there, in the order of the keys, until it is replaced or deleted; and a
//! view shows what there was when it was taken, whatever happens since.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Direction, Expected, LogPosition, Outcome, Record, Space, View, batch};
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use support::{Logged, events, kept, put, records, remove};

fn values(view: &View, space: u8) -> Vec<(String, String)> {
    let text = |record: Record| String::from_utf8(record.value.to_vec()).unwrap();
    let kept = kept(view, space).unwrap().into_iter();
    kept.map(|(key, record)| (key, text(record))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn time_and_position_say_when_it_was_put() {
    let mut logged = Logged::new();
    logged.clock = 500;
    let appended = logged.append("s", Expected::Any, &events("e", 3));
    assert!(matches!(appended, Outcome::Appended { position: 2, .. }));
    // The clock stands still: time goes on.
    let outcomes = logged.apply(&[
        records(&[put(1, "a", "1"), put(1, "b", "1"), remove(1, "c")]),
        records(&[put(1, "a", "2"), remove(1, "a"), put(1, "a", "3")]),
    ]);
    let recorded = |epoch_us, existed| Outcome::Recorded {
        epoch_us,
        next_position: 3,
        existed,
    };
    assert_eq!(outcomes, [recorded(501, 0), recorded(502, 2)]);
    logged.append("s", Expected::Any, &events("f", 1));
    let view = logged.store.view();
    let at = |key: &str| view.record(Space(1), key.as_bytes()).unwrap().unwrap();
    assert_eq!((at("a").epoch_us, at("b").epoch_us), (502, 501));
    assert_eq!((at("a").next_position, at("a").value), (3, "3".into()));
    let last = support::collect(|visit| view.read_all(3, 1, visit));
    assert_eq!((last[0].position, last[0].epoch_us), (3, 503));
    assert_eq!(logged.store.stats().last_epoch_us, 503);
}

#[test]
fn a_view_stays_as_it_was() {
    let mut logged = Logged::new();
    let empty = logged.store.view();
    logged.apply(&[records(&[put(1, "a", "1"), put(1, "b", "1")])]);
    let first = logged.store.view();
    logged.store.checkpoint().unwrap();
    let written = logged.store.view();
    logged.apply(&[records(&[
        put(1, "a", "2"),
        remove(1, "b"),
        put(1, "c", "2"),
    ])]);
    let second = logged.store.view();
    logged.apply(&[records(&[remove(1, "a"), put(1, "b", "3")])]);
    let third = logged.store.view();
    logged.store.checkpoint().unwrap();
    let last = logged.store.view();
    logged.apply(&[records(&[remove(1, "b"), remove(1, "c")])]);
    for _ in 0..2 {
        assert_eq!(values(&empty, 1), []);
        assert_eq!(values(&first, 1), pairs(&[("a", "1"), ("b", "1")]));
        assert_eq!(values(&written, 1), values(&first, 1));
        assert_eq!(values(&second, 1), pairs(&[("a", "2"), ("c", "2")]));
        assert_eq!(values(&third, 1), pairs(&[("b", "3"), ("c", "2")]));
        assert_eq!(values(&last, 1), values(&third, 1));
        assert_eq!(values(&logged.store.view(), 1), []);
        logged.store.checkpoint().unwrap();
    }
}

#[test]
fn restarts_and_checkpoints_keep_them() {
    let mut logged = Logged::new();
    logged.apply(&[records(&[put(1, "a", "1"), put(2, "a", "other")])]);
    logged.append("s", Expected::Any, &events("e", 2));
    let before = kept(&logged.store.view(), 1).unwrap();
    for _ in 0..2 {
        logged = logged.reopen();
        assert_eq!(kept(&logged.store.view(), 1).unwrap(), before);
        assert_eq!(values(&logged.store.view(), 2), pairs(&[("a", "other")]));
        logged.store.checkpoint().unwrap();
        assert_eq!(logged.store.checkpointed(), logged.store.applied());
    }
    // Deleted above the checkpoint, and then out of it.
    logged.apply(&[records(&[remove(1, "a")])]);
    for _ in 0..2 {
        assert_eq!(values(&logged.store.view(), 1), []);
        logged.store.checkpoint().unwrap();
        logged = logged.reopen();
    }
    assert_eq!(values(&logged.store.view(), 2), pairs(&[("a", "other")]));
}

#[test]
fn a_listing_begins_and_ends_where_it_is_told_to() {
    let mut logged = Logged::new();
    // On disk, above it, and above that one; more than are taken from a memtable at once.
    for (at, part) in [(0, ["a", "p1", "p4"]), (1, ["p2", "p5", "q"])] {
        let keys = part.iter().map(|key| put(1, key, "x"));
        logged.apply(&[records(&keys.collect::<Vec<_>>())]);
        if at == 0 {
            logged.store.checkpoint().unwrap();
        }
    }
    logged.apply(&[records(&[put(1, "p3", "x"), remove(1, "p4")])]);
    let view = logged.store.view();
    let list = |prefix: &str, from: Bound<&str>, direction, most: usize| {
        let mut keys = Vec::new();
        let mut visit = |key: &[u8], _: &Record| {
            keys.push(String::from_utf8(key.to_vec()).unwrap());
            keys.len() < most
        };
        let from = from.map(str::as_bytes);
        let seen = view
            .records(Space(1), prefix.as_bytes(), from, direction, &mut visit)
            .unwrap();
        assert_eq!(seen, keys.len() as u64);
        keys.join(" ")
    };
    use Direction::{Backward, Forward};
    assert_eq!(list("", Unbounded, Forward, 99), "a p1 p2 p3 p5 q");
    assert_eq!(list("p", Unbounded, Forward, 99), "p1 p2 p3 p5");
    assert_eq!(list("p", Unbounded, Backward, 99), "p5 p3 p2 p1");
    assert_eq!(list("p", Unbounded, Backward, 1), "p5");
    assert_eq!(list("p", Unbounded, Forward, 2), "p1 p2");
    for (from, forward, backward) in [
        (Included("p2"), "p2 p3 p5", "p2 p1"),
        (Excluded("p2"), "p3 p5", "p1"),
        (Included("p4"), "p5", "p3 p2 p1"),
        (Included("b"), "p1 p2 p3 p5", ""),
        (Excluded("z"), "", "p5 p3 p2 p1"),
        (Excluded("p1"), "p2 p3 p5", ""),
        (Excluded("p5"), "", "p3 p2 p1"),
        (Excluded("p"), "p1 p2 p3 p5", ""),
        (Included("q"), "", "p5 p3 p2 p1"),
        (Excluded("q"), "", "p5 p3 p2 p1"),
    ] {
        assert_eq!(list("p", from, Forward, 99), forward, "{from:?}");
        assert_eq!(list("p", from, Backward, 99), backward, "{from:?}");
    }
    assert_eq!(list("x", Unbounded, Forward, 99), "");
    for space in [0, 2, 255] {
        assert_eq!(kept(&view, space).unwrap(), []);
    }
}

#[test]
fn many_are_listed_across_all_levels() {
    let mut logged = Logged::new();
    for round in 0..4 {
        let keys: Vec<String> = (0..1_000)
            .map(|n| format!("{:04}", n * 4 + round))
            .collect();
        let changes: Vec<_> = keys.iter().map(|key| put(255, key, key)).collect();
        logged.apply(&[records(&changes)]);
        if round < 2 {
            logged.store.checkpoint().unwrap();
        }
    }
    let gone: Vec<String> = (0..2_000).map(|n| format!("{:04}", n * 2)).collect();
    logged.apply(&[records(
        &gone.iter().map(|key| remove(255, key)).collect::<Vec<_>>(),
    )]);
    let expected: Vec<String> = (0..2_000).map(|n| format!("{:04}", n * 2 + 1)).collect();
    for _ in 0..2 {
        let kept = kept(&logged.store.view(), 255).unwrap();
        assert!(kept.iter().map(|(key, _)| key).eq(&expected));
        assert!(
            kept.iter()
                .all(|(key, record)| record.value == key.as_str())
        );
        logged.store.checkpoint().unwrap();
    }
}

/// One thread changes two records at once, over and over; no reader ever sees them differ.
#[test]
fn readers_see_all_of_a_change_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, done) = (support::open(dir.path()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut checked = 0u64;
            while !done.load(Relaxed) || checked < 100 {
                let seen = kept(&store.view(), 1).unwrap();
                assert!(seen.windows(2).all(|pair| pair[0].1 == pair[1].1));
                checked += 1;
            }
        });
        for n in 0..2_000u64 {
            let value = n.to_string();
            let mut builder = batch::Builder::new(n);
            match n % 5 {
                4 => builder.push(&records(&[remove(1, "a"), remove(1, "b")])),
                _ => builder.push(&records(&[put(1, "a", &value), put(1, "b", &value)])),
            }
            let at = LogPosition {
                term: 1,
                node: 1,
                index: n + 1,
            };
            store.apply(at, builder.finish()).unwrap();
            if n % 200 == 0 {
                store.checkpoint().unwrap();
            }
        }
        done.store(true, Relaxed);
        reader.join().unwrap();
    });
}

#[test]
fn memory_is_charged_for_them() {
    let mut logged = Logged::new();
    let before = logged.store.stats().memtable_bytes;
    let value = "v".repeat(10_000);
    logged.apply(&[records(&[put(1, "a", &value)])]);
    let first = logged.store.stats().memtable_bytes;
    assert!(first >= before + 10_000);
    // What it replaces may still be looked at.
    logged.apply(&[records(&[put(1, "a", &value)])]);
    assert!(logged.store.stats().memtable_bytes >= first + 10_000);
    logged.store.checkpoint().unwrap();
    assert!(logged.store.stats().memtable_bytes < 1_000);
}
