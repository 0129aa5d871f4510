//! What the runner of a persistent subscription is told.

use super::registry::Deletion;
use crate::delivery::batch::Batch;
use crate::worker::ReplyTo;
use esdb_dist::Connection;
use esdb_log::Unavailable;
use esdb_store::StoreError;
use std::ops::RangeInclusive;

/// One message.
pub(crate) enum Message {
    /// A consumer comes, with room for so many events in flight.
    Join {
        consumer: Vec<u8>,
        connection: Connection,
        window: usize,
        reply: ReplyTo,
    },
    /// A consumer has done with events.
    Acknowledge {
        consumer: Vec<u8>,
        events: Events,
        reply: ReplyTo,
    },
    /// A consumer has not done with events.
    GiveBack {
        consumer: Vec<u8>,
        positions: Vec<u64>,
        fate: Fate,
        reply: ReplyTo,
    },
    /// A consumer has room for so many events from now on.
    Window {
        consumer: Vec<u8>,
        window: usize,
        reply: ReplyTo,
    },
    /// A consumer goes.
    Leave { consumer: Vec<u8>, reply: ReplyTo },
    /// A consumer is gone without a word.
    Gone { id: u64 },
    /// Begin again at a position.
    Reset { position: u64, reply: ReplyTo },
    /// Deliver parked events within these positions again.
    Replay {
        positions: RangeInclusive<u64>,
        reply: ReplyTo,
    },
    /// Say how it is.
    Status { reply: ReplyTo },
    /// End, and take everything out of the store.
    Delete { deletion: Deletion, reply: ReplyTo },
    /// End: the store was removed.
    End,
    /// Events have come, or, if there are none, all there were.
    Fed { feed: u64, batch: Batch },
    /// Events cannot be read; it is tried again.
    Failed { feed: u64, error: StoreError },
    /// What was written down is durable, or is not.
    Saved(Result<(), Unavailable>),
}

impl Message {
    /// Where its answer goes, if there is to be one.
    pub(crate) fn reply(self) -> Option<ReplyTo> {
        match self {
            Message::Join { reply, .. }
            | Message::Acknowledge { reply, .. }
            | Message::GiveBack { reply, .. }
            | Message::Window { reply, .. }
            | Message::Leave { reply, .. }
            | Message::Reset { reply, .. }
            | Message::Replay { reply, .. }
            | Message::Status { reply }
            | Message::Delete { reply, .. } => Some(reply),
            Message::Gone { .. }
            | Message::End
            | Message::Fed { .. }
            | Message::Failed { .. }
            | Message::Saved(_) => None,
        }
    }
}

/// Which events are acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Events {
    /// These.
    At(Vec<u64>),
    /// All that the consumer has up to this position.
    UpTo(u64),
}

/// What is to become of events that are given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They are tried again.
    Retry,
    /// They are passed over.
    Skip,
    /// They are put aside for this reason, a raw term.
    Park(Vec<u8>),
}
