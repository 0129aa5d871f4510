//! What a log holds beyond the last checkpoint is applied in pieces when the store is opened: memory is
//! taken for what the store keeps, within its budget, and not for the log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs;

use common::faults::FaultyDisk;
use common::store::{append, append_one, call, options, read};
use esdb_log::{Options, Replica, WalOptions};
use esdb_store::{Expected, Outcome};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Little memory for everything but what is being tested.
fn small() -> Options {
    let mut options = options(&FaultyDisk::default());
    options.store.cache_bytes = MIB;
    options.wal = WalOptions {
        recent_bytes: 0,
        largest_segment: 4 << 20, // One at a time is read as a whole.
        ..WalOptions::default()
    };
    options
}

/// By how much the process's memory was larger during `work` than before, at most.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let field = |name: &str| {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<usize>()
            .unwrap()
            * KIB
    };
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = field("VmRSS:");
    let result = work();
    (field("VmHWM:").saturating_sub(before), result)
}

#[test]
fn refused_appends_and_a_full_memtable() {
    let dir = tempfile::tempdir().unwrap();
    let mut large = small();
    large.store.memtable_bytes = 1 << 30;
    let replica = Replica::open(dir.path(), large).unwrap();
    append_one(&replica, "s", b"first");
    let data = vec![7; MIB];
    for _ in 0..24 {
        let refused = call(&replica, append("s", Expected::NoStream, 1, &data)).unwrap();
        assert!(
            matches!(refused, Outcome::WrongVersion { .. }),
            "{refused:?}"
        );
    }
    let data = vec![7; 256 * KIB];
    for _ in 0..96 {
        append_one(&replica, "s", &data);
    }
    drop(replica); // As a crash would: without a checkpoint.
    let mut options = small();
    options.store.memtable_bytes = 2 * MIB;
    let (peak, replica) = peak(|| Replica::open(dir.path(), options).unwrap());
    assert!(replica.status().replayed >= 121);
    assert_eq!(read(&replica, "s").len(), 97);
    assert!(peak < 24 * MIB, "{} MiB for a log of 48 MiB", peak / MIB);
}
