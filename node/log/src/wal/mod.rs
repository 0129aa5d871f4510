//! The write-ahead log: a directory of segments and one small `meta` file.
//!
//! [`Wal`] keeps its books in memory and decides where bytes go; the writing and syncing of an append
//! is handed out as a [`Write`], so that it can happen on another thread. There is one append at a
//! time: the next is staged when the one before is durable.
//!
//! # Layout
//! - [`record`], [`segment`], [`meta`]: the three formats
//! - [`end`]: a witness of where the log ends
//! - [`scan`]: telling nothing, a torn tail and damage apart
//! - `open`: opening, creating, completing what a crash interrupted
//! - `write`: reserving, appending, truncating, purging; `grow`: the next segment
//! - `read`: entries by index
//! - [`error`]: why a log does not open, and why it stops

pub mod end;
pub mod error;
mod grow;
pub mod meta;
mod open;
mod read;
pub mod record;
pub mod scan;
pub mod segment;
mod write;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

pub use self::error::{LogFailure, WalError};
pub use self::scan::TornTail;
pub use self::write::Write;

use self::end::EndFile;
use self::meta::Meta;
use self::segment::{Blank, Segment};
use crate::stopwatch::Stopwatch;
use esdb_disk::Disk;

/// Identity of a log entry: which leader gave it, and its place in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The leader's term.
    pub term: u64,
    /// The leader.
    pub node: u64,
    /// Place in the log, gapless from 0.
    pub index: u64,
}

/// A vote of this node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ballot {
    /// Term voted in.
    pub term: u64,
    /// Node voted for.
    pub node: u64,
    /// The node is known to have won.
    pub committed: bool,
}

/// What an entry is. The number is the byte on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: a new leader's first entry.
    Blank = 1,
    /// A batch of commands, as `esdb_store::batch` builds it.
    Batch = 2,
    /// The members of the group.
    Membership = 3,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Blank),
            2 => Some(Self::Batch),
            3 => Some(Self::Membership),
            _ => None,
        }
    }
}

/// A log entry. Clones share the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which one.
    pub at: Position,
    /// What it is.
    pub kind: Kind,
    /// Its bytes, as the kind demands.
    pub payload: Bytes,
}

/// Sizes of a log, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct WalOptions {
    /// Size of the first segment; each further one is twice as large as the one before.
    pub first_segment: u64,
    /// Where doubling ends. A larger entry still gets a segment that holds it.
    pub largest_segment: u64,
    /// Recent payloads kept in memory, so that what was just written is not read back.
    pub recent_bytes: usize,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self {
            first_segment: 256 << 10,
            largest_segment: 64 << 20,
            recent_bytes: 8 << 20,
        }
    }
}

/// What is true of a log on every thread: how far it is durable, and whether it stopped.
#[derive(Debug, Default)]
pub struct Progress {
    durable_next: AtomicU64,
    syncs: AtomicU64,
    writing: Stopwatch,
    stopped: Mutex<Option<String>>,
}

impl Progress {
    /// Every entry with a lower index is durable.
    pub fn durable_next(&self) -> u64 {
        self.durable_next.load(Ordering::Acquire)
    }

    /// Number of fsyncs of appends since the log was opened.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Time spent with writing and syncing appends since the log was opened.
    pub fn writing(&self) -> Duration {
        self.writing.total()
    }

    /// Time that the last append took to be written and synced.
    pub fn last_write(&self) -> Duration {
        self.writing.last()
    }

    /// Why the log stopped, if it did.
    pub fn stopped(&self) -> Option<String> {
        self.stopped.lock().clone()
    }

    /// Stops the log for good. The first reason stays.
    pub fn stop(&self, reason: String) {
        self.stopped.lock().get_or_insert(reason);
    }
}

/// An open log.
#[derive(Debug)]
pub struct Wal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: WalOptions,
    meta: Meta,
    /// Oldest first, never empty; the last is written to.
    segments: VecDeque<Segment>,
    /// The next segment, when it is prepared beforehand.
    spare: Spare,
    /// None if it cannot be written; the log does without.
    end: Option<Arc<EndFile>>,
    last: Option<Position>,
    /// The newest entries, gapless up to the last; everything that is not durable is among them.
    recent: VecDeque<Entry>,
    recent_bytes: usize,
    progress: Arc<Progress>,
}

/// A segment that is prepared on another thread, so that no append waits for 64 MiB of zeros.
#[derive(Debug, Default)]
enum Spare {
    #[default]
    None,
    Coming(std::thread::JoinHandle<std::io::Result<Blank>>),
}

impl Wal {
    /// The last entry, or the last purged one if there is none.
    pub fn last(&self) -> Option<Position> {
        self.last
    }

    /// The last purged entry.
    pub fn purged(&self) -> Option<Position> {
        self.meta.purged
    }

    /// The vote that was saved last.
    pub fn vote(&self) -> Option<Ballot> {
        self.meta.vote
    }

    /// What other threads may know of this log.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Bytes of all segment files.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }

    /// Number of segment files.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Index of the first entry that can be read, if there is one.
    pub fn first_index(&self) -> u64 {
        let first = self
            .segments
            .front()
            .map_or(0, |segment| segment.first_index);
        self.meta
            .purged
            .map_or(first, |purged| first.max(purged.index + 1))
    }

    /// Index the next entry must have.
    pub fn next_index(&self) -> u64 {
        self.segments.back().map_or(0, Segment::next_index)
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        // Whoever opens the directory next must not meet a thread that still writes to it.
        drop(self.take_spare());
    }
}
