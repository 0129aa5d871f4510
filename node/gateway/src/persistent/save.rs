//! What a persistent subscription writes down, one record after the other: while one is on its way,
//! what changes is gathered for the next, and so are the answers that wait for it.

use super::message::Message;
use super::notice;
use super::parked::{self, Parked};
use super::progress::Progress;
use super::registry::Deletion;
use super::runner::Runner;
use crate::refusal;
use crate::worker::ReplyTo;
use esdb_etf::put;
use esdb_log::Unavailable;
use esdb_store::{RecordOp, Space, StoreError, command};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long after the log refused a record it is offered again.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// What is to be written, and who waits for it.
pub(super) struct Save {
    /// It is not in the store yet.
    is_new: bool,
    dirty: bool,
    parked: BTreeMap<u64, Option<Parked>>,
    waiting: Vec<ReplyTo>,
    /// On its way.
    flying: Option<Flying>,
    retry_at: Option<Instant>,
}

struct Flying {
    is_new: bool,
    parked: BTreeMap<u64, Option<Parked>>,
    waiting: Vec<ReplyTo>,
}

impl Save {
    pub(super) fn new(is_new: bool) -> Self {
        Save {
            is_new,
            dirty: is_new,
            parked: BTreeMap::new(),
            waiting: Vec::new(),
            flying: None,
            retry_at: None,
        }
    }

    /// The progress has changed.
    pub(super) fn touch(&mut self) {
        self.dirty = true;
    }

    /// An event is put aside.
    pub(super) fn park(&mut self, position: u64, parked: Parked) {
        self.dirty = true;
        self.parked.insert(position, Some(parked));
    }

    /// An event is no longer put aside.
    pub(super) fn unpark(&mut self, position: u64) {
        self.dirty = true;
        self.parked.insert(position, None);
    }

    /// Whoever waits for an answer.
    pub(super) fn take_waiting(&mut self) -> Vec<ReplyTo> {
        let flying = self.flying.iter_mut();
        let mut waiting: Vec<ReplyTo> = flying
            .flat_map(|f| std::mem::take(&mut f.waiting))
            .collect();
        waiting.append(&mut self.waiting);
        waiting
    }

    /// Answers `ok` when everything is durable that has changed until now.
    pub(super) fn answer_later(&mut self, reply: ReplyTo) {
        self.waiting.push(reply);
    }

    /// Returns when it is time to try again; never, if there is nothing to try.
    pub(super) async fn time_to_retry(&mut self) {
        match self.retry_at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
        self.retry_at = None;
    }
}

impl Runner {
    /// How far it has come.
    pub(super) fn progress(&self) -> Progress {
        let (checkpoint, next) = (self.group.checkpoint(), self.group.next());
        let earlier = self.before.open.range(next..).copied();
        Progress {
            checkpoint,
            next: next.max(self.before.next),
            floor: self.before.floor,
            open: self.group.unfinished().chain(earlier).collect(),
        }
    }

    /// Writes down what has changed, unless a record is on its way.
    pub(super) fn write_down(&mut self) {
        if self.save.flying.is_some() || self.save.retry_at.is_some() {
            return;
        }
        if !self.save.dirty {
            return answer_ok(std::mem::take(&mut self.save.waiting));
        }
        let parked = std::mem::take(&mut self.save.parked);
        let (definition, progress) = (self.definition.encode(), self.progress().encode());
        let put = |space, value| RecordOp::Put {
            space,
            key: &self.name,
            value,
        };
        let mut operations = vec![put(Space::PERSISTENT_PROGRESS, progress.as_slice())];
        if self.save.is_new {
            operations.push(put(Space::PERSISTENT, &definition));
        }
        let events: Vec<(Vec<u8>, Option<Vec<u8>>)> = parked
            .iter()
            .map(|(position, event)| {
                let key = parked::key(&self.name, *position);
                (key, event.as_ref().map(Parked::encode))
            })
            .collect();
        let space = Space::PARKED;
        operations.extend(events.iter().map(|(key, value)| match value {
            Some(value) => RecordOp::Put { space, key, value },
            None => RecordOp::Delete { space, key },
        }));
        let mut out = Vec::new();
        command::records(&mut out, &operations);
        self.save.flying = Some(Flying {
            is_new: self.save.is_new,
            parked,
            waiting: std::mem::take(&mut self.save.waiting),
        });
        (self.save.dirty, self.save.is_new) = (false, false);
        let mailbox = self.mailbox.clone();
        let done = Box::new(move |outcome: Result<_, Unavailable>, _| {
            let _ended = mailbox.send(Message::Saved(outcome.map(|_| ())));
        });
        self.means.live.replica().submit(out, None, done);
    }

