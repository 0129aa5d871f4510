//! Reads: how many of one client are under way, and how their answers get to it.
//!
//! An answer may be large, so a client has only so many reads under way, and a large answer waits
//! until the client has taken what was sent before. Neither holds up another client.

use crate::record::MAX_REPLY;
use crate::refusal;
use crate::request::{Effort, Query};
use crate::served::ServedStore;
use crate::worker::ReplyTo;
use esdb_log::Cancel;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

/// Where a query says how far it has read everything, and for which process, a raw pid.
pub(crate) type Replay = (Arc<AtomicU64>, Vec<u8>);

/// A read that is under way.
pub(crate) struct Reading {
    pub(crate) store: Arc<ServedStore>,
    pub(crate) query: Query,
    pub(crate) replay: Option<Replay>,
    pub(crate) reply_to: ReplyTo,
    pub(crate) cancel: Option<Cancel>,
}

impl Reading {
    /// Reads and replies with records of `arity` elements, now or on another thread, as the effort
    /// demands; anything but a look-up when it is this client's turn.
    pub(crate) fn begin(self, effort: Effort, arity: usize) {
        if effort == Effort::LookUp {
            let _never_waits = self.answer(arity);
        } else if let Some(turn) = self.reply_to.connection.try_turn() {
            self.take_turn(turn, effort, arity);
        } else if let Some(place) = self.reply_to.connection.try_place() {
            Handle::current().spawn(async move {
                let turn = self.reply_to.connection.turn();
                let left = self.reply_to.time_left();
                if let Ok(Some(turn)) = tokio::time::timeout(left, turn).await {
                    drop(place);
                    self.take_turn(turn, effort, arity);
                }
            });
        } else {
            let text = "too many reads of this node wait for their turn";
            self.reply_to
                .send(true, |out| refusal::passing(out, "overloaded", text));
        }
    }

    fn take_turn(self, turn: OwnedSemaphorePermit, effort: Effort, arity: usize) {
        let answer = move || {
            if let Some(waiting) = self.answer(arity) {
                Handle::current().spawn(waiting.wait_for_room(turn));
            }
        };
        match effort {
            Effort::Long => drop(Handle::current().spawn_blocking(answer)),
            _ => drop(Handle::current().spawn(async move { answer() })),
        }
    }

    /// Reads and replies, unless the caller has given up. Returns the answer if it has to wait for
    /// room.
    fn answer(self, arity: usize) -> Option<Waiting> {
        let given_up = self.cancel.as_ref().is_some_and(Cancel::is_cancelled);
        if given_up || self.reply_to.time_left().is_zero() {
            return None;
        }
        let mut reply = Vec::new();
        let mut replay = self.replay;
        if let Err(error) = (self.query)(&self.store.replica.view(), arity, &mut reply) {
            tracing::error!(store = self.store.name, %error, "read failed");
            reply.clear();
            refusal::failed_read(&mut reply, &error);
            replay = None;
        }
        let connection = &self.reply_to.connection;
        let most = connection.largest_answer().min(MAX_REPLY);
        if reply.len() > most {
            reply = Vec::new();
            replay = None;
            self.reply_to.generation.reply_too_large(&mut reply, most);
        }
        let caller = self.reply_to.caller.as_ref()?;
        if self.reply_to.time_left().is_zero() {
            return None;
        }
        let note = Note {
            store: self.store,
            // Not for an error, after which the client has not read this.
            replay,
            cancel: self.cancel,
        };
        let back = caller.try_reply_with(connection, reply, || note.take());
        Some(Waiting {
            reply: back.err()?,
            reply_to: self.reply_to,
            note,
        })
    }
}

/// How far a client has read everything, to be noted when its answer is sent.
struct Note {
    store: Arc<ServedStore>,
    replay: Option<Replay>,
    cancel: Option<Cancel>,
}

impl Note {
    fn take(&self) {
        let given_up = self.cancel.as_ref().is_some_and(Cancel::is_cancelled);
        if let Some((reached, process)) = self.replay.as_ref().filter(|_| !given_up) {
            let reached = reached.load(Ordering::Acquire);
            self.store.replays.note(process, reached);
        }
    }
}

/// An answer for which there is no room.
struct Waiting {
    reply_to: ReplyTo,
    reply: Vec<u8>,
    note: Note,
}

impl Waiting {
    /// Sends it when there is room for it, unless that takes too long. The turn ends then.
    async fn wait_for_room(self, _turn: OwnedSemaphorePermit) {
        if let Some(caller) = &self.reply_to.caller {
            let connection = &self.reply_to.connection;
            let sent = caller.reply_with(connection, self.reply, || self.note.take());
            let _too_late = tokio::time::timeout(self.reply_to.time_left(), sent).await;
        }
    }
}
