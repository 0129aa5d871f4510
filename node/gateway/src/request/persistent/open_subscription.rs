//! `{open_subscription, S, Name, Options}`: lets a consumer in, and creates the subscription if it is
//! not there; `Options` is a map with atoms as keys, each of which may be left out.

use super::super::{name, non_negative};
use super::{MAX_WINDOW, Request};
use crate::delivery::start::Start;
use crate::persistent::definition::{BUFFER_BYTES, Definition, WHEN_FULL};
use crate::persistent::registry::Opening;
use crate::refusal::Refusal;
use esdb_etf::{Map, Term, put};

/// Longest time between two heartbeats in milliseconds: a day.
const MAX_HEARTBEAT: u64 = 24 * 60 * 60 * 1000;
/// Most bytes of events in memory that may be asked for: a gibibyte.
const MAX_BYTES: u64 = 1 << 30;
/// What may be given.
const OPTIONS: [&str; 12] = [
    "consumer",
    "type",
    "selector",
    "start_from",
    "window",
    "max_consumers",
    "max_attempts",
    "buffer",
    "buffer_bytes",
    "when_full",
    "warn_at",
    "heartbeat",
];

pub(super) fn parse(subscription: Term<'_>, options: Term<'_>) -> Result<Request, Refusal> {
    let subscription = name("subscription name", subscription)?;
    let options = options.as_map().ok_or_else(|| {
        Refusal::argument(
            "options",
            "give a map, which may be empty, with atoms as keys",
        )
    })?;
    known(options)?;
    let (kind, everything) = (atom("by_stream"), binary(b"$all"));
    let raw = |key: &str, default: Vec<u8>| match options.get(key) {
        Some(term) => term.as_bytes().to_vec(),
        None => default,
    };
    let number = |key: &'static str, default| match options.get(key) {
        Some(term) => non_negative(key, term),
        None => Ok(default),
    };
    let definition = Definition {
        kind: raw("type", kind),
        selector: raw("selector", everything),
        max_consumers: number("max_consumers", 1)?.max(1),
        max_attempts: number("max_attempts", 5)?,
        buffer: number("buffer", 1_000)?.clamp(1, MAX_WINDOW as u64),
        buffer_bytes: number("buffer_bytes", BUFFER_BYTES)?.clamp(1, MAX_BYTES),
        when_full: when_full(options)?,
        warn_at: number("warn_at", 0)?,
        heartbeat_ms: heartbeat(number("heartbeat", 5_000)?)?,
    };
    let selector = definition.selector().map_err(Refusal::InvalidFilter)?;
    let start = match options.get("start_from") {
        Some(start) => Start::parse(start, &selector)?,
        None => Start::Position(0),
    };
    let consumer = options.get("consumer").map(super::consumer).transpose()?;
    Ok(Request::Open(Box::new(Opening {
        name: subscription.to_vec(),
        definition,
        selector,
        start,
        window: options.get("window").map_or(Ok(100), window)?,
        consumer,
    })))
}

/// How many events a consumer has room for.
pub(super) fn window(term: Term<'_>) -> Result<usize, Refusal> {
    let events = non_negative("window", term)?;
    match usize::try_from(events) {
        Ok(window) if window <= MAX_WINDOW => Ok(window),
        _ => Err(Refusal::argument(
            "window",
            format!("{events} are more than {MAX_WINDOW} events"),
        )),
    }
}

fn heartbeat(milliseconds: u64) -> Result<u64, Refusal> {
    match milliseconds {
        0..=MAX_HEARTBEAT => Ok(milliseconds),
        _ => Err(Refusal::argument(
            "heartbeat",
            format!("give milliseconds, {MAX_HEARTBEAT} at most, or 0 for none"),
        )),
    }
}

fn when_full(options: Map<'_>) -> Result<String, Refusal> {
    let Some(given) = options.get("when_full") else {
        return Ok("block".to_owned());
    };
    let given = given.as_atom().map(|atom| atom.text().into_owned());
    let known = |given: &String| WHEN_FULL.iter().any(|(name, _)| name == given);
    given.filter(known).ok_or_else(|| {
        Refusal::argument("when_full", "give block, drop_oldest, drop_newest or error")
    })
}

fn known(options: Map<'_>) -> Result<(), Refusal> {
    for (key, _) in options {
        let text = key.as_atom().map(|atom| atom.text().into_owned());
        if !text.is_some_and(|text| OPTIONS.contains(&text.as_str())) {
            let known = OPTIONS.join(", ");
            return Err(Refusal::argument(
                "options",
                format!("{key:?} is none; give some of {known}"),
            ));
        }
    }
    Ok(())
}

fn atom(text: &str) -> Vec<u8> {
    let mut term = Vec::new();
    put::atom(&mut term, text);
    term
}

fn binary(bytes: &[u8]) -> Vec<u8> {
    let mut term = Vec::new();
    put::binary(&mut term, bytes);
    term
}
