//! What the consumers of a persistent subscription do: come, acknowledge, give back, and go.

use super::message::{Events, Fate, Message};
use super::problem::Problem;
use super::runner::Runner;
use crate::worker::ReplyTo;
use esdb_dist::Connection;
use esdb_subscription::group::Nack;
use tokio::task::JoinHandle;

pub(super) struct Consumer {
    pub(super) pid: Vec<u8>,
    pub(super) connection: Connection,
    watching: JoinHandle<()>,
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Runner {
    pub(super) fn id_of(&self, consumer: &[u8]) -> Result<u64, Problem> {
        let found = self.consumers.iter().find(|(_, c)| c.pid == consumer);
        found
            .map(|(id, _)| *id)
            .ok_or_else(|| Problem::new("not_a_consumer", "open the subscription first"))
    }

    pub(super) fn join(
        &mut self,
        pid: Vec<u8>,
        connection: Connection,
        window: usize,
        reply: ReplyTo,
    ) {
        if let Ok(id) = self.id_of(&pid) {
            // It has forgotten what it had; that comes again.
            self.leave(id);
        }
        self.count += 1;
        let id = self.count;
        if let Err(refused) = self.group.join(id, window) {
            return Problem::refused(refused, "its consumers").answer(&reply);
        }
        let (means, mailbox) = (self.means.clone(), self.mailbox.clone());
        let (watched, over) = (pid.clone(), connection.clone());
        let watching = tokio::spawn(async move {
            let process = means.watcher.watch(&over, &watched);
            tokio::select! {
                () = process.ended() => {}
                () = over.gone() => {}
            }
            let _ended_itself = mailbox.send(Message::Gone { id });
        });
        let consumer = Consumer {
            pid,
            connection,
            watching,
        };
        self.consumers.insert(id, consumer);
        self.save.answer_later(reply);
    }

    pub(super) fn leave(&mut self, id: u64) {
        self.consumers.remove(&id);
        if self.group.leave(id).is_ok() {
            self.rest();
        }
    }

    /// A consumer is gone without a word: what it had may be what ended it.
    pub(super) fn lose(&mut self, id: u64) {
        self.consumers.remove(&id);
        if self.group.lose(id).is_ok() {
            // What was tried too often is put aside before the rest is forgotten.
            self.act();
            self.rest();
        }
    }

    /// Nothing is read for nobody, and nothing kept in memory.
    fn rest(&mut self) {
        if self.consumers.is_empty() {
            let progress = self.progress();
            self.feeder = None;
            self.replayed.clear();
            self.group.forget(progress.checkpoint);
            self.before = progress;
        }
    }

    pub(super) fn acknowledge(&mut self, consumer: &[u8], events: &Events) -> Result<(), Problem> {
        let id = self.id_of(consumer)?;
        match events {
            Events::At(positions) => {
                let mut unknown = None;
                for position in positions {
                    if self.group.ack(id, *position).is_ok() {
                        self.done(*position);
                    } else if *position >= self.group.checkpoint() {
                        unknown.get_or_insert(*position);
                    }
                }
                unknown.map_or(Ok(()), |position| Err(Problem::not_in_flight(position)))
            }
            Events::UpTo(last) => {
                let replayed: Vec<u64> = self.replayed.range(..=*last).copied().collect();
                for position in replayed {
                    if self.group.ack(id, position).is_ok() {
                        self.done(position);
                    }
                }
                let done = self.group.ack_up_to(id, *last);
                done.map(|_| ())
                    .map_err(|refused| Problem::refused(refused, "this consumer"))
            }
        }
    }

    /// An event is done with.
    fn done(&mut self, position: u64) {
        if self.replayed.remove(&position) {
            self.save.unpark(position);
        }
    }

    pub(super) fn give_back(
        &mut self,
        consumer: &[u8],
        positions: &[u64],
        fate: &Fate,
    ) -> Result<(), Problem> {
        let id = self.id_of(consumer)?;
        // From the last to the first: one that is tried again takes along those behind it.
        let mut positions: Vec<u64> = positions.to_vec();
        positions.sort_unstable_by(|a, b| b.cmp(a));
        positions.dedup();
        let mut unknown = None;
        for position in positions {
            let nack = match fate {
                Fate::Retry => Nack::Retry,
                Fate::Skip => Nack::Skip,
                Fate::Park(reason) => Nack::Park(reason.clone()),
            };
            match self.group.nack(id, position, nack) {
                Err(_) => unknown = Some(position),
                // What is put aside is done with when it is: see `act`.
                Ok(()) if *fate == Fate::Skip => self.done(position),
                Ok(()) => {}
            }
        }
        unknown.map_or(Ok(()), |position| Err(Problem::not_in_flight(position)))
    }
}
