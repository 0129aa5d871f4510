//! An append that was under way at a crash leaves nothing behind but its whole records before the
//! first bad one, and the log goes on there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{append, assert_holds, copy, entry, open};
use tempfile::TempDir;

const LENGTH: usize = 100;

/// A log of three appends, the last one of entries 3 to 5; its directory, its segment, and where the
/// last append begins and ends in it.
fn log() -> (TempDir, PathBuf, usize, usize) {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(dir.path()).unwrap();
    append(&mut wal, 0..1, LENGTH);
    append(&mut wal, 1..3, LENGTH);
    let segment = dir.path().join("000000000001.wal");
    let begin = used(&segment);
    append(&mut wal, 3..6, LENGTH);
    let end = used(&segment);
    (dir, segment, begin, end)
}

/// Offset behind the last byte that is not zero, up to the alignment of records.
fn used(path: &Path) -> usize {
    let bytes = fs::read(path).unwrap();
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1)
        .next_multiple_of(8)
}

/// Opens a copy of the log with other bytes in its segment and hands it to `check`, then goes on
/// with the log: what is appended after a cut must not be mistaken for what was there before.
fn crash(dir: &Path, segment: &Path, bytes: &[u8], kept: u64) {
    let image = tempfile::tempdir().unwrap();
    copy(dir, image.path());
    fs::write(image.path().join(segment.file_name().unwrap()), bytes).unwrap();
    let (mut wal, cut) = open(image.path()).unwrap();
    assert_holds(&wal, 0..kept, LENGTH);
    // Also where nothing of it arrived: that much was about to be written.
    let told = cut.map(|cut| cut.last_index);
    assert_eq!(told, (kept < 6).then_some(kept.checked_sub(1)));
    append(&mut wal, kept..kept + 2, LENGTH);
    drop(wal);
    let (wal, cut) = open(image.path()).unwrap();
    assert_eq!(cut, None);
    assert_holds(&wal, 0..kept + 2, LENGTH);
}

#[test]
fn wherever_the_write_stopped() {
    let (dir, segment, begin, end) = log();
    let whole = fs::read(&segment).unwrap();
    let size = (end - begin) / 3;
    for stop in (begin..=end).step_by(8) {
        let mut bytes = whole.clone();
        bytes[stop..].fill(0);
        // A record is whole when its payload is; what pads it is zero anyway.
        let kept = (0..3)
            .filter(|n| stop >= begin + n * size + 48 + LENGTH)
            .count() as u64;
        crash(dir.path(), &segment, &bytes, 3 + kept);
    }
}

#[test]
fn whichever_part_of_the_write_is_missing() {
    let (dir, segment, begin, end) = log();
    let whole = fs::read(&segment).unwrap();
    let size = (end - begin) / 3;
    for hole in (begin..end).step_by(8) {
        let mut bytes = whole.clone();
        bytes[hole..hole + 8].fill(0);
        if bytes == whole {
            continue;
        }
        crash(
            dir.path(),
            &segment,
            &bytes,
            3 + ((hole - begin) / size) as u64,
        );
    }
}

#[test]
fn when_only_garbage_arrived() {
    let (dir, segment, begin, end) = log();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[begin..end].fill(0xa5);
    crash(dir.path(), &segment, &bytes, 3);
}

#[test]
fn the_cut_tells_its_bytes() {
    let (dir, segment, begin, _) = log();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[begin + 20] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let (wal, cut) = open(dir.path()).unwrap();
    let cut = cut.unwrap();
    assert_eq!(
        (cut.bytes, cut.last_index),
        ((3 * (48 + 104) - 4) as u64, Some(2))
    );
    assert_eq!(wal.last().unwrap(), entry(2, LENGTH).at);
    assert_eq!(used(&segment), begin, "the rest is zeros again");
}
