//! Where a subscription begins.

use crate::refusal::Refusal;
use esdb_etf::Term;
use esdb_subscription::{Access, Kind, Selector};

/// The one stream that a subscription is for, whose versions count its events.
pub(crate) fn one_stream(selector: &Selector) -> Option<&[u8]> {
    match (selector.kind(), selector.access()) {
        (Kind::Stream, Access::Stream(stream)) => Some(stream),
        _ => None,
    }
}

/// Where a new subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the events that are committed from now on.
    Now,
    /// With what stands at this position or after it.
    Position(u64),
    /// With this version of the one stream that it is about.
    Version(u64),
}

impl Start {
    /// What `start_from` means for a subscription.
    ///
    /// # Errors
    /// [`Refusal`] if it is neither an integer from -1 on nor `origin` nor `current`.
    pub(crate) fn parse(term: Term<'_>, selector: &Selector) -> Result<Self, Refusal> {
        let one_stream = one_stream(selector).is_some();
        let first = match one_stream {
            true => Start::Version(0),
            false => Start::Position(0),
        };
        match (term.as_i64(), one_stream) {
            (Some(-1), _) => Ok(Start::Now),
            (Some(n), true) if n >= 0 => Ok(Start::Version(n.unsigned_abs())),
            (Some(n), false) if n >= 0 => Ok(Start::Position(n.unsigned_abs())),
            _ if term.is_atom("origin") => Ok(first),
            _ if term.is_atom("current") => Ok(Start::Now),
            _ => Err(Refusal::argument(
                "start_from",
                "give 0 for all events, a position (of a stream: a version) to begin with, \
                 or -1 or current for what is new",
            )),
        }
    }

    /// The position with which to begin, `next` being that of the next event; and the version.
    pub(crate) fn cursor(self, next: u64) -> (u64, u64) {
        match self {
            Start::Now => (next, 0),
            Start::Position(position) => (position, 0),
            Start::Version(version) => (0, version),
        }
    }
}
