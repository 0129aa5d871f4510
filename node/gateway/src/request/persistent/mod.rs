//! The requests of the subscription protocol of this server's own (docs/protocol.md).
//!
//! All but `open_subscription` and `await_position` name a subscription that exists; those with a
//! consumer name it by its pid.

mod await_position;
mod open_subscription;
pub(super) mod parked_events;

use super::{name, non_negative};
use crate::persistent::message::{Events, Fate, Message};
use crate::persistent::registry::Opening;
use crate::refusal::Refusal;
use crate::served::ServedStore;
use crate::worker::ReplyTo;
use esdb_dist::Connection;
use esdb_etf::{Kind, Term, put};
use std::time::Duration;

/// Most events in flight to one consumer.
const MAX_WINDOW: usize = 10_000;
/// Largest reason for which an event is put aside, in bytes of External Term Format.
const MAX_REASON: usize = 64 << 10;

/// A request that was understood.
pub(crate) enum Request {
    /// To let a consumer in.
    Open(Box<Opening>),
    /// To tell the subscription of this name.
    Tell {
        /// The subscription's name.
        name: Vec<u8>,
        /// What it is told.
        message: Box<dyn FnOnce(ReplyTo) -> Message + Send>,
    },
    /// To end the subscription of this name.
    Delete(Vec<u8>),
    /// To answer when a position is reached.
    Await {
        /// The subscription's name; without one, the store is meant.
        name: Option<Vec<u8>>,
        /// The position.
        position: u64,
        /// How long to wait.
        timeout: Duration,
    },
    /// To list the names.
    List,
}

/// The request `request` with these arguments; none if it is not one of this protocol.
pub(super) fn parse(request: &str, arguments: &[Term<'_>]) -> Result<Option<Request>, Refusal> {
    let parsed = match (request, arguments) {
        ("open_subscription", [subscription, options]) => {
            open_subscription::parse(*subscription, *options)?
        }
        ("close_subscription", [subscription, pid]) => {
            let consumer = consumer(*pid)?;
            tell(*subscription, |reply| Message::Leave { consumer, reply })?
        }
        ("ack_subscription", [subscription, pid, events]) => {
            let (consumer, events) = (consumer(*pid)?, acknowledged(*events)?);
            tell(*subscription, |reply| Message::Acknowledge {
                consumer,
                events,
                reply,
            })?
        }
        ("nack_subscription", [subscription, pid, events, fate]) => {
            let (consumer, positions) = (consumer(*pid)?, positions(*events)?);
            let fate = parse_fate(*fate)?;
            tell(*subscription, |reply| Message::GiveBack {
                consumer,
                positions,
                fate,
                reply,
            })?
        }
        ("subscription_window", [subscription, pid, window]) => {
            let consumer = consumer(*pid)?;
            let window = open_subscription::window(*window)?;
            tell(*subscription, move |reply| Message::Window {
                consumer,
                window,
                reply,
            })?
        }
        ("reset_subscription", [subscription, position]) => {
            let position = non_negative("position", *position)?;
            tell(*subscription, move |reply| Message::Reset {
                position,
                reply,
            })?
        }
        ("replay_parked", [subscription, which]) => {
            let positions = match which.is_atom("all") {
                true => 0..=u64::MAX,
                false => {
                    let position = non_negative("position", *which)?;
                    position..=position
                }
            };
            tell(*subscription, |reply| Message::Replay { positions, reply })?
        }
        ("subscription_status", [subscription]) => {
            tell(*subscription, |reply| Message::Status { reply })?
        }
        ("delete_subscription", [subscription]) => {
            Request::Delete(name("subscription name", *subscription)?.to_vec())
        }
        ("await_position", [whose, position, timeout]) => {
            await_position::parse(*whose, *position, *timeout)?
        }
        ("list_persistent_subscriptions", []) => Request::List,
        _ => return Ok(None),
    };
    Ok(Some(parsed))
}

fn tell(
    subscription: Term<'_>,
    message: impl FnOnce(ReplyTo) -> Message + Send + 'static,
) -> Result<Request, Refusal> {
    Ok(Request::Tell {
        name: name("subscription name", subscription)?.to_vec(),
        message: Box::new(message),
    })
}

/// The raw pid of a consumer.
fn consumer(term: Term<'_>) -> Result<Vec<u8>, Refusal> {
    match term.kind() {
        Kind::Pid => Ok(term.as_bytes().to_vec()),
        kind => Err(Refusal::argument(
            "consumer",
            format!("it is a {kind:?}; give its pid"),
        )),
    }
}

/// A position, or a list of no more than can be in flight.
fn positions(term: Term<'_>) -> Result<Vec<u64>, Refusal> {
    match term.as_proper_list() {
        Some(list) if list.len() > MAX_WINDOW => Err(Refusal::argument(
            "position",
            format!("there are {}; give {MAX_WINDOW} at most", list.len()),
        )),
        Some(list) => list.map(|one| non_negative("position", one)).collect(),
        None => Ok(vec![non_negative("position", term)?]),
    }
}

/// `Position`, `[Position]` or `{up_to, Position}`.
fn acknowledged(term: Term<'_>) -> Result<Events, Refusal> {
    match term.as_array() {
        Some([label, last]) if label.is_atom("up_to") => {
            Ok(Events::UpTo(non_negative("position", last)?))
        }
        _ => Ok(Events::At(positions(term)?)),
    }
}

/// Put aside for this reason, which is kept and shown.
fn parked(reason: Term<'_>) -> Result<Fate, Refusal> {
    let wrong = |problem| Err(Refusal::argument("reason", problem));
    let bytes = reason.as_bytes();
    if bytes.len() > MAX_REASON {
        return wrong(format!(
            "it has {} bytes; give {MAX_REASON} at most",
            bytes.len()
        ));
    }
    match reason.check_keys() {
        Ok(()) => Ok(Fate::Park(bytes.to_vec())),
        Err(error) => wrong(error.to_string()),
    }
}

/// `retry`, `skip` or `{park, Reason}`.
fn parse_fate(term: Term<'_>) -> Result<Fate, Refusal> {
    match term.as_array() {
        Some([label, reason]) if label.is_atom("park") => parked(reason),
        _ if term.is_atom("retry") => Ok(Fate::Retry),
        _ if term.is_atom("skip") => Ok(Fate::Skip),
        _ => Err(Refusal::argument(
            "what to do",
            "give retry, skip or {park, Reason}",
        )),
    }
}

impl Request {
    /// Has it served.
    pub(crate) fn serve(self, store: &ServedStore, connection: &Connection, reply: ReplyTo) {
        let persistent = &store.persistent;
        match self {
            Request::Open(opening) => persistent.open(*opening, connection.clone(), reply),
            Request::Tell { name, message } => persistent.tell(&name, reply, message),
            Request::Delete(name) => persistent.delete(&name, reply),
            Request::Await {
                name,
                position,
                timeout,
            } => await_position::serve(store, name.as_deref(), position, timeout, reply),
            Request::List => reply.send(true, |out| {
                let names = persistent.names();
                put::tuple(out, 2);
                put::atom(out, "ok");
                if !names.is_empty() {
                    put::list(out, names.len());
                }
                names.iter().for_each(|name| put::binary(out, name));
                put::nil(out);
            }),
        }
    }
}
