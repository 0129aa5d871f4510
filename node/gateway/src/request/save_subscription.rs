//! `{save_subscription, S, Type, Selector, Name, StartFrom, Pid | undefined}`, call or cast: creates a
//! subscription, or binds it to another process, and answers `{ok, Key}`.
//!
//! A map of options may follow, as the published guides have it: `pool_size` limits how many emitters
//! share the events of a subscription without a subscriber; `max_queue`, `strategy`, `mode` and
//! `warning_threshold` control the flow to one that has a subscriber. Other keys have no meaning here.

use super::{Change, Work, name};
use crate::delivery::definition::Definition;
use crate::delivery::flow::Flow;
use crate::delivery::registry::Wanted;
use crate::delivery::start::Start;
use crate::generation::Generation;
use crate::refusal::Refusal;
use esdb_etf::{Kind, Term};
use esdb_subscription::Selector;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn work(
    [kind, selector, subscription, start_from, subscriber]: [Term<'_>; 5],
    options: Option<Term<'_>>,
    generation: Generation,
) -> Result<Work, Refusal> {
    let subscription = name("subscription name", subscription)?;
    let parsed = Selector::parse(kind, selector).map_err(Refusal::InvalidFilter)?;
    let start = Start::parse(start_from, &parsed)?;
    let (pool_size, flow) = parse(options)?;
    let subscriber = pid(subscriber)?;
    if flow.is_some() && subscriber.is_empty() {
        let problem = "flow control is for a subscription with a subscriber";
        return Err(Refusal::argument("options", problem));
    }
    let definition = Definition {
        kind: kind.as_bytes().to_vec(),
        selector: selector.as_bytes().to_vec(),
        name: subscription.to_vec(),
        start_from: start_from.as_bytes().to_vec(),
        created_at: now_ms(),
        pool_size,
        generation,
        subscriber,
        flow,
    };
    Ok(Work::Change(Change::Save(Box::new(Wanted {
        id: definition.id(),
        selector: parsed,
        start,
        has_read: None,
        definition,
    }))))
}

/// The size of the pool, and the flow control.
fn parse(options: Option<Term<'_>>) -> Result<(u64, Option<Flow>), Refusal> {
    let Some(options) = options else {
        return Ok((0, None));
    };
    let wrong = |argument, problem: &str| Refusal::argument(argument, problem);
    let options = options
        .as_map()
        .ok_or_else(|| wrong("options", "give a map, which may be empty"))?;
    let flow = Flow::parse(options).map_err(|(key, problem)| wrong(key, problem))?;
    let Some(size) = options.get("pool_size") else {
        return Ok((0, flow));
    };
    let size = size.as_u64().filter(|size| *size > 0);
    let size = size.ok_or_else(|| wrong("pool_size", "give an integer of 1 and above"))?;
    Ok((size, flow))
}

/// The raw pid of a subscriber; empty for none.
fn pid(term: Term<'_>) -> Result<Vec<u8>, Refusal> {
    match term.kind() {
        Kind::Pid => Ok(term.as_bytes().to_vec()),
        _ if term.is_atom("undefined") || term.is_atom("nil") => Ok(Vec::new()),
        kind => Err(Refusal::argument(
            "subscriber",
            format!("it is a {kind:?}; give a pid, or undefined"),
        )),
    }
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or_default().as_millis();
    u64::try_from(since).unwrap_or(u64::MAX)
}
