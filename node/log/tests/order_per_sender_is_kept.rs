//! What one thread submits is applied and answered in that order; `settle` waits for exactly it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::faults::FaultyDisk;
use common::store::{append, binary, open, options, read, submit};
use esdb_log::Replica;
use esdb_store::Outcome;
use esdb_store::command::Expected;
use parking_lot::Mutex;

#[test]
fn of_many_senders_at_once() {
    let dir = tempfile::tempdir().unwrap();
    order_is_kept(&open(dir.path()));
}

/// What waits is more than goes into one batch.
#[test]
fn of_many_senders_in_many_batches() {
    let whole = options(&FaultyDisk::default());
    let (mut few, mut small) = (whole.clone(), whole);
    few.max_batch_commands = 3;
    small.max_batch_bytes = 500;
    for options in [few, small] {
        let dir = tempfile::tempdir().unwrap();
        order_is_kept(&Replica::open(dir.path(), options).unwrap());
    }
}

fn order_is_kept(replica: &Replica) {
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let replica = replica.clone();
            std::thread::spawn(move || {
                let (answers, versions) = mpsc::channel();
                for n in 0..200 {
                    let command = append(
                        &format!("s{sender}"),
                        Expected::Any,
                        1,
                        n.to_string().as_bytes(),
                    );
                    let answers = answers.clone();
                    replica.submit(
                        command,
                        None,
                        Box::new(move |answer, _| drop(answers.send(answer))),
                    );
                }
                for n in 0..200 {
                    let answer = versions.recv_timeout(Duration::from_secs(20)).unwrap();
                    assert!(
                        matches!(answer, Ok(Outcome::Appended { version, .. }) if version == n)
                    );
                }
            })
        })
        .collect();
    senders
        .into_iter()
        .for_each(|sender| sender.join().unwrap());
    let expected: Vec<_> = (0..200)
        .map(|n: u32| binary(n.to_string().as_bytes()))
        .collect();
    for sender in 0..8 {
        assert!(read(replica, &format!("s{sender}")) == expected);
    }
}

#[test]
fn a_view_taken_in_done_shows_the_effect_and_more_ends_with_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let replica = Replica::open(dir.path(), options(&disk)).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let submit = || {
        let (seen, inner) = (Arc::clone(&seen), replica.clone());
        let done = move |answer, more| {
            let Ok(Outcome::Appended { version, .. }) = answer else {
                panic!("{answer:?}")
            };
            let shown = inner.view().version(b"s").unwrap();
            seen.lock().push((version, shown >= Some(version), more));
        };
        replica.submit(append("s", Expected::Any, 1, b"x"), None, Box::new(done))
    };
    disk.faults().hold_syncs();
    submit();
    disk.faults().await_held_sync();
    submit();
    submit();
    let last = submit();
    assert!(!replica.settled(last));
    disk.faults().release_syncs();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(replica.settle(last));
    assert!(replica.settled(last));
    let expected = [
        (0, true, false),
        (1, true, true),
        (2, true, true),
        (3, true, false),
    ];
    assert_eq!(*seen.lock(), expected);
}

#[test]
fn settle_waits_for_what_was_submitted_before_and_not_for_what_came_later() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let replica = Replica::open(dir.path(), options(&disk)).unwrap();
    let (first, answer) = submit(&replica, append("s", Expected::Any, 1, b"x"));
    common::store::await_answer(&answer).unwrap();
    disk.faults().hold_syncs();
    let (second, _answer) = submit(&replica, append("s", Expected::Any, 1, b"y"));
    disk.faults().await_held_sync();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(replica.settle(first));
    assert!(first < second && !replica.settled(second));
    disk.faults().release_syncs();
    runtime.block_on(replica.settle(second));
    assert_eq!(read(&replica, "s").len(), 2);
}
