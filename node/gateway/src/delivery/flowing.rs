//! Delivery to a published client's subscriber that has asked for flow control.

use super::batch::Room;
use super::deliver::{Delivery, MESSAGE, Subscriber};
use super::feed::Feed;
use super::flow::{Flow, Queue};
use super::subscription::Condition;
use esdb_etf::put;
use esdb_store::StoreError;
use std::convert::Infallible;

impl Delivery {
    /// As [`Delivery::stream`], through a queue.
    pub(super) async fn stream_through(
        &self,
        to: &Subscriber<'_>,
        flow: Flow,
    ) -> Result<Infallible, StoreError> {
        let subscription = &self.subscription;
        let shape = self.shape(to).await;
        let (next, floor) = subscription.begin();
        let mut feed = Feed::new(&self.means.live, &subscription.selector, shape, next, floor);
        let (mut queue, mut live) = (Queue::new(flow, next), false);
        subscription.is_now(Condition::CatchingUp);
        if flow.pull {
            self.tell(to, "subscription_demand", subscription.flow.demand());
        }
        loop {
            self.send_queued(to, &mut queue, flow);
            subscription.flow.waits(queue.len() as u64, queue.dropped());
            if let Some(waiting) = queue.warning() {
                self.tell(to, "subscription_warning", waiting as u64);
            }
            let events = queue.wants(live).min(MESSAGE.events);
            let room = Room { events, ..MESSAGE };
            tokio::select! {
                biased;
                batch = feed.next(room), if events > 0 => {
                    let mut batch = batch?;
                    // It may have become known since how this node wants events written.
                    let shape = self.shape(to).await;
                    if shape != feed.shape() {
                        feed.rewrite(&batch, shape);
                        continue;
                    }
                    if batch.events.is_empty() {
                        live = true;
                        subscription.is_now(Condition::Live);
                    }
                    batch.forget_before(subscription.acknowledged());
                    if !queue.take(&batch, live) {
                        self.refuse(to, queue.len() as u64).await;
                    }
                }
                () = self.something_happens(to) => {}
            }
        }
    }

    /// Sends what there is room and demand for.
    fn send_queued(&self, to: &Subscriber<'_>, queue: &mut Queue, flow: Flow) {
        while queue.len() > 0 {
            let demand = match flow.pull {
                true => usize::try_from(self.subscription.flow.demand()).unwrap_or(usize::MAX),
                false => usize::MAX,
            };
            let room = self.subscription.room();
            let events = room.events.min(demand).min(MESSAGE.events);
            if events == 0 || room.bytes == 0 {
                return;
            }
            let bytes = room.bytes.min(MESSAGE.bytes);
            let batch = queue.send(Room { events, bytes });
            let sent = self.subscription.send(&batch, || {
                if flow.pull {
                    self.subscription.flow.used(batch.events.len() as u64);
                }
                self.write(to, &batch)
            });
            if !sent {
                return;
            }
        }
    }

    /// Tells the subscriber that more came than may wait, and delivers nothing more until it, or
    /// another one, subscribes again: then from where it was.
    async fn refuse(&self, to: &Subscriber<'_>, waiting: u64) -> Infallible {
        to.connection.send(to.pid, true, |out| {
            put::tuple(out, 2);
            put::atom(out, "subscription_error");
            put::tuple(out, 2);
            put::atom(out, "queue_full");
            put::binary(out, &self.subscription.definition.lock().name);
        });
        let reason = format!("{waiting} events wait, and another came; subscribe again");
        self.subscription.is_now(Condition::Failed(reason));
        loop {
            self.something_happens(to).await;
        }
    }

    /// `{Label, Name, Number}`
    fn tell(&self, to: &Subscriber<'_>, label: &str, number: u64) {
        to.connection.send(to.pid, true, |out| {
            put::tuple(out, 3);
            put::atom(out, label);
            put::binary(out, &self.subscription.definition.lock().name);
            put::unsigned(out, number);
        });
    }
}
