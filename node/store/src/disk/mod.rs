//! What the last checkpoint left, read through one transaction of the database.
//!
//! # Layout
//! - [`open`]: opens the file, or creates it; `backend`: how the database gets at it;
//!   [`health`]: what went wrong then
//! - `streams`: heads, runs, events of a stream
//! - [`events`]: events by their position
//! - `order`: all events by position, and the rank of an event
//! - `terms`: positions of a term
//! - `records`: what is kept beside the events

mod backend;
mod events;
pub(crate) mod health;
pub(crate) mod open;
mod order;
mod records;
mod streams;
mod terms;

pub(crate) use events::{Events, Reader, Source};
pub(crate) use order::{DeadRuns, FAN_OUT, LEVELS, block_of};

use crate::meta::{STATE, State};
use crate::tables::{BLOCKS, EventRow, IN_EVENTS, IN_META, META, POSTINGS, RECORDS, RUNS, STREAMS};
use crate::{RecordedEvent, StoreError};
use redb::{ReadOnlyTable, ReadTransaction};
use std::sync::Arc;

/// Takes the events that a read finds.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(RecordedEvent<'_>);

/// The tables as one checkpoint left them.
pub(crate) struct Disk {
    pub events: Events,
    streams: ReadOnlyTable<&'static [u8], &'static [u8]>,
    runs: ReadOnlyTable<(u64, u64), &'static [u8]>,
    postings: ReadOnlyTable<&'static [u8], &'static [u8]>,
    blocks: ReadOnlyTable<(u8, u64), &'static [u8]>,
    records: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub state: State,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Disk {
    /// Reads the state and opens the tables.
    ///
    /// The transaction must be the last, and no other one under way.
    pub fn begin(transaction: &ReadTransaction, source: &Arc<Source>) -> Result<Self, StoreError> {
        let state = match transaction.open_table(META)?.get(STATE)? {
            Some(value) => State::open(value.value())?,
            None => return Err(IN_META.damaged(STATE.as_bytes(), "it is missing")),
        };
        Ok(Self {
            events: Events::open(source)?,
            streams: transaction.open_table(STREAMS)?,
            runs: transaction.open_table(RUNS)?,
            postings: transaction.open_table(POSTINGS)?,
            blocks: transaction.open_table(BLOCKS)?,
            records: transaction.open_table(RECORDS)?,
            state,
        })
    }

    /// The event at a position at which an index says there is one.
    pub fn event<T>(
        events: &mut Reader<'_>,
        position: u64,
        use_it: impl FnOnce(&EventRow<'_>, RecordedEvent<'_>) -> T,
    ) -> Result<T, StoreError> {
        let Some(value) = events.at(position)? else {
            return Err(IN_EVENTS.damaged(&position.to_be_bytes(), "an indexed event is missing"));
        };
        let (row, body) = EventRow::open(position, value)?;
        let event = body.recorded(row.name, row.version, position, row.epoch_us);
        Ok(use_it(&row, event))
    }
}
