//! What an operator may ask.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::wal::TornTail;

/// Whether a member does its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It does.
    Serving,
    /// It acknowledges nothing any more, for this reason.
    Stopped(String),
}

/// How a member is. Counts begin when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Whether it serves.
    pub state: State,
    /// Index of the last entry of the log.
    pub last_index: Option<u64>,
    /// Index of the last applied entry.
    pub applied_index: Option<u64>,
    /// Index of the last entry that the durable checkpoint holds.
    pub checkpoint_index: Option<u64>,
    /// What was cut off at the end of the log when it was opened.
    pub torn_tail: Option<TornTail>,
    /// Bytes of the log's segment files.
    pub wal_bytes: u64,
    /// Number of segment files.
    pub wal_segments: usize,
    /// Commands that wait for a batch.
    pub queued: usize,
    /// Their bytes.
    pub queued_bytes: usize,
    /// Fsyncs of appends to the log.
    pub fsyncs: u64,
    /// Batches applied.
    pub batches: u64,
    /// Commands in them.
    pub commands: u64,
    /// Entries of the log that were applied at open, because no checkpoint held them.
    pub replayed: u64,
    /// Bytes of memory that hold what no checkpoint does, about.
    pub memtable_bytes: usize,
    /// Whether a checkpoint is being written, or the log below one let go.
    pub checkpointing: bool,
    /// Checkpoints completed.
    pub checkpoints: u64,
    /// Why the last checkpoint failed, until one succeeds.
    pub checkpoint_error: Option<String>,
}

/// Counts that only grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    batches: AtomicU64,
    commands: AtomicU64,
    replayed: AtomicU64,
}

impl Counters {
    pub fn applied(&self, commands: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.commands.fetch_add(commands as u64, Ordering::Relaxed);
    }

    pub fn set_replayed(&self, entries: u64) {
        self.replayed.store(entries, Ordering::Relaxed);
    }

    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    pub fn commands(&self) -> u64 {
        self.commands.load(Ordering::Relaxed)
    }

    pub fn replayed(&self) -> u64 {
        self.replayed.load(Ordering::Relaxed)
    }
}
