//! What an operator may ask.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::stopwatch::Stopwatch;
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
    /// Where the time of these batches went.
    pub spent: Spent,
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
    /// The last error of the operating system over the database's file since the store was opened.
    pub disk_error: Option<String>,
    /// How far the clock is behind the time of the last event, if that is more than a second. New
    /// events get that time and a microsecond each, until the clock has come up with it.
    pub clock_behind: Option<Duration>,
}

/// Time of the store's thread since it was opened. What is left of `batches` is agreement (openraft) and
/// waking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// On batches, from taking the commands to the last answer.
    pub batches: Duration,
    /// Of that, on writing and syncing the log.
    pub disk: Duration,
    /// Of that, on applying.
    pub apply: Duration,
    /// Of that, on answering.
    pub answers: Duration,
}

/// See [`Status::clock_behind`]; both in microseconds since 1970.
pub(super) fn clock_behind(last_us: u64, now_us: u64) -> Option<Duration> {
    let behind = Duration::from_micros(last_us.saturating_sub(now_us));
    (behind > Duration::from_secs(1)).then_some(behind)
}

/// Counts that only grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    batches: AtomicU64,
    commands: AtomicU64,
    replayed: AtomicU64,
    /// From taking commands to the last answer.
    pub batching: Stopwatch,
    pub answering: Stopwatch,
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
