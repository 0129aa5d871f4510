//! What a group has its owner do, and what it answers.

use std::sync::Arc;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<C, T> {
    /// Send these events to this consumer, in this order.
    Deliver {
        /// Who gets them.
        consumer: C,
        /// The events, at least one.
        events: Vec<Delivered<T>>,
    },
    /// Keep this event for later: its consumer parked it, or it has been tried too often.
    Park {
        /// Its position.
        position: u64,
        /// Its stream.
        stream: Arc<[u8]>,
        /// Its contents.
        payload: T,
        /// How often it had been tried.
        attempt: u32,
        /// What the consumer says about it, as it came; `None` if it has been tried too often.
        reason: Option<Vec<u8>>,
    },
    /// This event was dropped, because as many waited as may.
    Dropped(u64),
    /// As many events wait as was to be warned of; told again only after fewer did.
    Warning {
        /// How many wait.
        waiting: usize,
    },
    /// All that there was has been delivered; what comes now is new.
    CaughtUp,
    /// Every event before this position is done with. After a reset it may be lower than before.
    CheckpointMoved(u64),
}

/// An event on its way to a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered<T> {
    /// Its position, which names it in acknowledgements.
    pub position: u64,
    /// Its contents.
    pub payload: T,
    /// Which attempt it is, from 1. Counted are those that ended with the consumer giving the
    /// event back, or being lost.
    pub attempt: u32,
    /// Whether it was delivered before.
    pub redelivered: bool,
}

/// What is to become of an event that a consumer has not done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nack {
    /// It is tried again, before later events of its stream; or parked, if it was tried too often.
    Retry,
    /// It is put aside, with a reason; the stream goes on.
    Park(Vec<u8>),
    /// It is passed over; the stream goes on.
    Skip,
}

/// Why an input was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are as many as may be.
    #[error("there are as many as may be")]
    Full,
    /// It is there already.
    #[error("it is there already")]
    Known,
    /// There is none such.
    #[error("there is none such")]
    Unknown,
    /// The group is past that position.
    #[error("the group is past that position")]
    Passed,
}
