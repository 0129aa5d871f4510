//! What callers hand in and get back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use esdb_store::Outcome;
use tokio::sync::Notify;

/// Called once with what became of a command; true: more answers follow at once.
pub type Done = Box<dyn FnOnce(Result<Outcome, Unavailable>, bool) + Send>;

/// Why a command was not executed, or why it is not known whether it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The store stopped, or is shutting down, for this reason. Whether the command was executed is
    /// known only after a restart.
    #[error("the store stopped: {0}")]
    Stopped(String),
    /// Too many commands wait. Nothing was executed.
    #[error("too many commands are waiting")]
    Overloaded,
    /// The caller took it back in time. Nothing was executed.
    #[error("cancelled")]
    Cancelled,
    /// There is no space. Nothing was executed; later commands may be, when there is space again.
    #[error("the disk is full: {0}")]
    DiskFull(String),
    /// The disk failed, and what memory holds has no room for more. Nothing was executed; later
    /// commands may be, when a checkpoint could be written.
    #[error("the disk failed: {0}")]
    DiskFailed(String),
    /// The command is larger than the store takes. Nothing was executed.
    #[error("{bytes} bytes, more than the {limit} a command may have")]
    TooLarge {
        /// Bytes of the command.
        bytes: usize,
        /// Bytes it may have.
        limit: usize,
    },
}

/// Takes a command back, if it is not in a batch yet. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Takes the command back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// True when it was taken back.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A place in the order of submissions of one [`Replica`](super::Replica).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// A command on its way.
pub(super) struct Submission {
    pub command: Vec<u8>,
    pub cancel: Option<Cancel>,
    pub reply: Reply,
}

impl Submission {
    pub fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(Cancel::is_cancelled)
    }
}

/// Owes its caller an answer, and gives one even when it is dropped on the way.
pub(super) struct Reply {
    done: Option<Done>,
    place: Option<(u64, Arc<Settled>)>,
}

impl Reply {
    pub fn new(done: Done) -> Self {
        Self {
            done: Some(done),
            place: None,
        }
    }

    /// Gives the submission its place in the order.
    pub fn enqueue(&mut self, ticket: u64, settled: &Arc<Settled>) {
        self.place = Some((ticket, Arc::clone(settled)));
    }

    pub fn answer(mut self, result: Result<Outcome, Unavailable>, more: bool) {
        self.give(result, more);
    }

    fn give(&mut self, result: Result<Outcome, Unavailable>, more: bool) {
        let Some(done) = self.done.take() else { return };
        // A caller's bug must not end the store that others use.
        if catch_unwind(AssertUnwindSafe(|| done(result, more))).is_err() {
            tracing::error!("the receiver of an answer panicked");
        }
        if let Some((ticket, settled)) = self.place.take() {
            settled.advance(ticket);
            if !more {
                settled.tell();
            }
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.done.is_some() {
            let reason = self
                .place
                .as_ref()
                .and_then(|(_, settled)| settled.reason.get().cloned());
            let reason = reason.unwrap_or_else(|| "its thread ended unexpectedly".into());
            self.give(Err(Unavailable::Stopped(reason)), false);
        }
    }
}

/// How far submissions have been answered.
#[derive(Debug, Default)]
pub(super) struct Settled {
    upto: AtomicU64,
    changed: Notify,
    /// Why the store stopped, once it has.
    pub reason: std::sync::OnceLock<String>,
}

impl Settled {
    pub fn is(&self, ticket: Ticket) -> bool {
        self.upto.load(Ordering::Acquire) >= ticket.0
    }

    pub async fn wait(&self, ticket: Ticket) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Listen first, look then: an answer in between is not missed.
            changed.as_mut().enable();
            if self.is(ticket) {
                return;
            }
            changed.await;
        }
    }

    fn advance(&self, ticket: u64) {
        self.upto.fetch_max(ticket, Ordering::Release);
    }

    fn tell(&self) {
        self.changed.notify_waiters();
    }
}
