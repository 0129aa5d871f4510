//! On a full disk nothing is acknowledged, the reason is told, nothing acknowledged is lost, and the
//! store works again as soon as there is space.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::faults::FaultyDisk;
use common::store::{append, append_one, call, options, read};
use common::{append as append_entries, assert_holds, entry, open_on};
use esdb_log::wal::LogFailure;
use esdb_log::{Replica, State, Unavailable};
use esdb_store::command::Expected;

#[test]
fn the_log_says_so_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let (mut wal, _) = open_on(Arc::new(disk.clone()), dir.path()).unwrap();
    append_entries(&mut wal, 0..2, 1000);
    disk.faults().full.store(true, Ordering::SeqCst);
    assert!(matches!(wal.reserve(2000), Err(LogFailure::Full(_))));
    assert!(matches!(
        wal.append(vec![entry(2, 2000)]),
        Err(LogFailure::Full(_))
    ));
    assert_holds(&wal, 0..2, 1000);
    let names = std::fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<_> = names.map(|f| f.unwrap().file_name()).collect();
    names.sort();
    let whole = ["000000000001.wal", "end", "meta"];
    assert_eq!(names, whole, "nothing half made takes space");
    disk.faults().full.store(false, Ordering::SeqCst);
    wal.reserve(1000).unwrap();
    append_entries(&mut wal, 2..6, 1000);
    assert_holds(&wal, 0..6, 1000);
}

#[test]
fn the_next_segment_is_as_large_as_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let (mut wal, _) = open_on(Arc::new(disk.clone()), dir.path()).unwrap();
    for index in 0..20 {
        append_entries(&mut wal, index..index + 1, 1000);
    }
    let (before, segments) = (wal.bytes(), wal.segments());
    // 16 KiB would be next.
    disk.faults().room.store(8192, Ordering::SeqCst);
    for index in 20..40 {
        wal.reserve(1000).unwrap();
        append_entries(&mut wal, index..index + 1, 1000);
    }
    let (bytes, begun) = (wal.bytes() - before, wal.segments() - segments);
    assert!(
        begun > 2 && bytes <= 8192 * begun as u64,
        "{bytes} in {begun}"
    );
    // Not even one entry.
    disk.faults().room.store(4096, Ordering::SeqCst);
    assert!(matches!(wal.reserve(9000), Err(LogFailure::Full(_))));
    disk.faults().room.store(0, Ordering::SeqCst);
    wal.reserve(9000).unwrap();
    assert_holds(&wal, 0..40, 1000);
    drop(wal);
    let (wal, cut) = open_on(Arc::new(disk), dir.path()).unwrap();
    assert_eq!(cut, None);
    assert_holds(&wal, 0..40, 1000);
}

#[test]
fn a_purge_is_put_off_until_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let (mut wal, _) = open_on(Arc::new(disk.clone()), dir.path()).unwrap();
    for index in 0..5 {
        append_entries(&mut wal, index..index + 1, 1000);
    }
    let segments = wal.segments();
    disk.faults().full.store(true, Ordering::SeqCst);
    wal.purge(entry(3, 0).at).unwrap();
    assert_eq!((wal.purged(), wal.segments()), (None, segments));
    append_entries(&mut wal, 5..6, 1000);
    assert_holds(&wal, 0..6, 1000);
    disk.faults().full.store(false, Ordering::SeqCst);
    drop(wal);
    let (mut wal, cut) = open_on(Arc::new(disk), dir.path()).unwrap();
    assert_eq!(cut, None);
    assert_holds(&wal, 0..6, 1000);
    wal.purge(entry(3, 0).at).unwrap();
    assert!(wal.segments() < segments);
    assert_holds(&wal, 4..6, 1000);
}

#[test]
fn a_segment_that_cannot_be_noted_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let (mut wal, _) = open_on(Arc::new(disk.clone()), dir.path()).unwrap();
    append_entries(&mut wal, 0..2, 1000);
    // There is room for the segment, and then none for the note of it.
    disk.faults().full_for_meta.store(true, Ordering::SeqCst);
    assert!(matches!(wal.reserve(4000), Err(LogFailure::Full(_))));
    append_entries(&mut wal, 2..3, 1000);
    drop(wal);
    let (mut wal, _) = open_on(Arc::new(disk.clone()), dir.path()).unwrap();
    assert_holds(&wal, 0..3, 1000);
    disk.faults().full_for_meta.store(false, Ordering::SeqCst);
    append_entries(&mut wal, 3..6, 1000);
    assert_holds(&wal, 0..6, 1000);
}

#[test]
fn the_store_refuses_keeps_reading_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let replica = Replica::open(dir.path(), options(&disk)).unwrap();
    let data = vec![b'x'; 20_000];
    append_one(&replica, "s", &data);
    disk.faults().full.store(true, Ordering::SeqCst);
    let mut acknowledged = 1;
    let refusal = loop {
        match call(&replica, append("s", Expected::Any, 1, &data)) {
            Ok(_) => acknowledged += 1,
            Err(refusal) => break refusal,
        }
        assert!(acknowledged < 100, "space without end");
    };
    let Unavailable::DiskFull(text) = refusal else {
        panic!("{refusal}")
    };
    assert!(text.contains("log"), "names the directory: {text}");
    assert_eq!(replica.status().state, State::Serving);
    assert_eq!(read(&replica, "s").len(), acknowledged);
    disk.faults().full.store(false, Ordering::SeqCst);
    assert_eq!(append_one(&replica, "s", &data), acknowledged as u64);
    drop(replica);
    let replica = Replica::open(dir.path(), options(&disk)).unwrap();
    assert_eq!(read(&replica, "s").len(), acknowledged + 1);
}
