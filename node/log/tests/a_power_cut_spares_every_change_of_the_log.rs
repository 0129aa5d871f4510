//! Appends, truncations, purges and votes in a random order, and the power fails at any moment: the
//! log opens to what it was after the last change that was done, or after the one that was under way;
//! of an append that was under way it may hold a beginning.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use common::open_on;
use esdb_log::wal::{Ballot, Entry, Kind, Position, Wal};
use esdb_testing::crash::Walk;
use esdb_testing::disk::{Image, MemoryDisk, Note, Step};
use esdb_testing::operation::{draw, rng};
use proptest::prelude::*;

const CHANGES: usize = 300;

/// A change; the numbers say how much, within what there is.
#[derive(Debug, Clone)]
enum Change {
    Append(Vec<usize>),
    Truncate(u64),
    Purge(u64),
    Vote,
    Reopen,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => prop::collection::vec(0..1500usize, 1..4).prop_map(Change::Append),
        2 => (1..6u64).prop_map(Change::Truncate),
        2 => (1..12u64).prop_map(Change::Purge),
        1 => Just(Change::Vote),
        1 => Just(Change::Reopen),
    ]
}

/// What a log holds.
#[derive(Debug, Clone, Default, PartialEq)]
struct Held {
    entries: Vec<Entry>,
    purged: Option<Position>,
    vote: Option<Ballot>,
}

impl Held {
    fn of(wal: &Wal) -> Self {
        Self {
            entries: wal.read(0..u64::MAX, usize::MAX).unwrap(),
            purged: wal.purged(),
            vote: wal.vote(),
        }
    }

    fn next(&self) -> u64 {
        let purged = self.purged.map_or(0, |at| at.index + 1);
        self.entries.last().map_or(purged, |last| last.at.index + 1)
    }

    /// The same with only the first entries of an append.
    fn is_begun_after(&self, before: &Held, after: &Held) -> bool {
        let appended = after.entries.starts_with(&before.entries);
        appended
            && self.entries.starts_with(&before.entries)
            && after.entries.starts_with(&self.entries)
            && (self.purged, self.vote) == (after.purged, after.vote)
    }
}

/// Makes the change number `nth`, as far as there is something to change.
fn make(wal: &mut Wal, held: &mut Held, nth: u64, change: &Change) {
    let at = |index| Position {
        term: nth,
        node: 1,
        index,
    };
    match change {
        Change::Append(lengths) => {
            let entries = (held.next()..).zip(lengths).map(|(index, length)| Entry {
                at: at(index),
                kind: Kind::Batch,
                payload: Bytes::from(vec![nth as u8 | 1; *length]),
            });
            let entries: Vec<_> = entries.collect();
            held.entries.extend(entries.clone());
            wal.append(entries).unwrap().perform().unwrap();
        }
        Change::Truncate(count) => {
            let left = held.entries.len().saturating_sub(*count as usize);
            let Some(first) = held.entries.get(left).map(|entry| entry.at.index) else {
                return;
            };
            held.entries.truncate(left);
            wal.truncate(first).unwrap();
        }
        Change::Purge(count) => {
            let Some(last) = held.entries.get(*count as usize - 1).map(|entry| entry.at) else {
                return;
            };
            held.entries.drain(..*count as usize);
            held.purged = Some(last);
            wal.purge(last).unwrap();
        }
        Change::Vote => {
            let vote = Ballot {
                term: nth,
                node: 1,
                committed: nth.is_multiple_of(2),
            };
            held.vote = Some(vote);
            wal.save_vote(vote).unwrap();
        }
        Change::Reopen => {}
    }
}

/// Makes random changes; what that did to the disk, and what the log held after each.
fn record(base: &Image, dir: &Path, seed: u64) -> (Vec<Step>, Vec<Held>) {
    let disk = MemoryDisk::traced(base.clone());
    let (mut wal, _) = open_on(Arc::new(disk.clone()), dir).unwrap();
    let mut states = vec![Held::default()];
    for (nth, change) in (1..).zip(draw(&change(), CHANGES, seed)) {
        let mut held = states.last().unwrap().clone();
        disk.note(Note::Submitted(states.len()));
        if matches!(change, Change::Reopen) {
            drop(wal);
            wal = open_on(Arc::new(disk.clone()), dir).unwrap().0;
        }
        make(&mut wal, &mut held, nth, &change);
        assert_eq!(Held::of(&wal), held, "seed {seed}, change {nth}");
        disk.note(Note::Acknowledged(states.len()));
        states.push(held);
    }
    drop(wal);
    (disk.trace(), states)
}

fn examine(image: Image, dir: &Path, states: &[Held], walk: &Walk, what: &str) {
    let opened = open_on(Arc::new(MemoryDisk::from(image)), dir);
    let (wal, _) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = Held::of(&wal);
    let (before, after) = (&states[walk.acknowledged], &states[walk.submitted]);
    let fits = found == *before || found == *after || found.is_begun_after(before, after);
    assert!(fits, "{what}: {found:?}, neither {before:?} nor {after:?}");
}

#[test]
fn at_every_step() {
    let dir = Path::new("/store/log");
    let base = Image::with_directory(Path::new("/store"));
    for seed in 1..4 {
        let (trace, states) = record(&base, dir, seed);
        let (mut walk, mut rng) = (Walk::from(base.clone()), rng(seed));
        for (nth, step) in trace.iter().enumerate() {
            walk.take(step);
            let what = format!("seed {seed}, step {nth}");
            examine(
                walk.kept(),
                dir,
                &states,
                &walk,
                &format!("{what}, all kept"),
            );
            examine(walk.lost(), dir, &states, &walk, &format!("{what}, lost"));
            for _ in 0..2 {
                examine(
                    walk.torn(&mut rng),
                    dir,
                    &states,
                    &walk,
                    &format!("{what}, torn"),
                );
            }
        }
    }
}
