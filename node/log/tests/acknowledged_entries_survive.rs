//! What was acknowledged is there after any end of the store: dropped without shutdown, its directory
//! as it was at any moment under load, or shut down.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::{fs, thread};

use common::copy;
use common::faults::FaultyDisk;
use common::store::{append, append_one, binary, eventually, open, options, read};
use esdb_log::Replica;
use esdb_store::command::Expected;

fn numbered(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(|n| binary(n.to_string().as_bytes())).collect()
}

#[test]
fn dropped_without_a_shutdown() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let replica = open(dir.path());
        assert!(
            read(&replica, "s") == numbered(0..round * 20),
            "before round {round}"
        );
        for n in round * 20..(round + 1) * 20 {
            assert_eq!(append_one(&replica, "s", n.to_string().as_bytes()), n);
        }
        drop(replica);
    }
    assert!(read(&open(dir.path()), "s") == numbered(0..60));
}

#[test]
fn shut_down() {
    let dir = tempfile::tempdir().unwrap();
    let replica = open(dir.path());
    append_one(&replica, "s", b"0");
    replica.shutdown();
    replica.shutdown();
    drop(replica);
    let replica = open(dir.path());
    assert!(read(&replica, "s") == numbered(0..1));
    assert_eq!(replica.status().replayed, 0);
}

/// The directory is copied while four clients append and an fsync is under way, at moments spread
/// over several segments; every other copy loses what had been written but not synced.
#[test]
fn the_directory_at_any_moment_under_load() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let mut options = options(&disk);
    (options.wal.first_segment, options.wal.largest_segment) = (8 << 10, 16 << 10);
    let replica = Replica::open(dir.path(), options).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let counts: [Arc<AtomicU64>; 4] = Default::default();
    let clients = counts.iter().enumerate().map(|(client, count)| {
        let (replica, stop, count) = (replica.clone(), Arc::clone(&stop), Arc::clone(count));
        thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let n = count.load(Ordering::SeqCst);
                append_one(&replica, &format!("s{client}"), n.to_string().as_bytes());
                count.store(n + 1, Ordering::SeqCst);
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let acknowledged = || counts.each_ref().map(|count| count.load(Ordering::SeqCst));
    let images = (0..12).map(|nth| {
        let before = acknowledged().iter().sum::<u64>();
        eventually("progress", || {
            acknowledged().iter().sum::<u64>() >= before + 100
        });
        disk.faults().hold_syncs();
        disk.faults().await_held_sync();
        let (image, counts) = (tempfile::tempdir().unwrap(), acknowledged());
        copy(dir.path(), image.path());
        if nth % 2 == 1 {
            lose_unsynced(&image.path().join("log"));
        }
        disk.faults().release_syncs();
        (image, counts)
    });
    let images: Vec<_> = images.collect();
    stop.store(true, Ordering::SeqCst);
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
    assert!(replica.status().wal_segments > 1);
    drop(replica);
    for (image, counts) in images {
        let replica = open(image.path());
        for (client, count) in counts.into_iter().enumerate() {
            let found = read(&replica, &format!("s{client}"));
            assert!(
                found.len() as u64 >= count,
                "{} of {count} are left",
                found.len()
            );
            assert!(
                found == numbered(0..found.len() as u64),
                "in order, each once"
            );
        }
    }
}

/// Zeros the last record of the newest segment, which is the one whose fsync was held.
fn lose_unsynced(log: &Path) {
    let files = fs::read_dir(log).unwrap().map(|item| item.unwrap().path());
    let newest = files
        .filter(|path| path.extension().is_some_and(|e| e == "wal"))
        .max()
        .unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    let (mut offset, mut last) = (64, None);
    while let Some(header) = bytes.get(offset..offset + 4).filter(|h| *h != [0; 4]) {
        let length = u32::from_le_bytes(header.try_into().unwrap()) as usize;
        last = Some(offset);
        offset += 48 + length.next_multiple_of(8);
    }
    if let Some(last) = last {
        bytes[last..].fill(0);
        fs::write(newest, bytes).unwrap();
    }
}

/// A batch of events is there as a whole or not at all, wherever its record was torn.
#[test]
fn a_torn_batch_leaves_no_part_behind() {
    let dir = tempfile::tempdir().unwrap();
    let replica = open(dir.path());
    append_one(&replica, "s", b"0");
    let (sender, receiver) = mpsc::channel();
    let done = Box::new(move |answer, _| drop(sender.send(answer)));
    replica.submit(append("s", Expected::Any, 10, b"x"), None, done);
    receiver.recv().unwrap().unwrap();
    drop(replica);
    let segment = dir.path().join("log/000000000001.wal");
    let whole = fs::read(&segment).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for torn in (end - 100..end).step_by(25) {
        let image = tempfile::tempdir().unwrap();
        copy(dir.path(), image.path());
        let mut bytes = whole.clone();
        bytes[torn..].fill(0);
        fs::write(image.path().join("log/000000000001.wal"), bytes).unwrap();
        let replica = open(image.path());
        assert_eq!(read(&replica, "s").len(), 1);
        assert!(replica.status().torn_tail.is_some());
        assert_eq!(append_one(&replica, "s", b"next"), 1);
    }
}
