//! One file per request. Each turns the arguments after the store's name into [`Work`].

mod ack_event;
mod add_demand;
mod append_events;
mod delete_snapshot;
mod delete_stream;
mod get_events;
mod get_streams;
mod get_subscriptions;
mod get_version;
mod has_events;
mod list_all_snapshots;
mod list_snapshots;
mod persistent;
mod read_all_global;
mod read_by_event_types;
mod read_by_tags;
mod read_snapshot;
mod record_snapshot;
mod remove_subscription;
mod save_subscription;
mod subscription_health;

pub(crate) use read_snapshot::SnapshotVersion;

use crate::delivery::acknowledged::Acknowledged;
use crate::delivery::registry::Wanted;
use crate::generation::Generation;
use crate::new_event::MAX_NAME;
use crate::refusal::Refusal;
use crate::served::ServedStore;
use crate::store_options::StoreOptions;
use append_events::Append;
use esdb_etf::{Kind, List, Term};
use esdb_store::{Direction, Outcome, StoreError, View};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Writes the reply to a write, once its outcome is known.
pub(crate) type Answer = Box<dyn FnOnce(Outcome, &mut Vec<u8>) + Send>;
/// Reads from a view and writes the reply.
/// The number is how many elements the client's `#event{}` has.
pub(crate) type Query =
    Box<dyn FnOnce(&View, usize, &mut Vec<u8>) -> Result<(), StoreError> + Send>;

/// Writes the reply about a store.
pub(crate) type Look = Box<dyn FnOnce(&ServedStore, &mut Vec<u8>) + Send>;

/// What a request asks of its store.
pub(crate) enum Work {
    /// To put a command into the log and answer with its outcome.
    Write {
        /// The command's bytes.
        command: Vec<u8>,
        /// Writes the reply.
        answer: Answer,
    },
    /// To change a subscription.
    Change(Change),
    /// One of the subscription protocol of this server's own.
    Persistent(persistent::Request),
    /// To say how the store is, from memory.
    Look(Look),
    /// To read.
    Read {
        /// Reads and writes the reply.
        query: Query,
        /// What it costs.
        effort: Effort,
        /// Where the query, once it is done, says how far it has read the whole store: everything
        /// before this position.
        reached: Option<Arc<AtomicU64>>,
    },
}

/// A change of a subscription.
pub(crate) enum Change {
    /// To create it, or to bind it anew.
    Save(Box<Wanted>),
    /// To end it.
    Remove {
        /// Raw term of its type.
        kind: Vec<u8>,
        /// Its name.
        name: Vec<u8>,
    },
    /// To note how far it has come.
    Acknowledge(Acknowledged),
}

/// What a read costs, which decides where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// A look-up or two, and no event in the answer: done at once.
    LookUp,
    /// At most [`SHORT`] events: a task of the network's runtime, which costs no change of thread
    /// when nothing else is to be done.
    Short,
    /// Anything else: a thread of its own.
    Long,
}

/// Most event types or tags that one request may ask for.
const MAX_NAMES: usize = 1_000;

/// Most events that a short read visits: well under a millisecond from memory.
const SHORT: usize = 256;

impl Effort {
    /// The effort of visiting at most `count` events.
    fn of(count: usize) -> Self {
        match count {
            0..=SHORT => Effort::Short,
            _ => Effort::Long,
        }
    }
}

