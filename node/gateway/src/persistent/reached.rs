//! Waiting until a store, or a subscription, has come to a position.

use crate::delivery::feed;
use crate::delivery::live::Live;
use crate::worker::ReplyTo;
use esdb_etf::put;
use esdb_store::StoreError;
use esdb_subscription::Selector;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What is waited for.
pub(crate) struct Reached {
    pub(crate) live: Arc<Live>,
    /// The selector and the checkpoint of the subscription; without one, the store is waited for.
    pub(crate) subscription: Option<(Arc<Selector>, watch::Receiver<u64>)>,
    pub(crate) position: u64,
    pub(crate) timeout: Duration,
}

impl Reached {
    /// Answers `{ok, Position}` once the event at the position and all before it are committed, and
    /// done with as far as the subscription has to do with them; `{error, {timeout, Checkpoint}}` if
    /// that is not so in time.
    pub(crate) async fn answer(mut self, reply: ReplyTo) {
        let limit = self.timeout.min(reply.time_left());
        let reached = tokio::time::timeout(limit, self.wait()).await;
        let so_far = match &self.subscription {
            Some((_, checkpoint)) => *checkpoint.borrow(),
            None => self.live.replica().view().next_position(),
        };
        reply.send(true, |out| {
            put::tuple(out, 2);
            match reached {
                Ok(Ok(())) => {
                    put::atom(out, "ok");
                    put::unsigned(out, self.position);
                }
                Ok(Err(error)) => {
                    out.clear();
                    crate::refusal::failed_read(out, &error);
                }
                Err(_) => {
                    put::atom(out, "error");
                    put::tuple(out, 2);
                    put::atom(out, "timeout");
                    put::unsigned(out, so_far);
                }
            }
        });
    }

    async fn wait(&mut self) -> Result<(), StoreError> {
        let mut head = self.live.replica().head();
        while !self.is_reached().await? {
            match &mut self.subscription {
                Some((_, checkpoint)) => tokio::select! {
                    changed = checkpoint.changed() => if changed.is_err() {
                        std::future::pending::<()>().await;
                    },
                    _ = head.changed() => {}
                },
                None => drop(head.changed().await),
            }
        }
        Ok(())
    }

    /// A subscription says nothing of events that are none of its own; so the store is asked whether
    /// there is one of them left.
    async fn is_reached(&mut self) -> Result<bool, StoreError> {
        let view = self.live.replica().view();
        if view.next_position() <= self.position {
            return Ok(false);
        }
        let Some((selector, checkpoint)) = &mut self.subscription else {
            return Ok(true);
        };
        let checkpoint = *checkpoint.borrow_and_update();
        if checkpoint > self.position {
            return Ok(true);
        }
        let left = feed::is_any_within(&self.live, selector, checkpoint, self.position);
        Ok(!left.await?)
    }
}
