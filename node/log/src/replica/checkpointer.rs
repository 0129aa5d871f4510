//! Checkpoints, and what they allow to forget.
//!
//! A checkpoint runs on a thread of its own and nothing waits for it. When it is durable, openraft is
//! told that there is a snapshot up to there (a purge without one is ignored) and that the log up to
//! there may go. A failed one is tried again, later and later; the store goes on meanwhile, until its
//! memory is beyond twice the budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use esdb_store::{Store, StoreError};
use openraft::Raft;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Shared;
use super::submission::Unavailable;
use crate::raft::types::TypeConfig;

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// The state of a store's checkpoints.
#[derive(Default)]
pub(super) struct Checkpoints {
    wanted: Notify,
    ended: Notify,
    finished: AtomicU64,
    error: Mutex<Option<Failure>>,
    running: tokio::sync::Mutex<()>,
}

/// Why a checkpoint failed.
struct Failure {
    text: String,
    /// For want of room.
    full: bool,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self {
            full: error.is_full(),
            text: error.to_string(),
        }
    }
}

impl Checkpoints {
    /// Asks for a checkpoint.
    pub fn want(&self) {
        self.wanted.notify_one();
    }

    /// Number of completed ones.
    pub fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Whether one is being written.
    pub fn running(&self) -> bool {
        self.running.try_lock().is_err()
    }

    /// Why the last one failed.
    pub fn error(&self) -> Option<String> {
        self.error
            .lock()
            .as_ref()
            .map(|failure| failure.text.clone())
    }

    /// What a submission is refused with while no checkpoint can be written.
    fn refusal(&self) -> Option<Unavailable> {
        let error = self.error.lock();
        let Failure { text, full } = error.as_ref()?;
        let text = format!("no checkpoint can be written: {text}");
        Some(match full {
            true => Unavailable::DiskFull(text),
            false => Unavailable::DiskFailed(text),
        })
    }

    /// Returns when the store's memory is within its budget, or says why that can not be waited for.
    pub async fn room(&self, store: &Store) -> Result<(), Unavailable> {
        while store.over_budget() {
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            if let Some(refusal) = self.refusal() {
                return Err(refusal);
            }
            if !store.over_budget() {
                break;
            }
            self.want();
            ended.await;
        }
        Ok(())
    }
}

/// Writes checkpoints when they are wanted. Ends with the runtime it runs on.
pub(super) async fn run(shared: Arc<Shared>, raft: Raft<TypeConfig>) {
    // The last server may have ended between a checkpoint and the purge that it allows.
    let durable = shared.store.checkpointed().last.map(|at| at.index);
    let purged = shared.wal.lock().purged().map(|at| at.index);
    if let Some(durable) = durable.filter(|_| durable > purged) {
        purge(&raft, durable).await;
    }
    let mut retry = FIRST_RETRY;
    loop {
        shared.checkpoints.wanted.notified().await;
        while !checkpoint(&shared, &raft).await {
            tokio::time::sleep(retry).await;
            retry = (retry * 2).min(LAST_RETRY);
        }
        retry = FIRST_RETRY;
    }
}

/// Writes one checkpoint and lets go of the log below it. False when it could not be written.
pub(super) async fn checkpoint(shared: &Arc<Shared>, raft: &Raft<TypeConfig>) -> bool {
    let _alone = shared.checkpoints.running.lock().await;
    let store = Arc::clone(&shared.store);
    let written = tokio::task::spawn_blocking(move || store.checkpoint()).await;
    let result = match written {
        Ok(Ok(applied)) => Ok(applied),
        Ok(Err(error)) => Err(Failure::from(error)),
        Err(error) => Err(Failure {
            text: error.to_string(),
            full: false,
        }),
    };
    let checkpoints = &shared.checkpoints;
    let done = match result {
        Ok(applied) => {
            *checkpoints.error.lock() = None;
            checkpoints.finished.fetch_add(1, Ordering::Relaxed);
            if let Some(last) = applied.last {
                purge(raft, last.index).await;
            }
            true
        }
        Err(error) => {
            tracing::error!(
                error = error.text,
                "a checkpoint failed; the log keeps what it would have held"
            );
            *checkpoints.error.lock() = Some(error);
            false
        }
    };
    checkpoints.ended.notify_waiters();
    done
}

/// Has openraft take note of the checkpoint, and purge the log up to it. When the raft core has
/// ended, the log stays as it is.
async fn purge(raft: &Raft<TypeConfig>, upto: u64) {
    let noted = async {
        raft.trigger().snapshot().await.ok()?;
        let reached = |id: Option<openraft::LogId<u64>>| id.is_some_and(|id| id.index >= upto);
        let wait = raft.wait(None);
        wait.metrics(|m| reached(m.snapshot), "the checkpoint is noted")
            .await
            .ok()?;
        raft.trigger().purge_log(upto).await.ok()?;
        wait.metrics(|m| reached(m.purged), "the log is purged")
            .await
            .ok()
    };
    if noted.await.is_none() {
        tracing::warn!(upto, "the log below a checkpoint was not purged");
    }
}
