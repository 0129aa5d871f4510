//! Adding positions to the rows of a term, and taking them away.

use super::Writer;
use crate::StoreError;
use crate::postings::{MAX_ROW, Row, find, last_key, row_key};
use crate::tables::{IN_POSTINGS, POSTINGS};
use redb::{ReadableTable, Table};
use std::collections::{BTreeMap, HashSet};

type Postings<'a> = Table<'a, &'static [u8], &'static [u8]>;

impl Writer<'_> {
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
                self.extend_term(&mut table, term, &alive)?;
            }
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

    /// Fills up the last row of a term, and begins others after it.
    fn extend_term(
        &mut self,
        table: &mut Postings<'_>,
        term: &[u8],
        positions: &[u64],
    ) -> Result<(), StoreError> {
        let key = last_key(term);
        let mut row = match table.get(&*key)? {
            Some(value) => Row::open(&key, value.value())?,
            None => Row::default(),
        };
        let mut rest = positions;
        loop {
            let (more, after) =
                rest.split_at(rest.len().min(MAX_ROW.saturating_sub(row.positions.len())));
            row.positions.extend_from_slice(more);
            rest = after;
            if rest.is_empty() {
                return self.put(table, &key, &row);
            }
            let Some(first) = row.first() else {
                return Ok(());
            };
            self.put(table, &row_key(term, first), &row)?;
            row = Row {
                before: Some(first),
                positions: Vec::new(),
            };
        }
    }

    fn put(&mut self, table: &mut Postings<'_>, key: &[u8], row: &Row) -> Result<(), StoreError> {
        row.seal(key, &mut self.row);
        table.insert(key, self.row.as_slice())?;
        Ok(())
    }

    /// Takes ascending positions of each term away. A row that is damaged stays, and is told of by
    /// whoever asks for its term.
    pub(super) fn remove_postings(
        &mut self,
        gone: BTreeMap<Vec<u8>, Vec<u64>>,
    ) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(POSTINGS)?;
        for (term, positions) in gone {
            let set: HashSet<u64> = positions.iter().copied().collect();
            let (mut next, mut damage) = (0, None);
            for position in positions {
                if position < next {
                    continue;
                }
                match self.remove_from_row(&mut table, &term, position, &set) {
                    Err(error @ StoreError::Damaged { .. }) => damage = damage.or(Some(error)),
                    end => next = end?,
                }
            }
            if let Some(error) = damage {
                tracing::warn!(%error, "positions of deleted events stay in a damaged index");
            }
        }
        Ok(())
    }

    /// Writes the row that holds `position` anew, without what is in `gone`, and mends the chain.
    /// Answers the first position after what the row held. Nothing is changed if a row that has to be
    /// read is damaged.
    fn remove_from_row(
        &mut self,
        table: &mut Postings<'_>,
        term: &[u8],
        position: u64,
        gone: &HashSet<u64>,
    ) -> Result<u64, StoreError> {
        let missing = || {
            let key = row_key(term, position);
            IN_POSTINGS.damaged(&key, "the position of an event is missing")
        };
        let (key, mut row) = find(table, term, position)?.ok_or_else(missing)?;
        if row.positions.binary_search(&position).is_err() {
            return Err(missing());
        }
        let (first, end) = (row.first(), row.positions.last().map_or(0, |last| last + 1));
        let is_last = key == last_key(term);
        row.positions.retain(|position| !gone.contains(position));
        match (row.first(), is_last) {
            (Some(_), true) => self.put(table, &key, &row)?,
            (None, true) => match row.before {
                None => drop(table.remove(&*key)?),
                Some(before) => {
                    let before = row_key(term, before);
                    let value = table.get(&*before)?.ok_or_else(missing)?;
                    let row = Row::open(&before, value.value())?;
                    drop(value);
                    table.remove(&*before)?;
                    self.put(table, &key, &row)?;
                }
            },
            (kept, false) if kept == first => self.put(table, &key, &row)?,
            (kept, false) => {
                // The row that was after it: were one missing between, the chain would hide that.
                let next = next_row(table, term, end)?.filter(|(_, after)| after.before == first);
                let (next, mut after) = next.ok_or_else(missing)?;
                table.remove(&*key)?;
                after.before = kept.or(row.before);
                self.put(table, &next, &after)?;
                if let Some(kept) = kept {
                    self.put(table, &row_key(term, kept), &row)?;
                }
            }
        }
        Ok(end)
    }
}

/// The first row of a term whose key is at `from` or after it.
fn next_row(
    table: &Postings<'_>,
    term: &[u8],
    from: u64,
) -> Result<Option<(Vec<u8>, Row)>, StoreError> {
    let (at, end) = (row_key(term, from), last_key(term));
    let row = table.range::<&[u8]>(&*at..=&*end)?.next().transpose()?;
    row.map(|(key, value)| Ok((key.value().to_vec(), Row::open(key.value(), value.value())?)))
        .transpose()
}

fn is_in(runs: &[(u64, u64)], position: u64) -> bool {
    let at = runs.partition_point(|(first, _)| *first <= position);
    at.checked_sub(1)
        .and_then(|at| runs.get(at))
        .is_some_and(|(_, end)| position < *end)
}
