//! When the state's file cannot be written because the disk fails, what is refused is refused for that
//! reason, and the status names file and error. The store goes on when the disk does; when the file
//! cannot even be opened again, it stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::path::Path;

use common::faults::FaultyDisk;
use common::store::{append, append_one, call, eventually, options, read};
use esdb_log::{Replica, State, Unavailable};
use esdb_store::Expected;

/// A replica that wants a checkpoint after a few appends.
fn open(dir: &Path, disk: &FaultyDisk) -> Replica {
    let mut options = options(disk);
    options.store.memtable_bytes = 64 << 10;
    let replica = Replica::open(dir, options).unwrap();
    append_one(&replica, "s", &[7; 10_000]);
    replica
}

/// Appends until that is refused; how many events there are then, and the refusal.
fn fill(replica: &Replica) -> (usize, Unavailable) {
    for count in 1..1_000 {
        if let Err(refusal) = call(replica, append("s", Expected::Any, 1, &[7; 10_000])) {
            return (count, refusal);
        }
    }
    panic!("never refused");
}

fn is_named(error: Option<String>) {
    let error = error.expect("an error");
    for part in ["state.redb", "write", "(os error 5)"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn it_goes_on_when_the_disk_does() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
    let replica = open(dir.path(), &disk);
    // The database can be opened, but not take any more.
    *disk.faults().state_fails_from.lock() = Some(32 << 10);
    let (count, refusal) = fill(&replica);
    assert!(matches!(refusal, Unavailable::DiskFailed(_)), "{refusal:?}");
    is_named(Some(refusal.to_string()));
    let status = replica.status();
    assert_eq!(status.state, State::Serving);
    is_named(status.checkpoint_error);
    is_named(status.disk_error);
    assert_eq!(read(&replica, "s").len(), count);
    *disk.faults().state_fails_from.lock() = None;
    eventually("a checkpoint is written", || {
        replica.status().checkpoint_error.is_none()
    });
    assert_eq!(append_one(&replica, "s", b"x"), count as u64);
    is_named(replica.status().disk_error); // It did happen.
}

#[test]
fn it_stops_when_the_state_is_gone() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
    let replica = open(dir.path(), &disk);
    *disk.faults().state_fails_from.lock() = Some(0);
    let (count, refusal) = fill(&replica);
    assert!(matches!(refusal, Unavailable::Stopped(_)), "{refusal:?}");
    is_named(Some(refusal.to_string()));
    let State::Stopped(reason) = replica.status().state else {
        panic!("still serving");
    };
    is_named(Some(reason));
    *disk.faults().state_fails_from.lock() = None;
    assert!(
        call(&replica, append("s", Expected::Any, 1, b"x")).is_err(),
        "for good"
    );
    drop(replica);
    // Nothing that was acknowledged is lost; the append that met the stop may be there.
    let there = read(&open(dir.path(), &disk), "s").len() - 1;
    assert!(there == count || there == count + 1, "{there} of {count}");
}
