//! A command that was taken back before it entered a batch is not executed, and those around it are.
//! Also here: the other refusals that promise that nothing was executed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::mpsc;

use common::faults::FaultyDisk;
use common::store::{append, await_answer, binary, options, read, submit};
use esdb_log::{Cancel, Replica, Unavailable};
use esdb_store::command::Expected;

#[test]
fn when_taken_back_while_they_wait() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let replica = Replica::open(dir.path(), options(&disk)).unwrap();
    disk.faults().hold_syncs();
    let (_, first) = submit(&replica, append("s", Expected::Any, 1, b"first"));
    disk.faults().await_held_sync();
    let cancel = Cancel::default();
    let (sender, cancelled) = mpsc::channel();
    let done = Box::new(move |answer, _| drop(sender.send(answer)));
    let command = append("s", Expected::Any, 1, b"cancelled");
    replica.submit(command, Some(cancel.clone()), done);
    let (last, third) = submit(&replica, append("s", Expected::Any, 1, b"third"));
    cancel.cancel();
    disk.faults().release_syncs();
    await_answer(&first).unwrap();
    assert_eq!(await_answer(&cancelled), Err(Unavailable::Cancelled));
    await_answer(&third).unwrap();
    assert!(replica.settled(last) || replica.status().queued == 0);
    assert_eq!(read(&replica, "s"), [binary(b"first"), binary(b"third")]);
}

#[test]
fn when_all_of_a_batch_are_taken_back_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let replica = Replica::open(dir.path(), options(&disk)).unwrap();
    let before = replica.status();
    let cancel = Cancel::default();
    cancel.cancel();
    let (sender, cancelled) = mpsc::channel();
    let done = Box::new(move |answer, _| drop(sender.send(answer)));
    replica.submit(append("s", Expected::Any, 1, b"x"), Some(cancel), done);
    assert_eq!(await_answer(&cancelled), Err(Unavailable::Cancelled));
    assert_eq!(replica.status().fsyncs, before.fsyncs);
    assert_eq!(replica.status().last_index, before.last_index);
}

#[test]
fn when_the_queue_is_full_or_the_command_too_large() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let mut options = options(&disk);
    options.max_queued_bytes = 10_000;
    options.max_command_bytes = 20_000;
    let replica = Replica::open(dir.path(), options).unwrap();
    disk.faults().hold_syncs();
    let (_, first) = submit(&replica, append("s", Expected::Any, 1, b"first"));
    disk.faults().await_held_sync();
    let (_, second) = submit(&replica, append("s", Expected::Any, 1, &[b'x'; 9_000]));
    let (ticket, third) = submit(&replica, append("s", Expected::Any, 1, &[b'x'; 9_000]));
    assert_eq!(await_answer(&third), Err(Unavailable::Overloaded));
    let (_, large) = submit(&replica, append("s", Expected::Any, 1, &[b'x'; 30_000]));
    assert!(matches!(
        await_answer(&large),
        Err(Unavailable::TooLarge { limit: 20_000, .. })
    ));
    assert!(
        !replica.settled(ticket),
        "a refusal settles nothing that waits"
    );
    disk.faults().release_syncs();
    await_answer(&first).unwrap();
    await_answer(&second).unwrap();
    assert_eq!(read(&replica, "s").len(), 2);
}

#[test]
fn when_the_store_ends_every_waiting_one_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let replica = Replica::open(dir.path(), options(&disk)).unwrap();
    disk.faults().hold_syncs();
    let answers: Vec<_> = (0..50)
        .map(|_| submit(&replica, append("s", Expected::Any, 1, b"x")).1)
        .collect();
    disk.faults().await_held_sync();
    let releasing = {
        let disk = disk.clone();
        std::thread::spawn(move || disk.faults().release_syncs())
    };
    drop(replica);
    releasing.join().unwrap();
    for answer in answers {
        match await_answer(&answer) {
            Ok(_) => {}
            Err(Unavailable::Stopped(reason)) => assert!(reason.contains("dropped"), "{reason}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_receiver_that_panics_harms_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let replica = Replica::open(dir.path(), options(&disk)).unwrap();
    let panics = Box::new(|_, _| panic!("a bug of the receiver, which this test causes"));
    let ticket = replica.submit(append("s", Expected::Any, 1, b"x"), None, panics);
    let (_, answer) = submit(&replica, append("s", Expected::Any, 1, b"y"));
    await_answer(&answer).unwrap();
    assert!(replica.settled(ticket));
}
