//! The log of a store, and what keeps the store and its log in step.
//!
//! A [`Replica`] is one member of a store's raft group (a group of one, for now). Commands go in, and
//! are answered when they are durable in the write-ahead log and applied to the store. The log is the
//! truth; the store's own file is a checkpoint of it.
//!
//! # Layout
//! - [`replica`]: the member: queue, proposer, checkpoints, its thread
//! - [`raft`]: openraft's log and state machine on ours
//! - [`wal`]: the write-ahead log
//! - [`lock`]: one server for one directory
//! - [`verify`]: checks everything offline

pub mod lock;
pub mod raft;
pub mod replica;
pub mod stopwatch;
pub mod verify;
pub mod wal;

use std::sync::Arc;

pub use esdb_disk::{Disk, File, ReadOnlyDisk, RealDisk};
pub use replica::Replica;
pub use replica::open::OpenError;
pub use replica::status::{Spent, State, Status};
pub use replica::submission::{Cancel, Done, Ticket, Unavailable};
pub use wal::{TornTail, WalError, WalOptions};

/// What an operator may choose for a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// The state machine's.
    pub store: esdb_store::Options,
    /// The log's.
    pub wal: WalOptions,
    /// Bytes of commands from which on a batch takes no more. Default 4 MiB.
    pub max_batch_bytes: usize,
    /// Most commands in one batch. Default 16,384.
    pub max_batch_commands: usize,
    /// Bytes of commands that may wait for a batch; further ones are refused as
    /// [`Unavailable::Overloaded`]. Default 256 MiB: several of the largest events.
    pub max_queued_bytes: usize,
    /// Bytes of the largest command, below 1 GiB whatever is given. Default 96 MiB.
    pub max_command_bytes: usize,
    /// The file system that log and state machine are on.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            store: esdb_store::Options::default(),
            wal: WalOptions::default(),
            max_batch_bytes: 4 << 20,
            max_batch_commands: 16_384,
            max_queued_bytes: 256 << 20,
            max_command_bytes: 96 << 20,
            disk: Arc::new(RealDisk),
        }
    }
}
