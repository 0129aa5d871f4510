//! What the tests of the store share: events made of small terms, and a store with its log.
#![allow(dead_code, unused_imports, missing_docs)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

pub mod failing;

use esdb_disk::{Disk, RealDisk};
use esdb_store::{Expected, LogPosition, Options, Outcome, Store, batch};
use esdb_testing::disk::MemoryDisk;
use std::path::Path;
use std::sync::Arc;

pub use esdb_testing::event::{Event, Seen, append, binary, collect, delete, events, tags};
pub use esdb_testing::record::{Kept, kept, put, records, remove};

/// A store, the log that feeds it, and the directory in which it lies.
pub struct Logged {
    pub disk: Arc<dyn Disk>,
    pub dir: tempfile::TempDir,
    pub store: Store,
    pub log: Vec<(LogPosition, bytes::Bytes)>,
    pub clock: u64,
}

pub fn open(dir: &Path) -> Store {
    open_on(Arc::new(RealDisk), dir)
}

fn open_on(disk: Arc<dyn Disk>, dir: &Path) -> Store {
    let options = Options {
        cache_bytes: 4 << 20,
        ..Options::default()
    };
    Store::open_on(disk, dir, options).unwrap()
}

impl Logged {
    pub fn new() -> Self {
        Self::on(Arc::new(RealDisk))
    }

    /// On a disk that costs no time.
    pub fn in_memory() -> Self {
        Self::on(Arc::new(MemoryDisk::default()))
    }

    fn on(disk: Arc<dyn Disk>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open_on(Arc::clone(&disk), dir.path());
        Self {
            disk,
            dir,
            store,
            log: Vec::new(),
            clock: 1_000_000,
        }
    }

    /// Applies commands as one entry.
    pub fn apply(&mut self, commands: &[Vec<u8>]) -> Vec<Outcome> {
        let mut builder = batch::Builder::new(self.clock);
        commands.iter().for_each(|command| builder.push(command));
        let at = LogPosition {
            term: 1,
            node: 1,
            index: self.log.len() as u64 + 1,
        };
        let batch = builder.finish();
        self.log.push((at, batch.clone()));
        self.store.apply(at, batch).unwrap()
    }

    pub fn append(&mut self, stream: &str, expected: Expected, events: &[Event]) -> Outcome {
        self.apply(&[append(stream, expected, events)])[0]
    }

    pub fn delete(&mut self, stream: &str) -> Outcome {
        self.apply(&[delete(stream)])[0]
    }

    /// Closes the store, opens it again, and applies what it does not hold from the log.
    pub fn reopen(self) -> Self {
        self.reopen_after(|_| {})
    }

    /// As [`Logged::reopen`], with something done to the directory between.
    pub fn reopen_after(self, between: impl FnOnce(&Path)) -> Self {
        let Self {
            disk,
            dir,
            store,
            log,
            clock,
        } = self;
        drop(store);
        between(dir.path());
        let store = open_on(Arc::clone(&disk), dir.path());
        let held = store.applied().last.map_or(0, |last| last.index);
        for (at, batch) in log.iter().filter(|(at, _)| at.index > held) {
            store.apply(*at, batch.clone()).unwrap();
        }
        Self {
            disk,
            dir,
            store,
            log,
            clock,
        }
    }
}
