//! Two servers never use one directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::process;

use common::faults::FaultyDisk;
use common::store::{append_one, open, options};
use esdb_log::{OpenError, Replica};

#[test]
fn while_the_first_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = Replica::open(dir.path(), options(&FaultyDisk::default())).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    let text = error.to_string();
    let file = dir.path().join("LOCK").display().to_string();
    assert!(
        text.contains(&file) && text.contains("another server"),
        "{text}"
    );
    assert!(
        text.contains(&format!("process {}", process::id())),
        "{text}"
    );
    append_one(&first, "s", b"the first is not disturbed");
    drop(first);
    append_one(&open(dir.path()), "s", b"free again");
}

#[test]
fn a_log_and_a_store_that_do_not_belong_together_are_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&one, &other] {
        append_one(&open(dir.path()), "s", b"x");
    }
    std::fs::remove_dir_all(one.path().join("log")).unwrap();
    common::copy(&other.path().join("log"), &one.path().join("log"));
    let error = Replica::open(one.path(), options(&FaultyDisk::default())).unwrap_err();
    assert!(
        error.to_string().contains("belongs to the store"),
        "{error}"
    );
}

#[test]
fn a_log_that_ends_before_the_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let replica = open(dir.path());
    append_one(&replica, "s", b"x");
    replica.shutdown();
    drop(replica);
    std::fs::remove_dir_all(dir.path().join("log")).unwrap();
    let error = Replica::open(dir.path(), options(&FaultyDisk::default())).unwrap_err();
    assert!(
        matches!(error, OpenError::Mismatch { next: 0, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("backup"), "{error}");
}
