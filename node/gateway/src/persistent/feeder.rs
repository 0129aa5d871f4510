//! Events for a persistent subscription, on demand: it asks for as many as it has room for.

use super::message::Message;
use crate::delivery::batch::Room;
use crate::delivery::feed::Feed;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedSender, channel};
use tokio::task::JoinHandle;

/// How long after a failed reading the next one follows.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The task that feeds; it ends when this is dropped.
pub(crate) struct Feeder {
    /// Tells its events from those of a feeder before.
    pub(crate) number: u64,
    demand: Sender<Room>,
    asked: bool,
    task: JoinHandle<()>,
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Feeder {
    /// Begins; events go `to` the runner.
    pub(crate) fn start(number: u64, feed: Feed, to: UnboundedSender<Message>) -> Self {
        let (demand, demanded) = channel(1);
        Feeder {
            number,
            demand,
            asked: false,
            task: tokio::spawn(run(number, feed, demanded, to)),
        }
    }

    /// Asks for events, unless that was done and nothing has come since.
    pub(crate) fn ask(&mut self, room: Room) {
        self.asked |= !self.asked && self.demand.try_send(room).is_ok();
    }

    /// Events have come.
    pub(crate) fn answered(&mut self) {
        self.asked = false;
    }
}

async fn run(
    feed: u64,
    mut source: Feed,
    mut demand: Receiver<Room>,
    to: UnboundedSender<Message>,
) {
    while let Some(room) = demand.recv().await {
        let mut answered = false;
        while !answered {
            let message = match source.next(room).await {
                Ok(batch) => {
                    answered = !batch.events.is_empty();
                    Message::Fed { feed, batch }
                }
                Err(error) => {
                    tokio::time::sleep(READ_AGAIN_AFTER).await;
                    Message::Failed { feed, error }
                }
            };
            if to.send(message).is_err() {
                return;
            }
        }
    }
}
