//! A record has at most 1 GiB: no reader believes a longer one. What would not fit is refused before
//! anything is written; acknowledged, it would look like a torn tail at the next start, and be cut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::store::{append_one, call, options};
use common::{append, assert_holds, entry, open};
use esdb_log::wal::{LogFailure, record::MAX_PAYLOAD};
use esdb_log::{RealDisk, Replica, Unavailable};

/// Zeros that nobody touches take no memory.
fn zeros(length: usize) -> Vec<u8> {
    vec![0; length]
}

#[test]
fn a_command_that_no_record_holds() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(&Default::default());
    (options.max_command_bytes, options.disk) = (usize::MAX, Arc::new(RealDisk));
    let replica = Replica::open(dir.path(), options).unwrap();
    let refused = call(&replica, zeros(MAX_PAYLOAD)).unwrap_err();
    assert!(
        matches!(refused, Unavailable::TooLarge { bytes: MAX_PAYLOAD, limit } if limit < MAX_PAYLOAD),
        "{refused}"
    );
    assert_eq!(append_one(&replica, "s", b"goes on"), 0);
}

#[test]
fn an_entry_that_no_record_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(dir.path()).unwrap();
    append(&mut wal, 0..2, 10);
    let mut large = entry(2, 0);
    large.payload = Bytes::from(zeros(MAX_PAYLOAD + 1));
    let refused = wal.append(vec![large]).unwrap_err();
    assert!(matches!(refused, LogFailure::Misuse(_)), "{refused}");
    append(&mut wal, 2..4, 10);
    drop(wal);
    assert_holds(&open(dir.path()).unwrap().0, 0..4, 10);
}
