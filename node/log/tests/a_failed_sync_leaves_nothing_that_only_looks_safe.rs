//! After a failed fsync the system counts what it could not write as written: it still shows the bytes, and
//! the next fsync says that all is well. A server that is started again and finds a whole record there
//! must not build upon it unless it has written it anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{append, assert_holds, entry, open_on};
use esdb_testing::crash::Walk;
use esdb_testing::disk::{Image, MemoryDisk};

const LENGTH: usize = 700;

#[test]
fn what_a_start_finds_survives_a_power_cut() {
    let dir = Path::new("/store/log");
    // The entries of the append that fails: one, or several.
    for end in [5, 7] {
        let base = Image::with_directory(Path::new("/store"));
        let disk = MemoryDisk::traced(base.clone());
        let (mut wal, _) = open_on(Arc::new(disk.clone()), dir).unwrap();
        (0..4).for_each(|index| append(&mut wal, index..index + 1, LENGTH));
        let entries = (4..end).map(|index| entry(index, LENGTH)).collect();
        let write = wal.append(entries).unwrap();
        disk.fail_next_sync();
        write
            .perform()
            .expect_err("acknowledged what is not durable");
        drop(wal);
        let (mut wal, _) = open_on(Arc::new(disk.clone()), dir).unwrap();
        let found = wal.next_index();
        assert!((4..=end).contains(&found));
        append(&mut wal, found..found + 1, LENGTH);
        drop(wal);
        let mut walk = Walk::from(base);
        disk.trace().iter().for_each(|step| walk.take(step));
        let left = MemoryDisk::from(walk.lost());
        let (wal, torn) = open_on(Arc::new(left), dir).unwrap();
        assert_eq!(torn, None);
        assert_holds(&wal, 0..found + 1, LENGTH);
    }
}
