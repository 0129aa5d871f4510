//! One member of a store's group: its log, its state machine, and the thread that runs them.
//!
//! # Layout
//! - [`submission`]: what callers hand in and get back
//! - [`queue`]: submissions on their way to a batch
//! - [`proposer`]: queue to batch to log to answers
//! - [`checkpointer`]: checkpoints and what they allow to forget
//! - [`open`]: opening, and the store's thread
//! - [`status`]: what an operator may ask

pub mod checkpointer;
pub mod open;
pub mod proposer;
pub mod queue;
pub mod status;
pub mod submission;

use std::path::Path;
use std::sync::Arc;
use std::thread;

use esdb_store::{Store, View};
use parking_lot::Mutex;
use tokio::sync::watch;

use self::checkpointer::Checkpoints;
use self::open::OpenError;
use self::queue::Queue;
use self::status::{Counters, Spent, State, Status};
use self::submission::{Cancel, Done, Reply, Submission, Ticket, Unavailable};
use crate::Options;
use crate::lock::Lock;
use crate::stopwatch::Stopwatch;
use crate::wal::{Progress, TornTail, Wal, record};

/// What a record of the log holds at most, without what a batch puts before its first command.
const LARGEST_COMMAND: usize = record::MAX_PAYLOAD - 64;

/// One member of a store's group. Clones are the same one.
///
/// The store's directory is free for another server when [`shutdown`](Self::shutdown) has returned
/// and the last clone, and the last view, are dropped. Dropping the last clone without a shutdown ends
/// the member as a crash would: what was acknowledged is on disk and comes back.
#[derive(Clone)]
pub struct Replica {
    inner: Arc<Inner>,
}

/// What ends with the last clone.
struct Inner {
    shared: Arc<Shared>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

/// What the store's thread and the callers share.
struct Shared {
    store: Arc<Store>,
    wal: Arc<Mutex<Wal>>,
    progress: Arc<Progress>,
    queue: Queue,
    checkpoints: Checkpoints,
    counters: Counters,
    applying: Arc<Stopwatch>,
    /// The position that the next event will get.
    head: watch::Sender<u64>,
    torn_tail: Option<TornTail>,
    options: Options,
    /// Last: released when the files are closed.
    _lock: Lock,
}

impl Replica {
    /// Opens the store in `dir`, or creates it, and returns when every entry of its log is applied
    /// and it can serve linearizable reads. Blocks; not to be called on an asynchronous thread.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        open::open(dir, options)
    }

    /// Hands in a command, as `esdb_store::command` builds it. Never blocks.
    ///
    /// The commands that one thread submits are applied in that order. `done` is called once, on the
    /// store's thread, in the order of application, when the command is durable and
    /// [`view`](Self::view) shows its effect; it must not block. Its second argument is true while
    /// more answers follow at once, so that a sender may gather them. A command that is refused
    /// right away is answered on the caller's thread.
    pub fn submit(&self, command: Vec<u8>, cancel: Option<Cancel>, done: Done) -> Ticket {
        let shared = &self.inner.shared;
        let limit = shared.options.max_command_bytes.min(LARGEST_COMMAND);
        if command.len() > limit {
            let bytes = command.len();
            Reply::new(done).answer(Err(Unavailable::TooLarge { bytes, limit }), false);
            return shared.queue.last_ticket();
        }
        shared.queue.push(Submission {
            command,
            cancel,
            reply: Reply::new(done),
        })
    }

    /// True when every submission up to `ticket` has been answered.
    pub fn settled(&self, ticket: Ticket) -> bool {
        self.inner.shared.queue.settled(ticket)
    }

    /// Returns when every submission up to `ticket` has been answered. Works on any runtime.
    pub async fn settle(&self, ticket: Ticket) {
        self.inner.shared.queue.settle(ticket).await;
    }

    /// What is applied, as one consistent state. Every command whose `done` was called shows in it.
    pub fn view(&self) -> View {
        self.inner.shared.store.view()
    }

    /// The position that the next event will get, to be waited for: what is before it shows in
    /// [`view`](Self::view). Told after the answers to those who submitted.
    pub fn head(&self) -> watch::Receiver<u64> {
        self.inner.shared.head.subscribe()
    }

    /// The store's identity, random, given at its creation.
    pub fn uuid(&self) -> [u8; 16] {
        self.inner.shared.store.uuid()
    }

