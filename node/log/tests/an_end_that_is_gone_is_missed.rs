//! Damage that reaches the very end of the log leaves nothing behind it that tells of it: zeros look like
//! an earlier end, garbage like an append that was cut short. The file `end` tells the difference, but
//! for the last append, which counts as torn and is reported. Without that file the log opens as it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::Path;

use common::{append, assert_holds, copy, open};
use esdb_log::wal::Wal;
use esdb_log::{TornTail, WalError};
use tempfile::TempDir;

const LENGTH: usize = 400;
const RECORD: usize = 48 + LENGTH;
/// Entries of the log; the newest segment holds those from 27 on.
const ENTRIES: u64 = 33;
const NEWEST: &str = "000000000003.wal";
const FIRST: u64 = 27;

/// A log after a crash, one entry an append.
fn log() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(dir.path()).unwrap();
    (0..ENTRIES).for_each(|index| append(&mut wal, index..index + 1, LENGTH));
    assert_eq!(wal.segments(), 3);
    dir
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Opens a copy of the log in which everything from entry `from` on is `byte`.
fn open_with(
    dir: &Path,
    byte: u8,
    from: u64,
) -> (TempDir, Result<(Wal, Option<TornTail>), WalError>) {
    let image = tempfile::tempdir().unwrap();
    copy(dir, image.path());
    let begin = 64 + (from - FIRST) as usize * RECORD;
    let end = 64 + (ENTRIES - FIRST) as usize * RECORD;
    change(&image.path().join(NEWEST), |bytes| {
        bytes[begin..end].fill(byte)
    });
    let opened = open(image.path());
    (image, opened)
}

#[test]
fn entries_that_were_durable_are_named_whatever_is_in_their_place() {
    let dir = log();
    for byte in [0, 0xa5] {
        for from in FIRST..ENTRIES - 1 {
            let (image, opened) = open_with(dir.path(), byte, from);
            let before = fs::read(image.path().join(NEWEST)).unwrap();
            match opened.expect_err("opened a log that lost its end") {
                WalError::Lost {
                    path,
                    offset,
                    first,
                    last,
                } => {
                    assert!(path.ends_with(NEWEST));
                    assert_eq!(offset, 64 + (from - FIRST) * RECORD as u64);
                    assert_eq!((first, last), (from, ENTRIES - 2));
                }
                other => panic!("{other}"),
            }
            assert!(before == fs::read(image.path().join(NEWEST)).unwrap());
        }
    }
}

#[test]
fn the_last_append_counts_as_torn_and_is_reported_once() {
    let dir = log();
    for (byte, bytes) in [(0, 0), (0xa5, RECORD as u64)] {
        let (image, opened) = open_with(dir.path(), byte, ENTRIES - 1);
        let (wal, torn) = opened.unwrap();
        let last_index = Some(ENTRIES - 2);
        assert_eq!(torn, Some(TornTail { bytes, last_index }));
        drop(wal);
        let (mut wal, torn) = open(image.path()).unwrap();
        assert_eq!(torn, None);
        append(&mut wal, ENTRIES - 1..ENTRIES, LENGTH);
        drop(wal);
        let (wal, torn) = open(image.path()).unwrap();
        assert_eq!(torn, None);
        assert_holds(&wal, 0..ENTRIES, LENGTH);
    }
}

/// Whoever found an entry at a start has built upon it.
#[test]
fn what_a_start_found_is_durable_with_its_last_entry() {
    let dir = log();
    drop(open(dir.path()).unwrap());
    let (_image, opened) = open_with(dir.path(), 0, ENTRIES - 1);
    let error = opened.expect_err("opened a log that lost its end");
    assert!(
        matches!(error, WalError::Lost { first, last, .. } if (first, last) == (ENTRIES - 1, ENTRIES - 1)),
        "{error}"
    );
}

#[test]
fn without_the_witness_or_with_one_that_a_power_cut_tore_the_log_opens() {
    let dir = log();
    let end = |dir: &Path| dir.join("end");
    let damages: [&dyn Fn(&Path); 5] = [
        &|dir| fs::remove_file(end(dir)).unwrap(),
        &|dir| change(&end(dir), Vec::clear),
        &|dir| change(&end(dir), |bytes| bytes.truncate(30)),
        &|dir| change(&end(dir), |bytes| bytes[32] ^= 1),
        &|dir| change(&end(dir), |bytes| bytes.resize(5000, 7)),
    ];
    for damage in damages {
        let image = tempfile::tempdir().unwrap();
        copy(dir.path(), image.path());
        damage(image.path());
        let (mut wal, torn) = open(image.path()).unwrap();
        assert_eq!(torn, None);
        assert_holds(&wal, 0..ENTRIES, LENGTH);
        // From now on there is one again.
        append(&mut wal, ENTRIES..ENTRIES + 1, LENGTH);
        drop(wal);
        change(&image.path().join(NEWEST), |bytes| bytes[64..].fill(0));
        let error = open(image.path()).expect_err("opened a log that lost its end");
        assert!(
            matches!(error, WalError::Lost { first: FIRST, last, .. } if last == ENTRIES - 1),
            "{error}"
        );
    }
}

/// A directory that held entries is no new log, though nothing else is left of it.
#[test]
fn a_log_that_is_gone_but_for_its_end_is_not_begun_anew() {
    let dir = log();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "end" {
            fs::remove_file(path).unwrap();
        }
    }
    let error = open(dir.path()).expect_err("began a new log");
    assert!(matches!(error, WalError::Missing { .. }), "{error}");
}

/// What was purged is not needed: the checkpoint has it.
#[test]
fn what_is_gone_and_was_purged_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(dir.path()).unwrap();
    (0..3).for_each(|index| append(&mut wal, index..index + 1, LENGTH));
    let last = wal.last().unwrap();
    wal.purge(last).unwrap();
    drop(wal);
    let segment = dir.path().join("000000000001.wal");
    change(&segment, |bytes| bytes[64..].fill(0));
    let (mut wal, torn) = open(dir.path()).unwrap();
    assert_eq!((wal.last(), torn), (Some(last), None));
    append(&mut wal, 3..5, LENGTH);
    drop(wal);
    let (wal, torn) = open(dir.path()).unwrap();
    assert_eq!(torn, None);
    assert_holds(&wal, 3..5, LENGTH);
}

/// Entries that were taken back, as a new leader may ask for, are not missed.
#[test]
fn what_was_truncated_is_not_missed() {
    let dir = log();
    let (mut wal, _) = open(dir.path()).unwrap();
    wal.truncate(29).unwrap();
    drop(wal);
    let (wal, torn) = open(dir.path()).unwrap();
    assert_eq!(torn, None);
    assert_holds(&wal, 0..29, LENGTH);
}
