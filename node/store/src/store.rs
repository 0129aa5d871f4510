//! The store.

use crate::{Applied, LogPosition, Outcome, Stats, StoreError, View};
use bytes::Bytes;
use std::path::Path;

/// What an operator may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes in memory from which on a checkpoint is wanted. Default 64 MiB.
    pub memtable_bytes: usize,
    /// Bytes of the database's page cache. Default 64 MiB.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { memtable_bytes: 64 << 20, cache_bytes: 64 << 20 }
    }
}

/// The state machine of one store: deterministic, without network and without clock.
#[derive(Debug)]
pub struct Store;
impl Store {
    /// Opens the store in `dir`, or creates it.
    pub fn open(dir: &Path, options: Options) -> Result<Store, StoreError> { todo!() }
    /// Random, given at creation.
    pub fn uuid(&self) -> [u8; 16] { todo!() }
    /// How far the log has been applied, in memory.
    pub fn applied(&self) -> Applied { todo!() }
    /// How far the log has been applied, on disk.
    pub fn checkpointed(&self) -> Applied { todo!() }
    /// Applies the entry at `at`; one outcome per command.
    pub fn apply(&self, at: LogPosition, batch: Bytes) -> Result<Vec<Outcome>, StoreError> { todo!() }
    /// Applies an entry without payload.
    pub fn apply_blank(&self, at: LogPosition) { todo!() }
    /// Applies an entry that changes the membership.
    pub fn apply_membership(&self, at: LogPosition, membership: Vec<u8>) { todo!() }
    /// Warms what the batch will need.
    pub fn prefetch(&self, batch: &[u8]) { todo!() }
    /// Whether memory is beyond its budget.
    pub fn wants_checkpoint(&self) -> bool { todo!() }
    /// Whether memory is beyond twice its budget.
    pub fn over_budget(&self) -> bool { todo!() }
    /// Writes a checkpoint.
    pub fn checkpoint(&self) -> Result<Applied, StoreError> { todo!() }
    /// A consistent view of what has been applied.
    pub fn view(&self) -> View { todo!() }
    /// Figures.
    pub fn stats(&self) -> Stats { todo!() }
}
