//! Parked events: put aside by a consumer, until they are asked for again.

use esdb_etf::{Term, put};
use esdb_store::key::{put_number, put_text, take_number};
use esdb_store::{Direction, Space, StoreError, View};
use std::ops::Bound;

/// Why an event was parked. Its record, under the subscription's name and the event's position, is
/// the map `#{attempt => N, reason => term()}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parked {
    /// How often it had been tried.
    pub(crate) attempt: u64,
    /// Raw term.
    pub(crate) reason: Vec<u8>,
}

impl Parked {
    /// The record's value.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put::map(&mut out, 2);
        put::atom(&mut out, "attempt");
        put::unsigned(&mut out, self.attempt);
        put::atom(&mut out, "reason");
        out.extend_from_slice(&self.reason);
        out
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let map = Term::parse(value).ok()?.as_map()?;
        Some(Parked {
            attempt: map.get("attempt")?.as_u64()?,
            reason: map.get("reason")?.as_bytes().to_vec(),
        })
    }
}

/// What the keys of a subscription's parked events begin with.
pub(crate) fn prefix(name: &[u8]) -> Vec<u8> {
    let mut key = Vec::new();
    put_text(&mut key, name);
    key
}

/// The key of a parked event.
pub(crate) fn key(name: &[u8], position: u64) -> Vec<u8> {
    let mut key = prefix(name);
    put_number(&mut key, position);
    key
}

/// The parked events of a subscription, by position; at most `limit`.
///
/// # Errors
/// [`StoreError`] if one cannot be read.
pub(crate) fn list(
    view: &View,
    name: &[u8],
    limit: usize,
) -> Result<Vec<(u64, Parked)>, StoreError> {
    let prefix = prefix(name);
    let mut found = Vec::new();
    view.records(
        Space::PARKED,
        &prefix,
        Bound::Unbounded,
        Direction::Forward,
        &mut |key, record| {
            let mut rest = key.get(prefix.len()..).unwrap_or_default();
            if let (Some(position), Some(parked)) =
                (take_number(&mut rest), Parked::decode(&record.value))
            {
                found.push((position, parked));
            }
            found.len() < limit
        },
    )?;
    Ok(found)
}
