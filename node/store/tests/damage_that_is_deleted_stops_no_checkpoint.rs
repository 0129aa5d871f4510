//! A stream can be deleted though events of it are damaged: the next checkpoint takes them away with
//! everything that leads to them, and nothing damaged is left. A store that could write no checkpoint
//! any more would keep its log for ever.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_disk::RealDisk;
use esdb_store::verify::report::{Damage, Report};
use esdb_store::verify::verify;
use esdb_store::{Expected, Outcome, StoreError, TagMatch};
use redb::{Database, Key, TableDefinition};
use std::path::Path;
use support::{Event, Logged};

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const RUNS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("runs");
const POSTINGS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("postings");
/// Of each stream; more than a row of positions holds.
const EVENTS_EACH: u64 = 700;

/// Two streams in turn, ten events at a time, whose events share type and tag; and each event has a
/// tag of its own.
fn filled() -> Logged {
    let mut logged = Logged::new();
    for first in (0..EVENTS_EACH).step_by(10) {
        for stream in ["gone", "kept"] {
            let event = |n: u64| {
                let own = format!("{stream}-{n}");
                Event::new(&own, "thing", "data", &["all", &own, "all"])
            };
            let events: Vec<_> = (first..first + 10).map(event).collect();
            logged.append(stream, Expected::Any, &events);
        }
    }
    logged.store.checkpoint().unwrap();
    logged
}

/// Whether the event at this position is one of the stream "gone".
fn goes(position: u64) -> bool {
    (position / 10).is_multiple_of(2)
}

/// Changes, or takes away, the values of rows.
fn damage<K: Key + 'static>(
    dir: &Path,
    table: TableDefinition<'_, K, &'static [u8]>,
    keys: &[K::SelfType<'_>],
    change: fn(Vec<u8>) -> Option<Vec<u8>>,
) {
    let database = Database::open(dir.join("state.redb")).unwrap();
    let write = database.begin_write().unwrap();
    let mut table = write.open_table(table).unwrap();
    for key in keys {
        let value = table.remove(key).unwrap().unwrap().value().to_vec();
        if let Some(value) = change(value) {
            table.insert(key, &value[..]).unwrap();
        }
    }
    drop(table);
    write.commit().unwrap();
}

fn flipped(mut value: Vec<u8>) -> Option<Vec<u8>> {
    let last = value.len() - 1;
    value[last] ^= 1;
    Some(value)
}

fn damages(dir: &Path) -> Vec<Damage> {
    let mut damages = Vec::new();
    verify(&RealDisk, dir, &mut |report| {
        if let Report::Damage(damage) = report {
            damages.push(damage);
        }
    });
    damages
}

/// Takes the stream away that is damaged, and goes on.
fn delete_and_go_on(logged: &mut Logged) {
    assert!(!damages(logged.dir.path()).is_empty());
    let deleted = logged.delete("gone");
    assert!(matches!(deleted, Outcome::Deleted { existed: true }));
    logged.store.checkpoint().unwrap();
    // What was committed since goes to disk as ever.
    logged.append("gone", Expected::NoStream, &support::events("new", 10));
    logged.store.checkpoint().unwrap();
}

#[test]
fn whatever_is_damaged_of_its_events() {
    let all: Vec<u64> = (0..2 * EVENTS_EACH).filter(|at| goes(*at)).collect();
    let (first, some, last) = ([0], [3, 508, 509, 700, 1_380], [1_389]);
    for positions in [&first[..], &some, &last, &all] {
        for change in [flipped, |_| None] {
            let break_it = |dir: &Path| damage(dir, EVENTS, positions, change);
            let mut logged = filled().reopen_after(break_it);
            delete_and_go_on(&mut logged);
            assert_eq!(damages(logged.dir.path()), []);
            only_the_other_is_left(&logged);
        }
    }
}

/// The stream's number is 0, and ten events are a run.
#[test]
fn whatever_is_damaged_of_its_runs() {
    let all: Vec<(u64, u64)> = (0..EVENTS_EACH).step_by(10).map(|at| (0, at)).collect();
    let (first, some, last) = ([(0, 0)], [(0, 10), (0, 300), (0, 310)], [(0, 690)]);
    for runs in [&first[..], &some, &last, &all] {
        for change in [flipped, |_| None] {
            let break_it = |dir: &Path| damage(dir, RUNS, runs, change);
            let mut logged = filled().reopen_after(break_it);
            delete_and_go_on(&mut logged);
            assert_eq!(damages(logged.dir.path()), []);
            only_the_other_is_left(&logged);
        }
    }
}

/// A damaged row of an index stays, for it leads to living events, too: whoever asks for its term is
/// told.
#[test]
fn an_index_that_leads_to_it() {
    let row = |position: u64| [&[2, 0, 0, 0, 3][..], b"all", &position.to_be_bytes()].concat();
    for key in [row(0), row(512), row(u64::MAX)] {
        for change in [flipped, |_| None] {
            let break_it = |dir: &Path| damage(dir, POSTINGS, &[&key], change);
            let mut logged = filled().reopen_after(break_it);
            delete_and_go_on(&mut logged);
            let damages = damages(logged.dir.path());
            let elsewhere = |damage: &&Damage| {
                let place = damage.place.as_deref().unwrap_or_default();
                !place.starts_with("table postings")
            };
            assert!(!damages.is_empty());
            assert_eq!(damages.iter().find(elsewhere), None);
            let view = logged.store.view();
            let read = view.read_by_tags(&[b"all"], TagMatch::Any, usize::MAX, &mut |_| {});
            assert!(matches!(read, Err(StoreError::Damaged { .. })), "{read:?}");
            let thing = support::binary(b"thing");
            let read = view.read_by_types(&[&thing], usize::MAX, &mut |_| {});
            assert_eq!(read.unwrap() as u64, EVENTS_EACH + 10);
        }
    }
}

fn only_the_other_is_left(logged: &Logged) {
    let view = logged.store.view();
    let end = 2 * EVENTS_EACH;
    let expected: Vec<u64> = (0..end).filter(|at| !goes(*at)).collect();
    let (mut all, mut of_type, mut tagged) = (Vec::new(), Vec::new(), Vec::new());
    let (most, thing) = (usize::MAX, support::binary(b"thing"));
    view.read_all(0, most, &mut |event| all.push(event.position))
        .unwrap();
    view.read_by_types(&[&thing], most, &mut |event| of_type.push(event.position))
        .unwrap();
    view.read_by_tags(&[b"all"], TagMatch::Any, most, &mut |event| {
        tagged.push(event.position)
    })
    .unwrap();
    for mut found in [all, of_type, tagged] {
        found.retain(|position| *position < end);
        assert!(found == expected);
    }
    for tag in [&b"gone-0"[..], b"gone-349", b"gone-699"] {
        let none = view.read_by_tags(&[tag], TagMatch::Any, most, &mut |_| {});
        assert_eq!(none.unwrap(), 0);
    }
}
