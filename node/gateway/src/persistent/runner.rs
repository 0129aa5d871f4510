//! The task of one persistent subscription.

use super::consumers::Consumer;
use super::definition::Definition;
use super::feeder::Feeder;
use super::message::Message;
use super::notice;
use super::parked::Parked;
use super::problem::Problem;
use super::progress::Progress;
use super::save::Save;
use crate::delivery::batch::{Batch, Room, Shape};
use crate::delivery::deliver::Means;
use crate::delivery::feed::Feed;
use crate::refusal;
use crate::worker::ReplyTo;
use bytes::Bytes;
use esdb_etf::put;
use esdb_subscription::Selector;
use esdb_subscription::group::{Action, Group, Refused};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;

/// What is asked for at once.
const AT_ONCE: Room = Room {
    events: 500,
    bytes: 1 << 20,
};

/// One persistent subscription.
pub(crate) struct Runner {
    pub(super) name: Vec<u8>,
    pub(super) definition: Definition,
    selector: Arc<Selector>,
    pub(super) means: Arc<Means>,
    pub(super) mailbox: UnboundedSender<Message>,
    pub(super) group: Group<u64, Bytes>,
    pub(super) consumers: BTreeMap<u64, Consumer>,
    /// Consumers and feeders so far.
    pub(super) count: u64,
    pub(super) feeder: Option<Feeder>,
    /// What had been done when it was loaded.
    pub(super) before: Progress,
    /// Events dropped since the server was started.
    pub(super) dropped: u64,
    /// Parked events that are being delivered again.
    pub(super) replayed: BTreeSet<u64>,
    pub(super) save: Save,
    checkpoint: Arc<watch::Sender<u64>>,
    pub(super) failure: Option<String>,
}

/// What a new runner needs.
pub(crate) struct Beginning {
    pub(crate) name: Vec<u8>,
    pub(crate) definition: Definition,
    pub(crate) selector: Arc<Selector>,
    pub(crate) progress: Progress,
    pub(crate) means: Arc<Means>,
    pub(crate) mailbox: UnboundedSender<Message>,
    pub(crate) checkpoint: Arc<watch::Sender<u64>>,
    /// It is not in the store yet.
    pub(crate) is_new: bool,
}

impl Runner {
    /// The runner of a subscription that has come as far as its progress says.
    pub(crate) fn new(beginning: Beginning) -> Self {
        let Beginning {
            name,
            definition,
            selector,
            progress,
            means,
            mailbox,
            checkpoint,
            is_new,
        } = beginning;
        Runner {
            group: Group::new(definition.options(), progress.checkpoint),
            save: Save::new(is_new),
            name,
            definition,
            selector,
            means,
            mailbox,
            consumers: BTreeMap::new(),
            count: 0,
            feeder: None,
            before: progress,
            dropped: 0,
            replayed: BTreeSet::new(),
            checkpoint,
            failure: None,
        }
    }

    /// Works until the subscription is deleted, or the task is ended.
    pub(crate) async fn run(mut self, mut messages: UnboundedReceiver<Message>) {
        let period = Duration::from_millis(self.definition.heartbeat_ms.max(1));
        let mut heartbeat = tokio::time::interval(period);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            self.act();
            self.demand();
            self.write_down();
            let beats = self.definition.heartbeat_ms > 0 && !self.consumers.is_empty();
            tokio::select! {
                message = messages.recv() => match message {
                    None => return,
                    Some(Message::Delete { deletion, reply }) => {
                        if self.delete(&deletion, reply).await {
                            return self.refuse_rest(&mut messages);
                        }
                    }
                    Some(Message::End) => {
                        self.tell_all(|out, name| notice::closed(out, name, "store_removed"));
                        return self.refuse_rest(&mut messages);
                    }
                    Some(message) => self.handle(message),
                },
                _ = heartbeat.tick(), if beats => self.beat(),
                () = self.save.time_to_retry() => {}
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Join {
                consumer,
                connection,
                window,
                reply,
            } => self.join(consumer, connection, window, reply),
            Message::Acknowledge {
                consumer,
                events,
                reply,
            } => {
                let done = self.acknowledge(&consumer, &events);
                self.save.touch();
                self.answer(done, reply);
            }
            Message::GiveBack {
                consumer,
                positions,
                fate,
                reply,
            } => {
                let done = self.give_back(&consumer, &positions, &fate);
                self.save.touch();
                self.answer(done, reply);
            }
            Message::Window {
                consumer,
                window,
                reply,
            } => {
                let done = self.id_of(&consumer).and_then(|id| {
                    let set = self.group.set_window(id, window);
                    set.map_err(|refused| Problem::refused(refused, "this consumer"))
                });
                self.answer(done, reply);
            }
            Message::Leave { consumer, reply } => {
                let done = self.id_of(&consumer).map(|id| self.leave(id));
                self.save.touch();
                self.answer(done, reply);
            }
            Message::Gone { id } => self.lose(id),
            Message::Reset { position, reply } => {
                self.reset(position);
                self.answer(Ok(()), reply);
            }
            Message::Replay { positions, reply } => self.replay(&positions, &reply),
            Message::Status { reply } => self.status(&reply),
            // The loop above has them.
            Message::Delete { .. } | Message::End => {}
            Message::Fed { feed, batch } => {
                if self.is_current(feed) {
                    self.fed(&batch);
                }
            }
            Message::Failed { feed, error } => {
                if self.is_current(feed) {
                    let name = String::from_utf8_lossy(&self.name);
                    tracing::error!(%name, %error, "the events of a subscription cannot be read");
                    self.failure = Some(error.to_string());
                }
            }
            Message::Saved(result) => self.saved(result),
        }
    }