    /// Sets how many bytes retry windows and stream heads may take: see
    /// [`Store::set_window_bytes`].
    pub fn set_window_bytes(&self, bytes: usize) {
        self.inner.shared.store.set_window_bytes(bytes);
    }

    /// Sets how many bytes of its database's pages may be kept: see [`Store::set_page_bytes`].
    pub fn set_page_bytes(&self, bytes: usize) {
        self.inner.shared.store.set_page_bytes(bytes);
    }

    /// How the member is.
    pub fn status(&self) -> Status {
        self.inner.shared.status()
    }

    /// Begins a [`shutdown`](Self::shutdown) and does not wait for it, so that many end side by side.
    pub fn begin_shutdown(&self) {
        self.inner.shared.queue.close();
    }

    /// Refuses new submissions, finishes those queued, writes a checkpoint, and ends the store's
    /// thread. Blocks until all of that is done; a second call waits for the first. Called from a
    /// `done`, it only begins it.
    pub fn shutdown(&self) {
        self.inner.shared.queue.close();
        self.inner.join();
    }

    /// A [`shutdown`](Self::shutdown), after which the database is closed though there may be clones
    /// and views left: reads from it fail. For the end of the process.
    pub fn close(&self) {
        self.shutdown();
        self.inner.shared.store.close();
    }

    /// Stops the member at once, as a crash would: what is queued is answered with `reason`, and no
    /// checkpoint is written. For a store whose files are to be deleted. Blocks until it has ended.
    pub fn abandon(&self, reason: &str) {
        self.inner.shared.queue.stop(reason);
        self.inner.join();
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica")
            .field("status", &self.status())
            .finish()
    }
}

impl Inner {
    fn join(&self) {
        let mut thread = self.thread.lock();
        if thread
            .as_ref()
            .is_some_and(|thread| thread.thread().id() == thread::current().id())
        {
            return;
        }
        if let Some(handle) = thread.take()
            && handle.join().is_err()
        {
            tracing::error!("the thread of a store ended by a panic");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared
            .queue
            .stop("the store was dropped without a shutdown");
        self.join();
    }
}

impl Shared {
    /// Stops the store for good: everything queued and everything to come is refused with the reason.
    fn stop(&self, reason: &str) {
        tracing::error!(reason, "the store stopped");
        self.queue.stop(reason);
    }

    /// Tells those who wait for events how far there are some.
    fn tell_head(&self) {
        let next = self.store.view().next_position();
        self.head.send_if_modified(|head| {
            let moved = *head != next;
            *head = next;
            moved
        });
    }

    /// Why the log stopped, or else `otherwise`.
    fn reason(&self, otherwise: &dyn std::fmt::Display) -> String {
        self.progress
            .stopped()
            .unwrap_or_else(|| otherwise.to_string())
    }

    fn status(&self) -> Status {
        let (wal_bytes, wal_segments, last_index) = {
            let wal = self.wal.lock();
            (wal.bytes(), wal.segments(), wal.last().map(|at| at.index))
        };
        let stopped = self.queue.stopped().or_else(|| self.progress.stopped());
        let stopped = stopped.or_else(|| self.store.stopped());
        let last_us = self.store.stats().last_epoch_us;
        let (queued, queued_bytes) = self.queue.length();
        Status {
            state: stopped.map_or(State::Serving, State::Stopped),
            last_index,
            applied_index: self.store.applied().last.map(|at| at.index),
            checkpoint_index: self.store.checkpointed().last.map(|at| at.index),
            torn_tail: self.torn_tail,
            wal_bytes,
            wal_segments,
            queued,
            queued_bytes,
            fsyncs: self.progress.syncs(),
            batches: self.counters.batches(),
            commands: self.counters.commands(),
            spent: Spent {
                batches: self.counters.batching.total(),
                disk: self.progress.writing(),
                apply: self.applying.total(),
                answers: self.counters.answering.total(),
            },
            replayed: self.counters.replayed(),
            memtable_bytes: self.store.stats().memtable_bytes,
            checkpointing: self.checkpoints.running(),
            checkpoints: self.checkpoints.finished(),
            checkpoint_error: self.checkpoints.error(),
            disk_error: self.store.disk_error(),
            clock_behind: status::clock_behind(last_us, proposer::clock_us()),
        }
    }
}
