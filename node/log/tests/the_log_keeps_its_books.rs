//! Appends, truncations and purges leave a log that opens as exactly what it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::faults::FaultyDisk;
use common::{append, assert_holds, entry, open, open_on};
use esdb_log::wal::{Ballot, LogFailure, Position};

#[test]
fn entries_come_back_from_memory_and_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, cut) = open(dir.path()).unwrap();
    assert_eq!((cut, wal.last(), wal.next_index()), (None, None, 0));
    for first in (0..300).step_by(3) {
        append(&mut wal, first..first + 3, 200);
    }
    append(&mut wal, 300..301, 100_000);
    append(&mut wal, 301..302, 0);
    assert_holds_both(&wal);
    drop(wal);
    let (wal, cut) = open(dir.path()).unwrap();
    assert_eq!(cut, None);
    assert_holds_both(&wal);
}

fn assert_holds_both(wal: &esdb_log::wal::Wal) {
    let found = wal.read(0..302, usize::MAX).unwrap();
    let length = |index| match index {
        300 => 100_000,
        301 => 0,
        _ => 200,
    };
    assert!(
        found
            == (0..302)
                .map(|index| entry(index, length(index)))
                .collect::<Vec<_>>()
    );
    let some = wal.read(10..300, 1000).unwrap();
    assert!(some == (10..15).map(|index| entry(index, 200)).collect::<Vec<_>>());
    assert!(wal.read(300..301, 1).unwrap() == [entry(300, 100_000)]);
    assert!(wal.read(302..400, 1).unwrap().is_empty());
}

#[test]
fn a_truncation_holds_at_every_index() {
    for index in 0..16 {
        let dir = tempfile::tempdir().unwrap();
        let (mut wal, _) = open(dir.path()).unwrap();
        for first in [0, 4, 8, 12] {
            append(&mut wal, first..first + 4, 500);
        }
        assert!(wal.segments() >= 2);
        wal.truncate(index).unwrap();
        assert_holds(&wal, 0..index, 500);
        assert_eq!(wal.last().map(|at| at.index), index.checked_sub(1));
        append(&mut wal, index..index + 2, 500);
        drop(wal);
        let (wal, cut) = open(dir.path()).unwrap();
        assert_eq!(cut, None);
        assert_holds(&wal, 0..index + 2, 500);
    }
}

#[test]
fn a_purge_holds_and_removes_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(dir.path()).unwrap();
    for first in 0..40 {
        append(&mut wal, first..first + 1, 500);
    }
    let before = wal.segments();
    wal.purge(entry(29, 0).at).unwrap();
    assert!(wal.segments() < before);
    assert_holds(&wal, 30..40, 500);
    drop(wal);
    let (mut wal, _) = open(dir.path()).unwrap();
    assert_holds(&wal, 30..40, 500);
    let beyond = Position {
        term: 2,
        node: 1,
        index: 99,
    };
    wal.purge(beyond).unwrap();
    assert_eq!((wal.last(), wal.segments()), (Some(beyond), 1));
    append(&mut wal, 100..103, 500);
    drop(wal);
    let (wal, _) = open(dir.path()).unwrap();
    assert_holds(&wal, 100..103, 500);
    assert_eq!(wal.purged(), Some(beyond));
}

#[test]
fn a_vote_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(dir.path()).unwrap();
    assert_eq!(wal.vote(), None);
    let vote = Ballot {
        term: 7,
        node: 1,
        committed: true,
    };
    wal.save_vote(vote).unwrap();
    drop(wal);
    assert_eq!(open(dir.path()).unwrap().0.vote(), Some(vote));
}

#[test]
fn a_hole_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(dir.path()).unwrap();
    append(&mut wal, 0..2, 10);
    for wrong in [
        vec![entry(3, 10)],
        vec![entry(1, 10)],
        vec![entry(2, 10), entry(4, 10)],
        vec![],
    ] {
        assert!(matches!(wal.append(wrong), Err(LogFailure::Misuse(_))));
    }
    append(&mut wal, 2..3, 10);
    assert_holds(&wal, 0..3, 10);
}

#[test]
fn one_append_is_one_fsync() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let (mut wal, _) = open_on(Arc::new(disk.clone()), dir.path()).unwrap();
    append(&mut wal, 0..2, 10);
    let before = disk.faults().syncs();
    for first in (2..12).step_by(2) {
        append(&mut wal, first..first + 2, 10);
    }
    assert_eq!(
        (disk.faults().syncs() - before, wal.progress().syncs()),
        (5, 6)
    );
}
