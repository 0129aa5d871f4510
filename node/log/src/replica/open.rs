//! Opening a member, and the thread it runs on.
//!
//! Proposer, raft core and apply share one current-thread runtime on one thread of the operating
//! system: handing work from one to the other costs no wake-up of another thread. Beside it there is
//! the thread that syncs the log, and while a checkpoint is written, one for that.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use esdb_store::{Store, StoreError};
use openraft::{BasicNode, Config, Membership, Raft, SnapshotPolicy};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::checkpointer::{self, Checkpoints};
use super::queue::Queue;
use super::status::Counters;
use super::{Inner, Replica, Shared, proposer};
use crate::Options;
use crate::lock::{Lock, LockError};
use crate::raft::log_store::LogStore;
use crate::raft::machine::Machine;
use crate::raft::network::NoPeers;
use crate::raft::types::{NodeId, TypeConfig, from_log, membership_bytes};
use crate::wal::{Ballot, Entry, Kind, Position, Wal, WalError};

/// Directory of the log within the store's.
pub const LOG: &str = "log";
/// The only member of a group of one.
const SELF: NodeId = 1;
/// Bytes of the entries that are read at once when the log is replayed; a larger one comes alone.
const REPLAYED_AT_ONCE: usize = 4 << 20;
/// With one voter there is nobody to send a heartbeat to or to time out on, and a store that has
/// nothing to do is never woken: a day is "never" to openraft's timers.
const NEVER_MS: u64 = 24 * 60 * 60 * 1000;

/// Why a store can not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another server uses the directory, or its lock can not be taken.
    #[error(transparent)]
    InUse(#[from] LockError),
    /// The log does not open.
    #[error(transparent)]
    Log(#[from] WalError),
    /// The state machine does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log and the checkpoint do not fit together.
    #[error(
        "{}: the log holds entries {first} to {next} (exclusive), but the checkpoint holds everything \
         before {applied}; one of the two was replaced or restored alone: restore both from one backup",
        path.display()
    )]
    Mismatch {
        /// The log's directory.
        path: PathBuf,
        /// First entry of the log.
        first: u64,
        /// Index after the last entry of the log.
        next: u64,
        /// Index after the last entry in the checkpoint.
        applied: u64,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It opened, and then could not begin to serve.
    #[error("the store could not begin to serve: {0}")]
    Start(String),
}

/// Opens the store in `dir`.
pub(super) fn open(dir: &Path, options: Options) -> Result<Replica, OpenError> {
    let failed = |source| OpenError::Io {
        path: dir.to_owned(),
        source,
    };
    options.disk.create_dir(dir).map_err(failed)?;
    let lock = Lock::take(&*options.disk, dir)?;
    let store = Arc::new(Store::open_on(
        Arc::clone(&options.disk),
        dir,
        options.store,
    )?);
    let log = dir.join(LOG);
    let (mut wal, torn_tail) =
        Wal::open(Arc::clone(&options.disk), &log, store.uuid(), options.wal)?;
    // A log that a checkpoint was made of is not new, whatever it holds.
    if store.applied().last.is_none() {
        begin(&mut wal)?;
    }
    let counters = Counters::default();
    counters.set_replayed(fit(&store, &wal, &log)?);
    replay(&store, &wal)?;
    let progress = Arc::clone(wal.progress());
    let shared = Arc::new(Shared {
        store,
        wal: Arc::new(Mutex::new(wal)),
        progress,
        queue: Queue::new(options.max_queued_bytes),
        checkpoints: Checkpoints::default(),
        counters,
        applying: Arc::default(),
        head: watch::Sender::new(0),
        torn_tail,
        options,
        _lock: lock,
    });
    let (ready, started) = mpsc::channel();
    let thread = {
        let shared = Arc::clone(&shared);
        let name = thread_name(dir, "store");
        let work = move || host(&shared, &ready);
        thread::Builder::new()
            .name(name)
            .spawn(work)
            .map_err(failed)?
    };
    let inner = Arc::new(Inner {
        shared,
        thread: Mutex::new(Some(thread)),
    });
    let replica = Replica { inner };
    let ended = || {
        replica
            .inner
            .shared
            .queue
            .stopped()
            .unwrap_or_else(|| "its thread ended".into())
    };
    started.recv().map_err(|_| OpenError::Start(ended()))??;
    Ok(replica)
}

/// Puts into a new log what founding a group of one and winning its first election leave there, in one
/// append and one vote: to have raft do it takes twice as many fsyncs. What a crash leaves of it is
/// completed; a leader whose vote is missing stands again.
fn begin(wal: &mut Wal) -> Result<(), OpenError> {
    let failed = |error: &dyn std::fmt::Display| OpenError::Start(error.to_string());
    let founded = Position::default();
    let led = Position {
        term: 1,
        node: SELF,
        index: 1,
    };
    if wal.last().is_none() {
        let members = Membership::new(
            vec![BTreeSet::from([SELF])],
            BTreeMap::from([(SELF, BasicNode::default())]),
        );
        let members = membership_bytes(&members).map_err(|e| failed(&e))?;
        let entry = |at, kind, payload| Entry { at, kind, payload };
        let entries = vec![
            entry(founded, Kind::Membership, members.into()),
            entry(led, Kind::Blank, Bytes::new()),
        ];
        let write = wal.append(entries).map_err(|e| failed(&e))?;
        write.perform().map_err(|e| failed(&e))?;
    }
    if wal.vote().is_none() {
        let won = Ballot {
            term: led.term,
            node: led.node,
            committed: true,
        };
        wal.save_vote(won).map_err(|e| failed(&e))?;
    }
    Ok(())
}