    /// Answers everybody who waits: there is no such subscription any more.
    fn refuse_rest(&mut self, messages: &mut UnboundedReceiver<Message>) {
        messages.close();
        let unread = std::iter::from_fn(|| messages.try_recv().ok());
        let waiting = self.save.take_waiting();
        for reply in waiting.into_iter().chain(unread.filter_map(Message::reply)) {
            reply.send(true, |out| refusal::subscription_not_found(out, &self.name));
        }
    }

    /// Answers when what was done is durable, or what went wrong.
    fn answer(&mut self, done: Result<(), Problem>, reply: ReplyTo) {
        match done {
            Ok(()) => self.save.answer_later(reply),
            Err(problem) => problem.answer(&reply),
        }
    }

    fn is_current(&self, feed: u64) -> bool {
        let feeder = self.feeder.as_ref();
        feeder.is_some_and(|feeder| feeder.number == feed)
    }

    fn reset(&mut self, position: u64) {
        self.feeder = None;
        self.replayed.clear();
        self.group.reset(position);
        self.before = Progress {
            checkpoint: position,
            ..Progress::default()
        };
        self.save.touch();
    }

    /// Takes events that were read.
    fn fed(&mut self, batch: &Batch) {
        self.failure = None;
        if batch.events.is_empty() {
            self.group.pass(batch.next);
            return self.group.caught_up();
        }
        if let Some(feeder) = &mut self.feeder {
            feeder.answered();
        }
        self.before.floor = 0;
        for (place, term) in batch.iter() {
            if self.before.is_done(place.position) {
                self.group.pass(place.position + 1);
                continue;
            }
            let stream = place.stream.to_be_bytes();
            let (bytes, term) = (term.len(), Bytes::copy_from_slice(term));
            let offered = self.group.offer(place.position, &stream, term, bytes);
            if offered == Err(Refused::Full) {
                return self.close_all("buffer_full");
            }
        }
        self.group.pass(batch.next);
    }

    fn close_all(&mut self, reason: &str) {
        self.tell_all(|out, name| notice::closed(out, name, reason));
        for id in self.consumers.keys().copied().collect::<Vec<_>>() {
            self.leave(id);
        }
    }

    /// Asks for events, if there is somebody for them.
    fn demand(&mut self) {
        let events = self.group.wants().min(AT_ONCE.events);
        if self.consumers.is_empty() || events == 0 {
            return;
        }
        let feeder = match &mut self.feeder {
            Some(feeder) => feeder,
            none => {
                self.count += 1;
                let live = &self.means.live;
                let next = self.group.next();
                let feed = Feed::new(live, &self.selector, Shape::Map, next, self.before.floor);
                none.insert(Feeder::start(self.count, feed, self.mailbox.clone()))
            }
        };
        let bytes = self.group.wants_bytes().clamp(1, AT_ONCE.bytes);
        feeder.ask(Room { events, bytes });
    }

    /// Does what the group wants done.
    pub(super) fn act(&mut self) {
        for action in self.group.actions() {
            match action {
                Action::Deliver { consumer, events } => {
                    if let Some(consumer) = self.consumers.get(&consumer) {
                        let name = &self.name;
                        consumer.connection.send(&consumer.pid, true, |out| {
                            notice::events(out, name, &events);
                        });
                    }
                }
                Action::Park {
                    position,
                    attempt,
                    reason,
                    ..
                } => {
                    let attempt = attempt.into();
                    let reason = reason.unwrap_or_else(tried_too_often);
                    self.replayed.remove(&position);
                    self.save.park(position, Parked { attempt, reason });
                }
                Action::Dropped(position) => {
                    self.dropped += 1;
                    self.replayed.remove(&position);
                    self.tell_all(|out, name| notice::number(out, name, "dropped", position));
                }
                Action::Warning { waiting } => {
                    let waiting = waiting as u64;
                    self.tell_all(|out, name| notice::number(out, name, "warning", waiting));
                }
                Action::CaughtUp => self.tell_all(notice::caught_up),
                Action::CheckpointMoved(position) => {
                    self.checkpoint.send_replace(position);
                    self.save.touch();
                }
            }
        }
    }

    fn beat(&self) {
        let checkpoint = self.group.checkpoint();
        let head = self.means.live.replica().view().next_position();
        self.tell_all(|out, name| notice::heartbeat(out, name, checkpoint, head));
    }

    pub(super) fn tell_all(&self, write: impl Fn(&mut Vec<u8>, &[u8])) {
        for consumer in self.consumers.values() {
            let connection = &consumer.connection;
            connection.send(&consumer.pid, true, |out| write(out, &self.name));
        }
    }
}

/// The reason, a raw term, for which an event is put aside that nobody could cope with.
fn tried_too_often() -> Vec<u8> {
    let mut reason = Vec::new();
    put::atom(&mut reason, "max_attempts");
    reason
}