    /// The record that was on its way is durable, or is not.
    pub(super) fn saved(&mut self, result: Result<(), Unavailable>) {
        let Some(flying) = self.save.flying.take() else {
            return;
        };
        let Err(reason) = result else {
            return answer_ok(flying.waiting);
        };
        for reply in &flying.waiting {
            reply.send(true, |out| refusal::unavailable(out, &reason));
        }
        self.save.dirty = true;
        self.save.is_new |= flying.is_new;
        for (position, event) in flying.parked {
            self.save.parked.entry(position).or_insert(event);
        }
        self.save.retry_at = Some(Instant::now() + RETRY_AFTER);
    }

    /// Takes everything out of the store, and answers when that is durable. False if it is there as
    /// before, because the log did not let it go.
    pub(super) async fn delete(&self, deletion: &Deletion, reply: ReplyTo) -> bool {
        match self.take_out().await {
            Ok(()) => answer_ok(vec![reply]),
            Err(kept) => {
                // First: whoever is answered may ask for it at once.
                let is_back = !kept.is_stopped() && deletion.undo();
                reply.send(true, |out| kept.answer(out));
                if is_back {
                    return false;
                }
                // One that has its name waits for its end.
                while let Err(kept) = self.take_out().await
                    && kept.may_pass()
                {
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
        self.tell_all(|out, name| notice::closed(out, name, "deleted"));
        true
    }

    async fn take_out(&self) -> Result<(), Kept> {
        let replica = self.means.live.replica();
        let parked = parked::list(&replica.view(), &self.name, usize::MAX);
        let parked = parked.map_err(Kept::Damaged)?;
        let unsaved = self.save.flying.iter();
        let unsaved = unsaved.flat_map(|flying| flying.parked.keys());
        let keys: Vec<Vec<u8>> = parked
            .iter()
            .map(|(position, _)| position)
            .chain(unsaved)
            .map(|position| parked::key(&self.name, *position))
            .collect();
        let parked = keys.iter().map(|key| RecordOp::Delete {
            space: Space::PARKED,
            key,
        });
        let spaces = [Space::PERSISTENT, Space::PERSISTENT_PROGRESS];
        let own = spaces.map(|space| RecordOp::Delete {
            space,
            key: &self.name,
        });
        let operations: Vec<RecordOp<'_>> = own.into_iter().chain(parked).collect();
        let mut out = Vec::new();
        command::records(&mut out, &operations);
        let (done, outcome) = oneshot::channel();
        let done = Box::new(move |outcome, _| drop(done.send(outcome)));
        replica.submit(out, None, done);
        let outcome = outcome.await;
        let outcome = outcome.unwrap_or_else(|_| Err(Unavailable::Stopped("it ends".to_owned())));
        outcome.map(|_| ()).map_err(Kept::Refused)
    }
}

/// Why a subscription could not be taken out of the store.
enum Kept {
    /// What it has put aside cannot be read.
    Damaged(StoreError),
    /// The log refused; if the store stopped, it is known after a restart whether it is gone.
    Refused(Unavailable),
}

impl Kept {
    fn answer(&self, out: &mut Vec<u8>) {
        match self {
            Kept::Damaged(error) => refusal::failed_read(out, error),
            Kept::Refused(reason) => refusal::unavailable(out, reason),
        }
    }

    fn is_stopped(&self) -> bool {
        matches!(self, Kept::Refused(Unavailable::Stopped(_)))
    }

    /// Whether the same may be granted later.
    fn may_pass(&self) -> bool {
        use Unavailable::{DiskFailed, DiskFull, Overloaded};
        matches!(
            self,
            Kept::Refused(DiskFull(_) | DiskFailed(_) | Overloaded)
        )
    }
}

fn answer_ok(waiting: Vec<ReplyTo>) {
    for reply in waiting {
        reply.send(true, |out| put::atom(out, "ok"));
    }
}
