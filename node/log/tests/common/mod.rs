//! What the tests share: a disk that fails on demand, and logs to try it on.
#![allow(dead_code, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod faults;
pub mod store;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use esdb_log::wal::{Entry, Kind, Position, Wal};
use esdb_log::{Disk, RealDisk, TornTail, WalError, WalOptions};

pub const UUID: [u8; 16] = [0xe5; 16];

/// Segments so small that a few entries fill one; nothing is kept in memory that need not be.
pub const SMALL: WalOptions = WalOptions {
    first_segment: 4096,
    largest_segment: 16_384,
    recent_bytes: 0,
};

pub fn open(dir: &Path) -> Result<(Wal, Option<TornTail>), WalError> {
    open_on(Arc::new(RealDisk), dir)
}

pub fn open_on(disk: Arc<dyn Disk>, dir: &Path) -> Result<(Wal, Option<TornTail>), WalError> {
    Wal::open(disk, dir, UUID, SMALL)
}

/// The entry `index`; its payload depends on the index and has `length` bytes.
pub fn entry(index: u64, length: usize) -> Entry {
    let at = Position {
        term: 1,
        node: 1,
        index,
    };
    let payload: Vec<u8> = (0..length)
        .map(|n| (n as u64 * 31 + index) as u8 | 1)
        .collect();
    Entry {
        at,
        kind: Kind::Batch,
        payload: Bytes::from(payload),
    }
}

/// Appends entries `range` as one append and makes them durable.
pub fn append(wal: &mut Wal, range: std::ops::Range<u64>, length: usize) {
    let entries = range.map(|index| entry(index, length)).collect();
    wal.append(entries).unwrap().perform().unwrap();
}

/// Checks that the log holds exactly the entries `range`.
pub fn assert_holds(wal: &Wal, range: std::ops::Range<u64>, length: usize) {
    let expected: Vec<Entry> = range.clone().map(|index| entry(index, length)).collect();
    assert!(
        wal.read(0..u64::MAX, usize::MAX).unwrap() == expected,
        "not the entries {range:?}"
    );
}

/// A copy of a directory as it is at this moment.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).unwrap();
        }
    }
}
