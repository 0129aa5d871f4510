//! `{ack_event, S, Name, Pid, Event}`, call or cast: notes how far a subscriber has come.
//!
//! The pid tells which subscription is meant, should several have that name.
//!
//! The event is a map with the number of the event as `event_number` or `version`, and its stream as
//! `event_stream_id` or `stream_id`, if it names one.

use super::{Change, Work, name};
use crate::delivery::acknowledged::Acknowledged;
use crate::refusal::Refusal;
use esdb_etf::{Map, Term};

pub(super) fn work(
    subscription: Term<'_>,
    subscriber: Term<'_>,
    event: Term<'_>,
) -> Result<Work, Refusal> {
    let subscription = name("subscription name", subscription)?;
    let wrong = |problem: &str| Refusal::argument("event", problem);
    let event = event
        .as_map()
        .ok_or_else(|| wrong("give a map with version, and stream_id where it is known"))?;
    let version = either(event, ["event_number", "version"])
        .map(|version| version.as_u64())
        .ok_or_else(|| wrong("it has neither event_number nor version"))?
        .ok_or_else(|| wrong("its number is no integer of 0 and above"))?;
    let stream = either(event, ["event_stream_id", "stream_id"]);
    Ok(Work::Change(Change::Acknowledge(Acknowledged {
        name: subscription.to_vec(),
        subscriber: subscriber.as_pid(),
        stream: stream.and_then(Term::as_binary).map(<[u8]>::to_vec),
        version,
    })))
}

fn either<'a>(event: Map<'a>, keys: [&str; 2]) -> Option<Term<'a>> {
    keys.into_iter().find_map(|key| event.get(key))
}
