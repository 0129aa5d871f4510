//! Sends events to a published client's subscriber: `{events, [#event{}]}`.
//!
//! That protocol has no flow control. So only [`super::subscription::WINDOW_EVENTS`] may be on their
//! way, as far as the peer's runtime has not said that it has read them.

use super::batch::{Batch, Room, Shape};
use super::feed::Feed;
use super::live::Live;
use super::subscriber::{Watched, Watcher};
use super::subscription::{Condition, Subscription};
use crate::clients::Clients;
use crate::generation::Generation;
use esdb_dist::Connection;
use esdb_etf::{Pid, put, tag};
use esdb_store::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// Events of one message at most.
pub(super) const MESSAGE: Room = Room {
    events: 500,
    bytes: 512 << 10,
};
/// How long progress may be unknown to the log while nothing presses.
pub(super) const SAVE_AFTER: Duration = Duration::from_millis(250);
/// How long after a failed reading the next one follows.
pub(super) const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What deliveries need beside their subscription.
pub(crate) struct Means {
    /// The store's name.
    pub(crate) store: String,
    pub(crate) live: Arc<Live>,
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) clients: Arc<Clients>,
}

/// The delivery of one subscription.
pub(crate) struct Delivery {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) means: Arc<Means>,
}

/// Notes at the end of a delivery, whatever ends it, what the peer has read until then.
struct LastReceipt<'a>(&'a Subscription, &'a Watched<'a>);

impl Drop for LastReceipt<'_> {
    fn drop(&mut self) {
        self.0.was_received(self.1.received());
    }
}

/// A subscriber that can be sent to.
pub(super) struct Subscriber<'a> {
    pub(super) connection: &'a Connection,
    watched: &'a Watched<'a>,
    pub(super) pid: &'a [u8],
    generation: Generation,
}

impl Delivery {
    /// Delivers to whomever the subscription is bound to.
    pub(crate) async fn run(self) {
        let mut bound = self.subscription.bound.subscribe();
        loop {
            let definition = {
                let bound = bound.borrow_and_update();
                // Under its lock, or this might be meant for whoever is bound next.
                self.subscription.resume();
                bound.clone()
            };
            tokio::select! {
                changed = bound.changed() => if changed.is_err() { return },
                () = self.serve_pool(&definition), if definition.subscriber.is_empty() => {}
                () = self.serve(definition.pid(), &definition.subscriber, definition.generation),
                    if !definition.subscriber.is_empty() => {}
            }
        }
    }

    /// Delivers to one process as long as it is there, and then waits for ever.
    async fn serve(&self, pid: Option<Pid>, raw: &[u8], generation: Generation) {
        let subscription = &self.subscription;
        while let Some(pid) = &pid {
            subscription.is_now(Condition::Disconnected);
            let Some(connection) = self.means.watcher.reach(pid).await else {
                break;
            };
            subscription.forget_receipts();
            let watched = self.means.watcher.watch(&connection, raw);
            let subscriber = Subscriber {
                connection: &connection,
                watched: &watched,
                pid: raw,
                generation,
            };
            let _noted = LastReceipt(subscription, &watched);
            let ended = tokio::select! {
                () = watched.ended() => true,
                () = connection.gone() => false,
                never = self.deliver(&subscriber) => match never {},
            };
            if ended {
                break;
            }
        }
        subscription.is_now(Condition::Parked);
        self.save_if_dirty();
        std::future::pending().await
    }

    async fn deliver(&self, to: &Subscriber<'_>) -> std::convert::Infallible {
        loop {
            let flow = self.subscription.definition.lock().flow;
            let Err(error) = match flow {
                Some(flow) => self.stream_through(to, flow).await,
                None => self.stream(to).await,
            };
            let id = &self.subscription.id;
            tracing::error!(subscription = id, %error, "its events cannot be read");
            self.subscription
                .is_now(Condition::Failed(error.to_string()));
            self.subscription.was_received(to.watched.received());
            self.save_if_dirty();
            tokio::time::sleep(READ_AGAIN_AFTER).await;
        }
    }

    async fn stream(&self, to: &Subscriber<'_>) -> Result<std::convert::Infallible, StoreError> {
        let shape = self.shape(to).await;
        let (next, floor) = self.subscription.begin();
        let selector = &self.subscription.selector;
        let mut feed = Feed::new(&self.means.live, selector, shape, next, floor);
        self.subscription.is_now(Condition::CatchingUp);
        loop {
            let mut batch = self.meanwhile(to, feed.next(MESSAGE)).await?;
            if batch.events.is_empty() {
                self.subscription.is_now(Condition::Live);
                continue;
            }
            let shape = self.meanwhile(to, self.shape(to)).await;
            if shape != feed.shape() {
                feed.rewrite(&batch, shape);
                continue;
            }
            // Acknowledged since, though sent by an earlier delivery.
            batch.forget_before(self.subscription.acknowledged());
            if batch.events.is_empty() {
                continue;
            }
            if !self.subscription.has_room(&batch) {
                let before = self.subscription.condition();
                self.subscription.is_now(Condition::CatchingUp);
                while !self.subscription.has_room(&batch) {
                    self.something_happens(to).await;
                }
                self.subscription.is_now(before);
            }
            to.connection.room().await;
            if !self.send(to, &batch) {
                std::future::pending::<()>().await;
            }
        }
    }

    /// How the subscriber wants events written, which may become known while it is served.
    pub(super) async fn shape(&self, to: &Subscriber<'_>) -> Shape {
        self.shape_for(to.connection, to.generation).await
    }

    /// How a client of this generation on that node wants events written.
    pub(super) async fn shape_for(&self, node: &Connection, generation: Generation) -> Shape {
        let clients = &self.means.clients;
        Shape::Record(match clients.event_arity(node, generation) {
            Some(arity) => arity,
            None => clients.ask_event_arity(node, generation).await,
        })
    }

    /// Waits for `work`, and keeps the books meanwhile.
    async fn meanwhile<T>(&self, to: &Subscriber<'_>, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.something_happens(to) => {}
            }
        }
    }

    /// Waits until the peer has read something, something was saved, or it is time to save.
    pub(super) async fn something_happens(&self, to: &Subscriber<'_>) {
        let subscription = &self.subscription;
        let mut received = to.connection.received();
        received.mark_unchanged();
        subscription.was_received(to.watched.received());
        if subscription.is_pressed() {
            subscription.save(self.means.live.replica());
        }
        let (flying, dirty) = (subscription.is_flying(), subscription.is_dirty());
        tokio::select! {
            _ = received.changed(), if flying => subscription.was_received(to.watched.received()),
            () = subscription.changed.notified() => {}
            () = tokio::time::sleep(SAVE_AFTER), if dirty && !flying => self.save_if_dirty(),
        }
    }

    pub(super) fn save_if_dirty(&self) {
        if self.subscription.is_dirty() {
            self.subscription.save(self.means.live.replica());
        }
    }

    /// Answers false if the subscription is another one's now: this delivery is about to end.
    fn send(&self, to: &Subscriber<'_>, batch: &Batch) -> bool {
        self.subscription.send(batch, || self.write(to, batch))
    }

    /// Sends a message and answers its receipt.
    pub(super) fn write(&self, to: &Subscriber<'_>, batch: &Batch) -> u64 {
        to.connection.send(to.pid, true, |out| {
            put::tuple(out, 2);
            put::atom(out, "events");
            put::list(out, batch.events.len());
            out.extend_from_slice(&batch.terms);
            out.push(tag::NIL);
        });
        to.connection.receipt()
    }
}
