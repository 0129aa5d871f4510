//! Opening applies the entries behind the last checkpoint, and no others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::store::{append_one, open, read};

#[test]
fn after_a_shutdown_nothing_and_after_a_crash_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let replica = open(dir.path());
    for _ in 0..30 {
        append_one(&replica, "s", b"before");
    }
    replica.shutdown();
    let checkpoint = replica.status().checkpoint_index.unwrap();
    drop(replica);

    let replica = open(dir.path());
    assert_eq!(replica.status().replayed, 0);
    assert_eq!(replica.status().checkpoint_index, Some(checkpoint));
    for _ in 0..7 {
        append_one(&replica, "s", b"after");
    }
    // Leading again wrote nothing: each entry since is one of ours.
    assert_eq!(replica.status().last_index, Some(checkpoint + 7));
    drop(replica);

    let replica = open(dir.path());
    assert_eq!(replica.status().replayed, 7);
    assert_eq!(read(&replica, "s").len(), 37);
    assert_eq!(append_one(&replica, "s", b"more"), 37);
}

/// A crash between winning an election and the first entry of the new leader.
#[test]
fn a_victory_cut_short_is_won_again() {
    let dir = tempfile::tempdir().unwrap();
    let replica = open(dir.path());
    append_one(&replica, "s", b"x");
    let uuid = replica.uuid();
    drop(replica);
    let log = dir.path().join("log");
    let disk = std::sync::Arc::new(esdb_log::RealDisk);
    let (mut wal, _) = esdb_log::wal::Wal::open(disk, &log, uuid, Default::default()).unwrap();
    let vote = wal.vote().unwrap();
    wal.save_vote(esdb_log::wal::Ballot {
        term: vote.term + 1,
        ..vote
    })
    .unwrap();
    drop(wal);
    let replica = open(dir.path());
    assert_eq!(read(&replica, "s").len(), 1);
    assert_eq!(append_one(&replica, "s", b"y"), 1);
}
