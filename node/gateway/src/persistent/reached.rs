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

/// How long after the store was asked what is left it is asked again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Of the time that an answer may take, what is kept for the answer that the time is over.
const TO_ANSWER: Duration = Duration::from_millis(100);

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
        let limit = self
            .timeout
            .min(reply.time_left().saturating_sub(TO_ANSWER));
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
        while self.live.replica().view().next_position() <= self.position {
            if head.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        let Some((selector, checkpoint)) = &mut self.subscription else {
            return Ok(());
        };
        // A subscription says nothing of events that are none of its own; so the store is asked which
        // one is the next of them, and once more only when that is done with.
        loop {
            let done = *checkpoint.borrow_and_update();
            if done > self.position {
                return Ok(());
            }
            let left = feed::first_within(&self.live, selector, done, self.position);
            let Some(left) = left.await? else {
                return Ok(());
            };
            // Its stream may be deleted meanwhile: then nothing is done with, and nothing is left.
            let moved = checkpoint.wait_for(|done| *done > left);
            let waited = tokio::time::timeout(LOOK_AGAIN_AFTER, async { moved.await.is_err() });
            if waited.await == Ok(true) {
                std::future::pending::<()>().await;
            }
        }
    }
}
