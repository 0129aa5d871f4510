//! What was acknowledged is there after any end of the store: dropped without shutdown, its directory
//! as it was at any moment under load, or shut down.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use common::copy;
use common::store::{append, append_one, binary, open, read};
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

/// The log's directory is copied while four clients append, file by file, as a crash of the machine
/// may leave it: what had been acknowledged before the copy began must be in it.
#[test]
fn the_directory_at_any_moment_under_load() {
    let dir = tempfile::tempdir().unwrap();
    let base = tempfile::tempdir().unwrap();
    let replica = open(dir.path());
    append_one(&replica, "begin", b"0");
    replica.shutdown();
    drop(replica);
    copy(dir.path(), base.path());

    let replica = open(dir.path());
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged: Vec<Arc<std::sync::atomic::AtomicU64>> =
        (0..4).map(|_| Arc::default()).collect();
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let (replica, stop) = (replica.clone(), Arc::clone(&stop));
            let count = Arc::clone(&acknowledged[client]);
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let n = count.load(Ordering::SeqCst);
                    append_one(&replica, &format!("s{client}"), n.to_string().as_bytes());
                    count.store(n + 1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let images: Vec<_> = (0..12)
        .map(|_| {
            let (progress, before) = (
                Arc::clone(&acknowledged[0]),
                acknowledged[0].load(Ordering::SeqCst),
            );
            common::store::eventually("progress", || progress.load(Ordering::SeqCst) >= before + 5);
            let counts: Vec<_> = acknowledged
                .iter()
                .map(|n| n.load(Ordering::SeqCst))
                .collect();
            let image = tempfile::tempdir().unwrap();
            copy(base.path(), image.path());
            std::fs::remove_dir_all(image.path().join("log")).unwrap();
            copy(&dir.path().join("log"), &image.path().join("log"));
            (image, counts)
        })
        .collect();
    stop.store(true, Ordering::SeqCst);
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
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
    let whole = std::fs::read(&segment).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for torn in (end - 100..end).step_by(25) {
        let image = tempfile::tempdir().unwrap();
        copy(dir.path(), image.path());
        let mut bytes = whole.clone();
        bytes[torn..].fill(0);
        std::fs::write(image.path().join("log/000000000001.wal"), bytes).unwrap();
        let replica = open(image.path());
        assert_eq!(read(&replica, "s").len(), 1);
        assert!(replica.status().torn_tail.is_some());
        assert_eq!(append_one(&replica, "s", b"next"), 1);
    }
}
