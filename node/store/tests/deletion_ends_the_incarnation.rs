//! A deleted stream is gone from every answer at once; its name begins again at version 0, and its
//! positions are never given again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Direction, Expected, Outcome, TagMatch, View};
use support::{Event, Logged, collect};

fn tagged(prefix: &str, count: usize) -> Vec<Event> {
    let event = |n| Event::new(&format!("{prefix}{n}"), prefix, "data", &["shared", prefix]);
    (0..count).map(event).collect()
}

fn gone(view: &View, survivors: &[u64]) {
    assert_eq!(view.version(b"a").unwrap(), None);
    for direction in [Direction::Forward, Direction::Backward] {
        let read = view.read_stream(b"a", 0, 10, direction, &mut |_| panic!("visited"));
        assert_eq!(read.unwrap(), None);
    }
    assert_eq!(view.streams().unwrap(), [b"b"]);
    let a = support::binary(b"a");
    assert_eq!(
        view.read_by_types(&[&a], 10, &mut |_| panic!("visited"))
            .unwrap(),
        0
    );
    for matching in [TagMatch::Any, TagMatch::All] {
        let none = view.read_by_tags(&[b"a"], matching, 10, &mut |_| panic!("visited"));
        assert_eq!(none.unwrap(), 0);
        let shared = collect(|visit| view.read_by_tags(&[b"shared"], matching, 1_000, visit));
        let positions: Vec<u64> = shared.iter().map(|seen| seen.position).collect();
        assert_eq!(positions, survivors);
    }
    for offset in 0..=survivors.len() {
        let rest = collect(|visit| view.read_all(offset as u64, 1_000, visit));
        let positions: Vec<u64> = rest.iter().map(|seen| seen.position).collect();
        assert_eq!(positions, survivors[offset..]);
    }
}

/// Where the stream is when it is deleted, and whether it is written afterwards.
#[test]
fn wherever_its_events_are() {
    for before in [0, 1, 2] {
        let mut logged = Logged::new();
        logged.append("a", Expected::Any, &tagged("a", 300));
        logged.append("b", Expected::Any, &tagged("b", 2));
        if before > 0 {
            logged.store.checkpoint().unwrap();
        }
        logged.append("b", Expected::Any, &tagged("bb", 2));
        if before != 1 {
            logged.append("a", Expected::Any, &tagged("aa", 3));
        }
        assert_eq!(logged.delete("a"), Outcome::Deleted { existed: true });
        assert_eq!(logged.delete("a"), Outcome::Deleted { existed: false });
        assert_eq!(logged.delete("never"), Outcome::Deleted { existed: false });
        let survivors = [300, 301, 302, 303];
        gone(&logged.store.view(), &survivors);
        assert_eq!(logged.store.stats().events, 4);
        assert_eq!(logged.store.stats().streams, 1);
        logged.store.checkpoint().unwrap();
        gone(&logged.store.view(), &survivors);
        logged = logged.reopen();
        gone(&logged.store.view(), &survivors);
        let next = if before == 1 { 304 } else { 307 };
        let again = logged.append("a", Expected::NoStream, &tagged("c", 1));
        assert_eq!(
            again,
            Outcome::Appended {
                version: 0,
                position: next
            }
        );
    }
}

#[test]
fn and_the_next_one_stands_alone() {
    let mut logged = Logged::new();
    for round in 0..4 {
        let name = format!("r{round}");
        logged.append("a", Expected::NoStream, &tagged(&name, 5));
        let view = logged.store.view();
        let all = collect(|visit| view.read_stream(b"a", 0, 100, Direction::Forward, visit));
        assert_eq!(all.len(), 5);
        assert!(
            all.iter()
                .all(|seen| seen.event_type == support::binary(name.as_bytes()))
        );
        assert_eq!(collect(|visit| view.read_all(0, 100, visit)), all);
        if round % 2 == 0 {
            logged.store.checkpoint().unwrap();
        }
        // Twice within one memtable, and across two.
        logged.delete("a");
    }
    logged.store.checkpoint().unwrap();
    let view = logged.store.view();
    assert!(!view.has_events().unwrap());
    assert_eq!(collect(|visit| view.read_all(0, 100, visit)), []);
    assert_eq!(logged.store.stats().next_position, 20);
}

#[test]
fn what_is_deleted_leaves_the_file() {
    let mut logged = Logged::new();
    logged.append("a", Expected::Any, &tagged("a", 700));
    logged.append("b", Expected::Any, &tagged("b", 1));
    logged.store.checkpoint().unwrap();
    logged.delete("a");
    logged.store.checkpoint().unwrap();
    let file = logged.dir.path().join("state.redb");
    drop(logged.store);
    let database = redb::Database::open(file).unwrap();
    let read = redb::ReadableDatabase::begin_read(&database).unwrap();
    let rows = |name| {
        let table = read.open_untyped_table(redb::TableDefinition::<u64, &[u8]>::new(name));
        redb::ReadableTableMetadata::len(&table.unwrap()).unwrap()
    };
    assert_eq!(rows("events"), 1);
    assert_eq!(rows("streams"), 1);
    assert_eq!(rows("runs"), 1);
    // Its type, and two tags.
    assert_eq!(rows("postings"), 3);
    assert_eq!(rows("blocks"), 6);
}
