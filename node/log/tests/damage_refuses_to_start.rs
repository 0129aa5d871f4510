//! Damage to what was durable is never cut away: the log does not open, changes nothing on disk, and
//! says which file, where, which entry, and what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{append, copy, entry, open};
use esdb_log::wal::{Kind, Wal, segment};
use esdb_log::{RealDisk, WalError};
use tempfile::TempDir;

const LENGTH: usize = 600;
const RECORD: usize = 48 + LENGTH;

/// A log over several segments, one entry an append: entries 0 to 5 in the first.
fn log() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(dir.path()).unwrap();
    for index in 0..30 {
        append(&mut wal, index..index + 1, LENGTH);
    }
    assert!(wal.segments() >= 3);
    dir
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(dir).unwrap().map(|item| item.unwrap().path());
    let mut files: Vec<_> = paths
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Applies `damage` to a copy of the log, and returns why it does not open.
fn refusal(dir: &Path, damage: impl FnOnce(&Path)) -> WalError {
    let image = tempfile::tempdir().unwrap();
    copy(dir, image.path());
    damage(image.path());
    let before = files(image.path());
    let error = open(image.path()).expect_err("opened a damaged log");
    assert!(before == files(image.path()), "changed what it refused");
    error
}

#[test]
fn every_damaged_record_but_the_last_is_named() {
    let dir = log();
    for (number, first, count) in segments(dir.path()) {
        let newest = number == segments(dir.path()).len() as u64;
        for nth in 0..count - usize::from(newest) {
            for byte in [0, 4, 12, 20, 28, 33, 40, 44, 48, RECORD - 1] {
                let offset = 64 + nth * RECORD;
                let name = segment::name(number);
                let damage = |dir: &Path| change(&dir.join(&name), |b| b[offset + byte] ^= 0x10);
                match refusal(dir.path(), damage) {
                    WalError::Damaged {
                        path,
                        offset: found,
                        index,
                    } => {
                        assert!(path.ends_with(&name));
                        assert_eq!((found, index), (offset as u64, first + nth as u64));
                    }
                    other => panic!("{other}"),
                }
            }
        }
    }
}

#[test]
fn a_durable_record_that_turned_to_zeros_is_damage() {
    let dir = log();
    let (number, first, count) = *segments(dir.path()).last().unwrap();
    assert!(count >= 2);
    let zero = |dir: &Path| {
        change(&dir.join(segment::name(number)), |b| {
            b[64..64 + RECORD].fill(0)
        });
    };
    let error = refusal(dir.path(), zero);
    assert!(
        matches!(error, WalError::Damaged { offset: 64, index, .. } if index == first),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains(&segment::name(number)) && text.contains("backup"),
        "{text}"
    );
}

/// A blank has no payload, so that neither its length nor its checksum is anything but zeros.
#[test]
fn a_blank_behind_a_damaged_record_tells_that_it_was_durable() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(dir.path()).unwrap();
    append(&mut wal, 0..1, LENGTH);
    append(&mut wal, 1..2, LENGTH);
    let mut blank = entry(2, 0);
    (blank.kind, blank.at.term) = (Kind::Blank, 2);
    wal.append(vec![blank]).unwrap().perform().unwrap();
    drop(wal);
    let damage = |dir: &Path| change(&dir.join(segment::name(1)), |b| b[64 + RECORD + 60] ^= 1);
    let error = refusal(dir.path(), damage);
    assert!(
        matches!(error, WalError::Damaged { index: 1, .. }),
        "{error}"
    );
}

#[test]
fn a_missing_segment_refuses() {
    let dir = log();
    for (number, ..) in segments(dir.path()) {
        let name = segment::name(number);
        let error = refusal(dir.path(), |dir| fs::remove_file(dir.join(&name)).unwrap());
        let named = matches!(&error, WalError::Missing { path, .. } if path.ends_with(&name));
        assert!(named, "{error}");
    }
}

#[test]
fn a_missing_meta_file_refuses() {
    let dir = log();
    let error = refusal(dir.path(), |dir| fs::remove_file(dir.join("meta")).unwrap());
    assert!(matches!(&error, WalError::Missing { .. }), "{error}");
}

#[test]
fn a_shortened_segment_refuses() {
    let dir = log();
    let shorten = |dir: &Path| change(&dir.join(segment::name(1)), |bytes| bytes.truncate(2048));
    let error = refusal(dir.path(), shorten);
    assert!(matches!(&error, WalError::Foreign { .. }), "{error}");
}

#[test]
fn a_damaged_header_or_meta_file_refuses() {
    let dir = log();
    for (name, length) in [(segment::name(1), 64), ("meta".to_owned(), 104)] {
        for byte in 0..length {
            let error = refusal(dir.path(), |dir| change(&dir.join(&name), |b| b[byte] ^= 4));
            assert!(
                matches!(&error, WalError::Foreign { .. }),
                "{name} {byte}: {error}"
            );
        }
    }
}

#[test]
fn files_of_another_store_refuse() {
    let (dir, other) = (log(), tempfile::tempdir().unwrap());
    drop(Wal::open(Arc::new(RealDisk), other.path(), [1; 16], common::SMALL).unwrap());
    for name in ["meta", "000000000001.wal"] {
        let from = other.path().join(name);
        let error = refusal(dir.path(), |dir| {
            assert!(fs::copy(&from, dir.join(name)).is_ok())
        });
        let told = matches!(&error, WalError::OtherStore { found, .. } if *found == [1; 16]);
        assert!(told, "{error}");
    }
}

/// Number, first entry, and number of entries of each segment.
fn segments(dir: &Path) -> Vec<(u64, u64, usize)> {
    let mut found = Vec::new();
    let mut first = 0;
    for number in 1.. {
        let Ok(bytes) = fs::read(dir.join(segment::name(number))) else {
            break;
        };
        let records = bytes[64..]
            .chunks(RECORD)
            .filter(|r| r.len() == RECORD && r[0] != 0)
            .count();
        found.push((number, first, records));
        first += records as u64;
    }
    assert_eq!(first, 30);
    found
}
