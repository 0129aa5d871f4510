//! What is submitted while a batch is on its way to disk shares the next fsync.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::faults::FaultyDisk;
use common::store::{append, append_one, await_answer, options, read, submit};
use esdb_log::Replica;
use esdb_store::command::Expected;

#[test]
fn a_hundred_submissions_and_one_fsync() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let replica = Replica::open(dir.path(), options(&disk)).unwrap();
    append_one(&replica, "s", b"warm");
    let before = replica.status();
    let syncs = disk.faults().syncs();
    disk.faults().hold_syncs();
    let (_, first) = submit(&replica, append("s", Expected::Any, 1, b"first"));
    disk.faults().await_held_sync();
    let others: Vec<_> = (0..100)
        .map(|_| submit(&replica, append("s", Expected::Any, 1, b"other")).1)
        .collect();
    assert!(
        first.try_recv().is_err(),
        "acknowledged before it was durable"
    );
    disk.faults().release_syncs();
    await_answer(&first).unwrap();
    for other in others {
        await_answer(&other).unwrap();
    }
    let after = replica.status();
    assert_eq!(after.batches - before.batches, 2);
    assert_eq!(after.commands - before.commands, 101);
    assert_eq!(after.fsyncs - before.fsyncs, 2);
    assert_eq!(disk.faults().syncs() - syncs, 2);
    assert_eq!(read(&replica, "s").len(), 102);
}
