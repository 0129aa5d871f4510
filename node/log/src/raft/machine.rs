//! openraft's state machine over [`Store`].
//!
//! Apply never writes to disk. A snapshot, in openraft's sense, is the store's last durable
//! checkpoint: building one only tells its place in the log. Its contents stay where they are, in the
//! store's own file; a group of one sends them to nobody.

use std::io::Cursor;
use std::sync::Arc;

use esdb_store::{Applied as StoreApplied, Store};
use openraft::storage::RaftStateMachine;
use openraft::{
    AnyError, BasicNode, EntryPayload, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot,
    SnapshotMeta, StorageIOError, StoredMembership,
};

use crate::stopwatch::Stopwatch;

use super::types::{
    Applied, Batch, NodeId, RaftEntry, StorageError, TypeConfig, membership_bytes, store_log_id,
    store_position, stored_membership,
};

/// The state machine. Clones are the same one.
#[derive(Clone)]
pub struct Machine {
    store: Arc<Store>,
    applying: Arc<Stopwatch>,
}

/// Why a snapshot can not be received.
#[derive(Debug, thiserror::Error)]
#[error("a group of one has nobody to receive a snapshot from")]
pub struct NobodySendsSnapshots;

impl Machine {
    /// The state machine of `store`; `applying` takes the time.
    pub fn new(store: Arc<Store>, applying: Arc<Stopwatch>) -> Self {
        Self { store, applying }
    }

    /// Applies an entry that the group has agreed on.
    pub(crate) fn apply_one(&self, entry: RaftEntry) -> Result<Applied, StorageError> {
        let at = store_position(&entry.log_id);
        let failed =
            |error: AnyError| StorageError::from(StorageIOError::apply(entry.log_id, error));
        let outcomes = match entry.payload {
            EntryPayload::Normal(Batch(bytes)) => self
                .applying
                .time(|| self.store.apply(at, bytes))
                .map_err(|e| failed(AnyError::new(&e)))?,
            EntryPayload::Blank => {
                self.store.apply_blank(at);
                Vec::new()
            }
            EntryPayload::Membership(membership) => {
                let bytes = membership_bytes(&membership).map_err(|e| failed(AnyError::new(&e)))?;
                self.store.apply_membership(at, bytes);
                Vec::new()
            }
        };
        Ok(Applied { outcomes })
    }

    /// The last durable checkpoint; a store without one has an empty one.
    fn snapshot(&self) -> Result<Snapshot<TypeConfig>, StorageError> {
        let checkpoint = self.store.checkpointed();
        let meta = SnapshotMeta {
            last_log_id: checkpoint.last.map(store_log_id),
            last_membership: membership(&checkpoint)?,
            snapshot_id: match checkpoint.last {
                Some(last) => format!("checkpoint-{}-{}-{}", last.term, last.node, last.index),
                None => "nothing".into(),
            },
        };
        Ok(Snapshot {
            meta,
            snapshot: Box::new(Cursor::new(Vec::new())),
        })
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotBuilder = Self;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<NodeId>>, StoredMembership<NodeId, BasicNode>), StorageError> {
        let applied = self.store.applied();
        Ok((applied.last.map(store_log_id), membership(&applied)?))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Applied>, StorageError>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        entries
            .into_iter()
            .map(|entry| self.apply_one(entry))
            .collect()
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Err(StorageIOError::write_snapshot(None, AnyError::new(&NobodySendsSnapshots)).into())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<NodeId, BasicNode>,
        _snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let error = AnyError::new(&NobodySendsSnapshots);
        Err(StorageIOError::write_snapshot(Some(meta.signature()), error).into())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>, StorageError> {
        let snapshot = self.snapshot()?;
        Ok(snapshot.meta.last_log_id.is_some().then_some(snapshot))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError> {
        self.snapshot()
    }
}

fn membership(applied: &StoreApplied) -> Result<StoredMembership<NodeId, BasicNode>, StorageError> {
    stored_membership(applied)
        .map_err(|e| StorageIOError::read_state_machine(AnyError::new(&e)).into())
}
