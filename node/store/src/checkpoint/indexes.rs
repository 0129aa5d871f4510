//! Heads and runs of the events that a checkpoint writes.

use super::Writer;
use crate::StoreError;
use crate::memtable::Stream;
use crate::run::MAX_RUN;
use crate::tables::{Head, RUNS, RunRow, STREAMS};
use std::ops::Bound::Excluded;

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
}
