//! `{get_subscriptions, S}` answers `{ok, [Subscription]}` and `{get_subscription, S, Name}` answers
//! `{ok, Subscription}` or `{error, not_found}`; `{list_store_subscriptions, S}` is the first one.
//!
//! A subscription is a map: the published clients' records say the same, but reckon_evoq asks for keys.
//! A store's option `records` makes the list one of records.

use super::{Effort, Work, name};
use crate::delivery::definition::Definition;
use crate::delivery::flow::Flow;
use crate::delivery::progress::Progress;
use crate::refusal::{self, Refusal};
use esdb_etf::{Term, put, tag};
use esdb_store::{Direction, Space, StoreError, View};
use std::ops::Bound;

/// All of them, as records or as maps.
pub(super) fn list(records: bool) -> Result<Work, Refusal> {
    Work::read(Effort::Long, move |view, _, out| {
        let mut found = Vec::new();
        each(view, |key, definition, progress| {
            found.push((key, definition, progress));
            true
        })?;
        put::tuple(out, 2);
        put::atom(out, "ok");
        if !found.is_empty() {
            put::list(out, found.len());
        }
        for (key, definition, progress) in &found {
            match records {
                true => put_record(out, key, definition, progress),
                false => put_map(out, Some(key), definition, progress),
            }
        }
        out.push(tag::NIL);
        Ok(())
    })
}

/// The first one of a name.
pub(super) fn get(subscription: Term<'_>) -> Result<Work, Refusal> {
    let wanted = name("subscription name", subscription)?.to_vec();
    Work::read(Effort::Long, move |view, _, out| {
        match named(view, &wanted)? {
            Some((definition, progress)) => {
                put::tuple(out, 2);
                put::atom(out, "ok");
                put_map(out, None, &definition, &progress);
            }
            None => refusal::not_found(out),
        }
        Ok(())
    })
}

/// `{subscription_lag, S, Name}`: how many events stand between a subscription and the last one.
pub(super) fn lag(subscription: Term<'_>) -> Result<Work, Refusal> {
    let wanted = name("subscription name", subscription)?.to_vec();
    Work::read(Effort::Long, move |view, _, out| {
        let Some((definition, progress)) = named(view, &wanted)? else {
            refusal::not_found(out);
            return Ok(());
        };
        let next = view.next_position();
        put::tuple(out, 2);
        put::atom(out, "ok");
        put::map(out, 4);
        put::atom(out, "subscription_name");
        put::binary(out, &definition.name);
        put::atom(out, "checkpoint");
        out.extend_from_slice(&progress.checkpoint);
        put::atom(out, "latest_position");
        put::integer(out, i64::try_from(next).unwrap_or(i64::MAX) - 1);
        put::atom(out, "lag_events");
        put::unsigned(out, next.saturating_sub(progress.next));
        Ok(())
    })
}

fn named(view: &View, wanted: &[u8]) -> Result<Option<(Definition, Progress)>, StoreError> {
    let mut found = None;
    each(view, |_, definition, progress| {
        if definition.name == wanted {
            found = Some((definition, progress));
        }
        found.is_none()
    })?;
    Ok(found)
}

/// Visits the subscriptions until `visit` answers false. One that cannot be understood is told to the
/// operator and hides no other.
fn each(
    view: &View,
    mut visit: impl FnMut(Vec<u8>, Definition, Progress) -> bool,
) -> Result<(), StoreError> {
    let mut keys = Vec::new();
    let mut note = |key: &[u8], record: &esdb_store::Record| {
        keys.push((key.to_vec(), Definition::decode(&record.value)));
        true
    };
    let all = Bound::Unbounded;
    view.records(
        Space::SUBSCRIPTIONS,
        b"",
        all,
        Direction::Forward,
        &mut note,
    )?;
    for (key, definition) in keys {
        let progress = view.record(Space::CHECKPOINTS, &key)?;
        let progress = progress.and_then(|record| Progress::decode(&record.value));
        let (Some(definition), Some(progress)) = (definition, progress) else {
            let key = String::from_utf8_lossy(&key);
            tracing::error!(%key, "a subscription cannot be understood, and is not listed");
            continue;
        };
        if !visit(key, definition, progress) {
            return Ok(());
        }
    }
    Ok(())
}

fn put_map(out: &mut Vec<u8>, key: Option<&[u8]>, definition: &Definition, progress: &Progress) {
    put::map(out, 8 + usize::from(key.is_some()));
    if let Some(key) = key {
        put::atom(out, "id");
        put::binary(out, key);
    }
    put::atom(out, "type");
    out.extend_from_slice(&definition.kind);
    put::atom(out, "selector");
    out.extend_from_slice(&definition.selector);
    put::atom(out, "subscription_name");
    put::binary(out, &definition.name);
    put::atom(out, "subscriber_pid");
    definition.put_subscriber(out);
    put::atom(out, "created_at");
    put::unsigned(out, definition.created_at);
    put::atom(out, "pool_size");
    put::unsigned(out, definition.pool_size.max(1));
    put::atom(out, "checkpoint");
    out.extend_from_slice(&progress.checkpoint);
    put::atom(out, "options");
    put_options(out, definition);
}

/// `#subscription{}`, of 10 elements in every version of the client.
fn put_record(out: &mut Vec<u8>, key: &[u8], definition: &Definition, progress: &Progress) {
    put::tuple(out, 10);
    put::atom(out, "subscription");
    put::binary(out, key);
    out.extend_from_slice(&definition.kind);
    out.extend_from_slice(&definition.selector);
    put::binary(out, &definition.name);
    definition.put_subscriber(out);
    put::unsigned(out, definition.created_at);
    put::unsigned(out, definition.pool_size.max(1));
    out.extend_from_slice(&progress.checkpoint);
    put_options(out, definition);
}

fn put_options(out: &mut Vec<u8>, definition: &Definition) {
    put::map(out, 2 + definition.flow.map_or(0, |_| Flow::PAIRS));
    if let Some(flow) = definition.flow {
        flow.put(out);
    }
    put::atom(out, "start_from");
    out.extend_from_slice(&definition.start_from);
    put::atom(out, "subscriber");
    definition.put_subscriber(out);
}
