//! openraft's own tests of a storage, on ours.
//!
//! Three of its habits are met here and not in the storage: it leaves a hole in a log (filled with
//! blanks), appends an entry below what was purged (dropped), and expects building a snapshot to make
//! one (a checkpoint is written first).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fmt::Debug;
use std::io::Cursor;
use std::ops::RangeBounds;
use std::sync::Arc;

use common::UUID;
use esdb_log::raft::log_store::LogStore;
use esdb_log::raft::machine::Machine;
use esdb_log::raft::types::{Applied, NodeId, RaftEntry, StorageError, TypeConfig};
use esdb_log::wal::Wal;
use esdb_log::{RealDisk, WalOptions};
use esdb_store::Store;
use openraft::storage::{LogFlushed, RaftLogStorage, RaftStateMachine};
use openraft::testing::{StoreBuilder, Suite};
use openraft::{
    BasicNode, CommittedLeaderId, Entry, EntryPayload, LogId, LogState, OptionalSend,
    RaftLogReader, RaftSnapshotBuilder, Snapshot, SnapshotMeta, StoredMembership, Vote,
};
use parking_lot::Mutex;
use tempfile::TempDir;

struct Build;
type Tests = Suite<TypeConfig, GaplessLog, CheckpointingMachine, Build, TempDir>;

impl StoreBuilder<TypeConfig, GaplessLog, CheckpointingMachine, TempDir> for Build {
    async fn build(&self) -> Result<(TempDir, GaplessLog, CheckpointingMachine), StorageError> {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path(), esdb_store::Options::default()).unwrap());
        let log = dir.path().join("log");
        let (wal, _) = Wal::open(Arc::new(RealDisk), &log, UUID, WalOptions::default()).unwrap();
        let log = LogStore::new(Arc::new(Mutex::new(wal)));
        let machine = Machine::new(Arc::clone(&store), Arc::default());
        Ok((
            dir,
            GaplessLog(log),
            CheckpointingMachine { machine, store },
        ))
    }
}

macro_rules! suite {
    ($($name:ident),+ $(,)?) => {$(
        #[test]
        fn $name() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let (_dir, log, machine) = Build.build().await.unwrap();
                Tests::$name(log, machine).await.unwrap();
            });
        }
    )+};
}

suite!(
    last_membership_in_log_initial,
    last_membership_in_log,
    last_membership_in_log_multi_step,
    get_membership_initial,
    get_membership_from_log_and_empty_sm,
    get_membership_from_empty_log_and_sm,
    get_membership_from_log_le_sm_last_applied,
    get_membership_from_log_gt_sm_last_applied_1,
    get_membership_from_log_gt_sm_last_applied_2,
    get_initial_state_without_init,
    get_initial_state_membership_from_log_and_sm,
    get_initial_state_with_state,
    get_initial_state_last_log_gt_sm,
    get_initial_state_last_log_lt_sm,
    get_initial_state_log_ids,
    get_initial_state_re_apply_committed,
    save_vote,
    get_log_entries,
    limited_get_log_entries,
    try_get_log_entry,
    initial_logs,
    get_log_state,
    get_log_id,
    last_id_in_log,
    last_applied_state,
    purge_logs_upto_0,
    purge_logs_upto_5,
    purge_logs_upto_20,
    delete_logs_since_11,
    delete_logs_since_0,
    append_to_log,
    snapshot_meta,
    apply_single,
    apply_multiple,
);

/// The suite's one further test installs a snapshot. Nobody sends one to a group of one, and the
/// storage says so instead of pretending.
#[tokio::test]
async fn a_snapshot_from_elsewhere_is_refused() {
    let (_dir, _, mut machine) = Build.build().await.unwrap();
    let error = machine.begin_receiving_snapshot().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("nobody to receive a snapshot from"),
        "{error}"
    );
    let meta = SnapshotMeta::default();
    let error = machine
        .install_snapshot(&meta, Box::default())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("nobody to receive a snapshot from"),
        "{error}"
    );
}

#[derive(Clone)]
struct GaplessLog(LogStore);

impl RaftLogReader<TypeConfig> for GaplessLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<RaftEntry>, StorageError> {
        self.0.try_get_log_entries(range).await
    }
    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<RaftEntry>, StorageError> {
        self.0.limited_get_log_entries(start, end).await
    }
}

impl RaftLogStorage<TypeConfig> for GaplessLog {
    type LogReader = LogStore;
    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        self.0.get_log_state().await
    }
    async fn get_log_reader(&mut self) -> LogStore {
        self.0.get_log_reader().await
    }
    async fn save_vote(&mut self, vote: &Vote<NodeId>) -> Result<(), StorageError> {
        self.0.save_vote(vote).await
    }
    async fn read_vote(&mut self) -> Result<Option<Vote<NodeId>>, StorageError> {
        self.0.read_vote().await
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
        let mut filled = Vec::new();
        let mut next = self
            .0
            .get_log_state()
            .await?
            .last_log_id
            .map(|id| id.index + 1);
        let purged = self
            .0
            .get_log_state()
            .await?
            .last_purged_log_id
            .map(|id| id.index);
        for entry in entries {
            if Some(entry.log_id.index) <= purged {
                continue;
            }
            for index in next.unwrap_or(entry.log_id.index)..entry.log_id.index {
                let log_id = LogId::new(CommittedLeaderId::new(1, 0), index);
                filled.push(Entry {
                    log_id,
                    payload: EntryPayload::Blank,
                });
            }
            next = Some(entry.log_id.index + 1);
            filled.push(entry);
        }
        if filled.is_empty() {
            callback.log_io_completed(Ok(()));
            return Ok(());
        }
        self.0.append(filled, callback).await
    }
    async fn truncate(&mut self, log_id: LogId<NodeId>) -> Result<(), StorageError> {
        self.0.truncate(log_id).await
    }
    async fn purge(&mut self, log_id: LogId<NodeId>) -> Result<(), StorageError> {
        self.0.purge(log_id).await
    }
}

struct CheckpointingMachine {
    machine: Machine,
    store: Arc<Store>,
}

struct CheckpointFirst(Machine, Arc<Store>);

impl RaftSnapshotBuilder<TypeConfig> for CheckpointFirst {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError> {
        self.1.checkpoint().unwrap();
        self.0.build_snapshot().await
    }
}

impl RaftStateMachine<TypeConfig> for CheckpointingMachine {
    type SnapshotBuilder = CheckpointFirst;
    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<NodeId>>, StoredMembership<NodeId, BasicNode>), StorageError> {
        self.machine.applied_state().await
    }
    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Applied>, StorageError>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.machine.apply(entries).await
    }
    async fn get_snapshot_builder(&mut self) -> CheckpointFirst {
        CheckpointFirst(self.machine.clone(), Arc::clone(&self.store))
    }
    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        self.machine.begin_receiving_snapshot().await
    }
    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<NodeId, BasicNode>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        self.machine.install_snapshot(meta, snapshot).await
    }
    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>, StorageError> {
        self.machine.get_current_snapshot().await
    }
}
