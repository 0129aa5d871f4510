//! What became of commands, and how far the log has been applied.

/// What became of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The events are recorded, now or by the earlier append of which this one is a retry.
    Appended {
        /// Version of the last event.
        version: u64,
        /// Position of the last event.
        position: u64,
    },
    /// An append of no events.
    Unchanged {
        /// The stream's last version; `None` if there is no such stream.
        current: Option<u64>,
    },
    /// The stream is not where the append expected it.
    WrongVersion {
        /// The stream's last version; `None` if there is no such stream.
        current: Option<u64>,
    },
    /// The stream is gone.
    Deleted {
        /// Whether there was one.
        existed: bool,
    },
    /// The records are as the operations left them.
    Recorded {
        /// When: microseconds since 1970.
        epoch_us: u64,
        /// The position that the next event will get.
        next_position: u64,
        /// Number of operations that found a record under their key.
        existed: u32,
    },
    /// A command that this version does not know, or damaged bytes. Nothing was changed.
    Malformed,
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// The term in which the entry was written.
    pub term: u64,
    /// The node that led then.
    pub node: u64,
    /// The entry's index.
    pub index: u64,
}

/// How far the log has been applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The last entry applied.
    pub last: Option<LogPosition>,
    /// The membership in force: where it was written (`None`: given before the first entry), and
    /// its bytes, which mean nothing to the store.
    pub membership: Option<(Option<LogPosition>, Vec<u8>)>,
}

/// What a store holds, for the status page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events that exist.
    pub events: u64,
    /// Streams that exist.
    pub streams: u64,
    /// The position that the next event will get.
    pub next_position: u64,
    /// The time of the last append or change of records, in microseconds since 1970.
    pub last_epoch_us: u64,
    /// Bytes held in memory until the next checkpoint.
    pub memtable_bytes: usize,
    /// Checkpoints finished since the store was opened.
    pub checkpoints: u64,
}