impl Work {
    fn read(
        effort: Effort,
        query: impl FnOnce(&View, usize, &mut Vec<u8>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<Self, Refusal> {
        Ok(Work::Read {
            query: Box::new(query),
            effort,
            reached: None,
        })
    }

    fn look_up(
        query: impl FnOnce(&View, &mut Vec<u8>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<Self, Refusal> {
        Work::read(Effort::LookUp, |view, _, out| query(view, out))
    }
}

/// What a request is read by.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// The client's generation.
    pub(crate) generation: Generation,
    /// Most bytes of an event, or of a snapshot.
    pub(crate) max_event: usize,
    /// The options of the store.
    pub(crate) options: StoreOptions,
}

/// The work that the request `name` with `arguments` asks for.
///
/// # Errors
/// [`Refusal`] if there is no such request or an argument is wrong.
pub(crate) fn work(name: &str, arguments: &[Term<'_>], rules: Rules) -> Result<Work, Refusal> {
    let append = Append(rules);
    let Rules {
        generation,
        max_event,
        options,
    } = rules;
    match (name, arguments) {
        ("append_events", [stream, events]) => append.to_any_version(*stream, *events),
        ("append_events", [stream, expected, events]) => {
            append.expecting(*stream, *expected, *events)
        }
        ("get_events", [stream, start, count, direction]) => {
            get_events::work(*stream, *start, *count, get_events::direction(*direction)?)
        }
        ("stream_forward", [stream, start, count]) => {
            get_events::work(*stream, *start, *count, Direction::Forward)
        }
        ("stream_backward", [stream, start, count]) => {
            get_events::work(*stream, *start, *count, Direction::Backward)
        }
        ("get_version", [stream]) => get_version::work(*stream),
        ("get_streams", []) => get_streams::work(),
        ("delete_stream", [stream]) => delete_stream::work(*stream),
        ("read_by_event_types", [types, limit]) => read_by_event_types::work(*types, *limit),
        ("read_by_tags", [tags, matching, limit]) => read_by_tags::work(*tags, *matching, *limit),
        ("read_all_global", [offset, limit]) => read_all_global::work(*offset, *limit),
        ("has_events", []) => has_events::work(),
        ("save_subscription", [kind, selector, name, start, subscriber]) => {
            let five = [*kind, *selector, *name, *start, *subscriber];
            save_subscription::work(five, None, generation)
        }
        ("save_subscription", [kind, selector, name, start, subscriber, options]) => {
            let five = [*kind, *selector, *name, *start, *subscriber];
            save_subscription::work(five, Some(*options), generation)
        }
        ("remove_subscription", [kind, _, name]) => remove_subscription::work(*kind, *name),
        ("ack_event", [name, pid, event]) => ack_event::work(*name, *pid, *event),
        ("add_demand", [name, pid, events]) => add_demand::work(*name, *pid, *events),
        ("get_subscriptions", []) => get_subscriptions::list(options.records),
        ("list_store_subscriptions", []) => get_subscriptions::list(false),
        ("get_subscription", [name]) => get_subscriptions::get(*name),
        ("subscription_health", []) => Ok(subscription_health::work()),
        ("subscription_lag", [name]) => get_subscriptions::lag(*name),
        ("record_snapshot", [source, stream, version, snapshot]) => {
            record_snapshot::work(*source, *stream, *version, *snapshot, max_event)
        }
        ("delete_snapshot", [source, stream, version]) => {
            delete_snapshot::work(*source, *stream, *version)
        }
        ("read_snapshot", [source, stream, version]) => {
            read_snapshot::work(*source, *stream, *version, rules)
        }
        ("list_snapshots", [source, stream]) => {
            list_snapshots::work(*source, *stream, options.records)
        }
        ("list_all_snapshots", []) => list_all_snapshots::work(),
        ("parked_events", [subscription]) => persistent::parked_events::work(*subscription),
        _ => match persistent::parse(name, arguments)? {
            Some(request) => Ok(Work::Persistent(request)),
            None => Err(Refusal::UnknownRequest(format!(
                "{name} with {} arguments",
                arguments.len()
            ))),
        },
    }
}

/// A stream's name.
fn stream(term: Term<'_>) -> Result<&[u8], Refusal> {
    name("stream id", term)
}

/// A binary of 1 to [`MAX_NAME`] bytes.
fn name<'a>(argument: &'static str, term: Term<'a>) -> Result<&'a [u8], Refusal> {
    match term.as_binary() {
        Some(name) if (1..=MAX_NAME).contains(&name.len()) => Ok(name),
        Some(name) => Err(Refusal::argument(
            argument,
            format!("it has {} bytes; give 1 to {MAX_NAME}", name.len()),
        )),
        None => Err(Refusal::argument(
            argument,
            format!("it is a {:?}; give a binary", term.kind()),
        )),
    }
}

/// A list of at most [`MAX_NAMES`] elements, each of which is still to be looked at.
fn names<'a>(argument: &'static str, term: Term<'a>) -> Result<List<'a>, Refusal> {
    match term.as_proper_list() {
        Some(list) if list.len() <= MAX_NAMES => Ok(list),
        Some(list) => Err(Refusal::argument(
            argument,
            format!("it has {} elements; give {MAX_NAMES} at most", list.len()),
        )),
        None => Err(Refusal::argument(
            argument,
            format!("it is a {:?}; give a list of binaries", term.kind()),
        )),
    }
}

/// An integer of 0 and above.
fn non_negative(argument: &'static str, term: Term<'_>) -> Result<u64, Refusal> {
    term.as_u64().ok_or_else(|| {
        let problem = match term.as_i64() {
            Some(n) => format!("{n} is below 0"),
            None if term.kind() == Kind::Integer => "it is beyond 63 bits".to_owned(),
            None => format!("it is a {:?}", term.kind()),
        };
        Refusal::argument(
            argument,
            format!("{problem}; give an integer of 0 and above"),
        )
    })
}

/// How many events at most: an integer of 0 and above.
fn count(argument: &'static str, term: Term<'_>) -> Result<usize, Refusal> {
    let count = non_negative(argument, term)?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}
