//! Heads, runs and postings of the events that a checkpoint writes.

use super::Writer;
use crate::StoreError;
use crate::memtable::Stream;
use crate::postings::{MAX_CHUNK, open, position_of, row_key, seal};
use crate::run::MAX_RUN;
use crate::tables::{Head, POSTINGS, RUNS, RunRow, STREAMS};
use redb::{ReadableTable, Table};
use std::ops::Bound::Excluded;

/// A row of positions with room for this many more is filled up.
const WORTH_FILLING: usize = MAX_CHUNK / 2;

impl Writer<'_> {
    /// The streams that live on, by number.
    fn living(&self) -> Vec<(u64, &Stream)> {
        let streams = self
            .content
            .streams
            .iter()
            .map(|(number, stream)| (*number, stream));
        let mut living: Vec<_> = streams
            .filter(|(_, s)| s.died.is_none() && !s.runs.is_empty())
            .collect();
        living.sort_unstable_by_key(|(number, _)| *number);
        living
    }

    pub(super) fn write_runs(&mut self) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(RUNS)?;
        let mut row = std::mem::take(&mut self.row);
        for (number, stream) in self.living() {
            let mut cursor = table.lower_bound_mut(Excluded((number, stream.first_version)))?;
            let mut hashes = Vec::new();
            let (mut version, mut position) = (stream.first_version, 0);
            for run in stream
                .runs
                .iter()
                .filter_map(|at| self.content.runs.get(*at))
            {
                let next = position + hashes.len() as u64;
                let fits = hashes.len() + run.count as usize <= MAX_RUN as usize;
                let joins = fits && run.first_position == next;
                if !joins && !hashes.is_empty() {
                    RunRow::seal(number, version, position, &hashes, &mut row);
                    cursor.insert_before((number, version), row.as_slice())?;
                    hashes.clear();
                }
                if hashes.is_empty() {
                    (version, position) = (run.first_version, run.first_position);
                }
                hashes.extend(run.raw().map(|(_, body)| body.retry_hash()));
            }
            RunRow::seal(number, version, position, &hashes, &mut row);
            cursor.insert_before((number, version), row.as_slice())?;
            cursor.close()?;
        }
        self.row = row;
        Ok(())
    }

    pub(super) fn write_heads(&mut self) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(STREAMS)?;
        let mut names: Vec<_> = self.content.names.iter().collect();
        names.sort_unstable();
        for (name, numbers) in names {
            let latest = numbers
                .last()
                .and_then(|n| Some((*n, self.content.streams.get(n)?)));
            let Some((number, stream)) = latest else {
                continue;
            };
            let run = stream.runs.last().and_then(|at| self.content.runs.get(*at));
            match run.filter(|_| stream.died.is_none()) {
                Some(run) => {
                    let last_version = run.end_version() - 1;
                    Head {
                        number,
                        last_version,
                    }
                    .seal(name, &mut self.row);
                    table.insert(&**name, self.row.as_slice())?;
                }
                None => drop(table.remove(&**name)?),
            }
        }
        Ok(())
    }

    pub(super) fn write_postings(&mut self) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(POSTINGS)?;
        let mut terms: Vec<_> = self.content.postings.iter().collect();
        terms.sort_unstable();
        let dead = self.dead_positions();
        let mut alive = Vec::new();
        for (term, positions) in terms {
            alive.clear();
            alive.extend(
                positions
                    .iter()
                    .filter(|position| !is_in(&dead, **position)),
            );
            if !alive.is_empty() {
                self.write_term(&mut table, term, &alive)?;
            }
        }
        Ok(())
    }

    fn write_term(
        &mut self,
        table: &mut Table<'_, &'static [u8], &'static [u8]>,
        term: &[u8],
        positions: &[u64],
    ) -> Result<(), StoreError> {
        let mut rest = positions;
        let short = last_row(table, term)?;
        if let Some((key, mut held)) = short.filter(|(_, held)| held.len() <= WORTH_FILLING) {
            let (more, after) = rest.split_at(rest.len().min(MAX_CHUNK - held.len()));
            held.extend_from_slice(more);
            seal(&key, &held, &mut self.row);
            table.insert(&*key, self.row.as_slice())?;
            rest = after;
        }
        for chunk in rest.chunks(MAX_CHUNK) {
            let Some(first) = chunk.first() else { continue };
            let key = row_key(term, *first);
            seal(&key, chunk, &mut self.row);
            table.insert(&*key, self.row.as_slice())?;
        }
        Ok(())
    }

    /// The positions of events that were deleted before they reached the disk: first of each run,
    /// and first after it, ascending.
    fn dead_positions(&self) -> Vec<(u64, u64)> {
        let runs = self
            .content
            .runs
            .iter()
            .filter(|run| self.dead.contains(&run.number));
        runs.map(|run| (run.first_position, run.end_position()))
            .collect()
    }
}

/// The key of a row, and its positions.
type Row = (Vec<u8>, Vec<u64>);

/// The last row of a term.
fn last_row(
    table: &Table<'_, &'static [u8], &'static [u8]>,
    term: &[u8],
) -> Result<Option<Row>, StoreError> {
    let end = row_key(term, u64::MAX);
    let Some((key, value)) = table
        .range::<&[u8]>(term..=&*end)?
        .next_back()
        .transpose()?
    else {
        return Ok(None);
    };
    let Some(first) = position_of(term, key.value()) else {
        return Ok(None);
    };
    Ok(Some((
        key.value().to_vec(),
        open(key.value(), first, value.value())?,
    )))
}

fn is_in(runs: &[(u64, u64)], position: u64) -> bool {
    let at = runs.partition_point(|(first, _)| *first <= position);
    at.checked_sub(1)
        .and_then(|at| runs.get(at))
        .is_some_and(|(_, end)| position < *end)
}