/// Checks that the log begins no later than the checkpoint ends, and ends no earlier. Returns the
/// number of entries that no checkpoint holds.
fn fit(store: &Store, wal: &Wal, path: &Path) -> Result<u64, OpenError> {
    let applied = store.applied().last.map_or(0, |at| at.index + 1);
    let first = wal.first_index();
    let next = wal.last().map_or(0, |at| at.index + 1);
    if first > applied || next < applied {
        return Err(OpenError::Mismatch {
            path: path.to_owned(),
            first,
            next,
            applied,
        });
    }
    Ok(next - applied)
}

/// Applies what no checkpoint holds, piece by piece, and writes one where memory should not hold more.
/// In a group of one everything that the log holds is agreed on; raft, which would apply it too, takes
/// all of it into memory at once.
fn replay(store: &Arc<Store>, wal: &Wal) -> Result<(), OpenError> {
    let failed = |error: &dyn std::fmt::Display| OpenError::Start(error.to_string());
    let machine = Machine::new(Arc::clone(store), Arc::default());
    let mut next = store.applied().last.map_or(0, |at| at.index + 1);
    let mut written = true;
    loop {
        let entries = wal.read(next..u64::MAX, REPLAYED_AT_ONCE);
        let entries = entries.map_err(|e| failed(&e))?;
        let Some(last) = entries.last() else {
            return Ok(());
        };
        next = last.at.index + 1;
        for entry in entries {
            let entry = from_log(entry).map_err(|e| failed(&e))?;
            machine.apply_one(entry).map_err(|e| failed(&e))?;
        }
        if written && store.over_budget() {
            written = store.checkpoint().is_ok(); // The checkpointer tries again, and tells.
        }
    }
}

/// The store's thread. Whatever happens in it, nothing submitted stays without an answer.
fn host(shared: &Arc<Shared>, ready: &mpsc::Sender<Result<(), OpenError>>) {
    let ended = catch_unwind(AssertUnwindSafe(|| run(shared, ready)));
    let reason = match ended {
        Ok(Ok(())) => "it was shut down".to_owned(),
        Ok(Err(error)) => {
            let reason = error.to_string();
            // If nobody waits any more, the error is kept as the reason below.
            let _ = ready.send(Err(error));
            reason
        }
        Err(_) => "a bug: its thread panicked".to_owned(),
    };
    shared.queue.stop(&reason);
}

fn run(shared: &Arc<Shared>, ready: &mpsc::Sender<Result<(), OpenError>>) -> Result<(), OpenError> {
    let start = |error: &dyn std::fmt::Display| OpenError::Start(shared.reason(error));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime
        .enable_time()
        .max_blocking_threads(1)
        .build()
        .map_err(|e| start(&e))?;
    runtime.block_on(serve(shared, ready))
}

async fn serve(
    shared: &Arc<Shared>,
    ready: &mpsc::Sender<Result<(), OpenError>>,
) -> Result<(), OpenError> {
    let raft = lead(shared)
        .await
        .map_err(|e| OpenError::Start(shared.reason(&e)))?;
    shared.tell_head();
    let _ = ready.send(Ok(()));
    let checkpointer = tokio::spawn(checkpointer::run(Arc::clone(shared), raft.clone()));
    if shared.store.wants_checkpoint() {
        shared.checkpoints.want(); // What was replayed is more than memory should hold.
    }
    proposer::run(shared, &raft).await;
    checkpointer.abort();
    let (applied, durable) = (shared.store.applied(), shared.store.checkpointed());
    if shared.queue.stopped().is_none() && applied.last != durable.last {
        checkpointer::checkpoint(shared, &raft).await;
    }
    // An error here says only that the raft core had ended by itself.
    let _ = raft.shutdown().await;
    Ok(())
}

/// Starts raft and returns when this member leads and has applied everything it has to.
async fn lead(shared: &Arc<Shared>) -> Result<Raft<TypeConfig>, Box<dyn std::error::Error>> {
    let log = LogStore::new(Arc::clone(&shared.wal));
    let machine = Machine::new(Arc::clone(&shared.store), Arc::clone(&shared.applying));
    let raft = Raft::new(SELF, Arc::new(config()), NoPeers, log, machine).await?;
    // A member that led before leads again at once; only one whose victory was cut short stands again.
    if raft.current_leader().await != Some(SELF) {
        raft.trigger().elect().await?;
        raft.wait(None)
            .metrics(|m| m.current_leader == Some(SELF), "this member leads")
            .await?;
    }
    raft.ensure_linearizable().await?;
    Ok(raft)
}

fn config() -> Config {
    Config {
        cluster_name: "esdb".into(),
        heartbeat_interval: NEVER_MS,
        election_timeout_min: 2 * NEVER_MS,
        election_timeout_max: 2 * NEVER_MS + 1,
        snapshot_policy: SnapshotPolicy::Never,
        // Purging is asked for, when a checkpoint is durable.
        max_in_snapshot_log_to_keep: u64::MAX,
        enable_tick: false,
        enable_heartbeat: false,
        enable_elect: false,
        ..Config::default()
    }
}

/// A name that tells the store; the system shows its first 15 bytes.
fn thread_name(dir: &Path, what: &str) -> String {
    let store = dir
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    format!("{what}-{store}")
}
