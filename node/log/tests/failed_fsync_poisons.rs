//! After a failed fsync or write nothing is acknowledged any more, the fsync is not tried again, and
//! everybody is told why; what was acknowledged before is there after a restart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::faults::{Faults, FaultyDisk};
use common::store::{append, append_one, call, open, options, read, submit};
use common::{append as append_entries, entry, open_on};
use esdb_log::wal::LogFailure;
use esdb_log::{Replica, State, Unavailable};
use esdb_store::command::Expected;

fn the_log_stops(fault: impl Fn(&Faults) -> &AtomicBool, word: &str) {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let (mut wal, _) = open_on(Arc::new(disk.clone()), dir.path()).unwrap();
    append_entries(&mut wal, 0..1, 10);
    fault(disk.faults()).store(true, Ordering::SeqCst);
    wal.append(vec![entry(1, 10)])
        .unwrap()
        .perform()
        .unwrap_err();
    fault(disk.faults()).store(false, Ordering::SeqCst);
    let syncs = disk.faults().syncs();
    let told = |failure| match failure {
        LogFailure::Stopped(reason) => assert!(reason.contains(word), "{reason}"),
        other => panic!("{other}"),
    };
    told(wal.append(vec![entry(1, 10)]).unwrap_err());
    told(wal.reserve(10).unwrap_err());
    told(wal.truncate(0).unwrap_err());
    told(wal.purge(entry(0, 10).at).unwrap_err());
    assert_eq!(wal.progress().durable_next(), 1);
    assert_eq!(disk.faults().syncs(), syncs, "nothing is synced again");
}

#[test]
fn the_log_stops_at_a_failed_fsync() {
    the_log_stops(|faults| &faults.failing_syncs, "fsync");
}

#[test]
fn the_log_stops_at_a_short_write() {
    the_log_stops(|faults| &faults.short_writes, "write");
}

fn the_store_stops(fault: impl Fn(&Faults) -> &AtomicBool) {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let replica = Replica::open(dir.path(), options(&disk)).unwrap();
    append_one(&replica, "s", b"safe");
    disk.faults().hold_syncs();
    let (_, first) = submit(&replica, append("s", Expected::Any, 1, b"doomed"));
    disk.faults().await_held_sync();
    let (_, second) = submit(&replica, append("s", Expected::Any, 1, b"queued"));
    fault(disk.faults()).store(true, Ordering::SeqCst);
    disk.faults().release_syncs();
    for receiver in [first, second] {
        stopped(common::store::await_answer(&receiver).unwrap_err());
    }
    fault(disk.faults()).store(false, Ordering::SeqCst);
    let syncs = disk.faults().syncs();
    stopped(call(&replica, append("s", Expected::Any, 1, b"late")).unwrap_err());
    assert!(
        matches!(replica.status().state, State::Stopped(reason) if reason.contains("log failed"))
    );
    assert_eq!(
        read(&replica, "s").len(),
        1,
        "what was not acknowledged is not shown either"
    );
    replica.shutdown();
    assert_eq!(disk.faults().syncs(), syncs, "nothing is synced again");
    drop(replica);
    let replica = open(dir.path());
    let found = read(&replica, "s");
    assert_eq!(found.first(), Some(&common::store::binary(b"safe")));
    append_one(&replica, "s", b"again");
}

fn stopped(refusal: Unavailable) {
    let Unavailable::Stopped(reason) = refusal else {
        panic!("{refusal}")
    };
    assert!(reason.contains("log failed"), "{reason}");
}

#[test]
fn the_store_stops_at_a_failed_fsync() {
    the_store_stops(|faults| &faults.failing_syncs);
}
