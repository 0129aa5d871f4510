//! openraft's log over the [`Wal`].

use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{
    AnyError, ErrorSubject, ErrorVerb, LogId, LogState, OptionalSend, RaftLogReader,
    StorageIOError, Vote,
};
use parking_lot::Mutex;

use super::types::{
    NodeId, RaftEntry, StorageError, TypeConfig, ballot, from_log, log_id, position, to_log, vote,
};
use crate::wal::Wal;

/// Most payload bytes that go to a follower at once.
const REPLICATION_BYTES: usize = 4 << 20;

/// The log of one member. Clones are the same log.
#[derive(Debug, Clone)]
pub struct LogStore {
    wal: Arc<Mutex<Wal>>,
}

impl LogStore {
    /// The log `wal`.
    pub fn new(wal: Arc<Mutex<Wal>>) -> Self {
        Self { wal }
    }

    fn entries(
        &self,
        range: std::ops::Range<u64>,
        max_bytes: usize,
    ) -> Result<Vec<RaftEntry>, StorageError> {
        let entries = self
            .wal
            .lock()
            .read(range, max_bytes)
            .map_err(|e| failed(ErrorVerb::Read, e))?;
        let entries = entries.into_iter().map(from_log).collect::<Result<_, _>>();
        entries.map_err(|e| failed(ErrorVerb::Read, e))
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<RaftEntry>, StorageError> {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&end) => end.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => u64::MAX,
        };
        self.entries(start..end, usize::MAX)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<RaftEntry>, StorageError> {
        self.entries(start..end, REPLICATION_BYTES)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        let wal = self.wal.lock();
        Ok(LogState {
            last_purged_log_id: wal.purged().map(log_id),
            last_log_id: wal.last().map(log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<NodeId>) -> Result<(), StorageError> {
        let saved = self.wal.lock().save_vote(ballot(vote));
        saved.map_err(|e| StorageIOError::write_vote(AnyError::new(&e)).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<NodeId>>, StorageError> {
        let wal = self.wal.lock();
        let Some(mut saved) = wal.vote() else {
            return Ok(None);
        };
        // A leader that won and then fell before its first entry was durable would be restored as
        // leader, without the entry that lets older terms' entries commit: it must win again.
        saved.committed &= wal
            .last()
            .is_some_and(|at| (at.term, at.node) == (saved.term, saved.node));
        Ok(Some(vote(saved)))
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<TypeConfig>,
    ) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries
            .into_iter()
            .map(to_log)
            .collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|e| failed(ErrorVerb::Write, e))?;
        let staged = self.wal.lock().append(entries);
        let write = staged.map_err(|e| failed(ErrorVerb::Write, e))?;
        // Here and not on a thread of its own: the raft core waits for it in any case, and what two
        // hops between threads cost is a third of the throughput (docs/internals/decisions.md).
        callback.log_io_completed(write.perform());
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId<NodeId>) -> Result<(), StorageError> {
        self.wal
            .lock()
            .truncate(log_id.index)
            .map_err(|e| failed(ErrorVerb::Delete, e))
    }

    async fn purge(&mut self, log_id: LogId<NodeId>) -> Result<(), StorageError> {
        self.wal
            .lock()
            .purge(position(&log_id))
            .map_err(|e| failed(ErrorVerb::Delete, e))
    }
}

fn failed(verb: ErrorVerb, error: impl std::error::Error + 'static) -> StorageError {
    StorageIOError::new(ErrorSubject::Logs, verb, AnyError::new(&error)).into()
}
