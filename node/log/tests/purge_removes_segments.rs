//! When a checkpoint is durable, the segments below it are gone from the disk, in a running store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::path::Path;
use std::sync::atomic::Ordering;

use common::faults::FaultyDisk;
use common::store::{append_one, eventually, open, options, read};
use esdb_log::Replica;

fn segments(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir.join("log")).unwrap();
    let names = names.map(|item| item.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".wal")).collect();
    names.sort();
    names
}

#[test]
fn of_a_running_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(&FaultyDisk::default());
    options.store.memtable_bytes = 1 << 20;
    let replica = Replica::open(dir.path(), options).unwrap();
    let data = vec![b'x'; 50_000];
    let mut appended = 0;
    while replica.status().checkpoints == 0 {
        append_one(&replica, "s", &data);
        appended += 1;
        assert!(
            appended < 2000,
            "no checkpoint in spite of {appended} appends"
        );
    }
    assert!(appended > 10, "the budget of the memtable does not count");
    let checkpoint = replica.status().checkpoint_index.unwrap();
    assert!(checkpoint > 10);
    eventually("the first segments are gone", || {
        !segments(dir.path()).contains(&"000000000001.wal".into())
    });
    eventually("little of the log is left", || {
        replica.status().wal_bytes < 3 << 20
    });
    let sizes = segments(dir.path()).into_iter().map(|name| {
        std::fs::metadata(dir.path().join("log").join(name))
            .unwrap()
            .len()
    });
    assert_eq!(sizes.sum::<u64>(), replica.status().wal_bytes);
    append_one(&replica, "s", &data);
    drop(replica);
    assert_eq!(read(&open(dir.path()), "s").len(), appended + 1);
}

#[test]
fn of_a_store_that_was_shut_down() {
    let dir = tempfile::tempdir().unwrap();
    let replica = open(dir.path());
    let data = vec![b'x'; 50_000];
    for _ in 0..20 {
        append_one(&replica, "s", &data);
    }
    assert!(segments(dir.path()).len() > 1);
    replica.shutdown();
    assert_eq!(segments(dir.path()).len(), 1, "{:?}", segments(dir.path()));
    assert!(replica.status().wal_bytes <= 64 << 10);
    drop(replica);
    assert_eq!(read(&open(dir.path()), "s").len(), 20);
}

/// A crash, or a full disk, may come between a checkpoint and the purge that it allows.
#[test]
fn of_a_store_that_did_not_come_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let replica = Replica::open(dir.path(), options(&disk)).unwrap();
    let data = vec![b'x'; 50_000];
    for _ in 0..20 {
        append_one(&replica, "s", &data);
    }
    disk.faults().full_for_meta.store(true, Ordering::SeqCst);
    replica.shutdown();
    assert!(segments(dir.path()).len() > 1, "nothing to make up for");
    drop(replica);
    disk.faults().full_for_meta.store(false, Ordering::SeqCst);
    let replica = Replica::open(dir.path(), options(&disk)).unwrap();
    eventually("the log is purged without another checkpoint", || {
        replica.status().wal_bytes <= 64 << 10
    });
    assert_eq!(replica.status().checkpoints, 0);
    append_one(&replica, "s", &data);
    drop(replica);
    assert_eq!(read(&open(dir.path()), "s").len(), 21);
}
