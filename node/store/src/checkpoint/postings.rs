//! Adding positions to the rows of a term, and taking them away.

use super::Writer;
use crate::postings::{MAX_ROW, Row, find, last_key, row_key};
use crate::tables::{EVENTS, EventRow, IN_POSTINGS, POSTINGS};
use crate::{StoreError, terms};
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

    /// Adds positions to the rows of a term.
    fn extend_term(
        &mut self,
        table: &mut Postings<'_>,
        term: &[u8],
        positions: &[u64],
    ) -> Result<(), StoreError> {
        match last_row(table, term)? {
            None => self.fill(table, term, Row::default(), positions),
            Some((key, Ok(row))) if key == last_key(term) => self.fill(table, term, row, positions),
            Some((key, Ok(_))) => {
                let damage = IN_POSTINGS.damaged(&key, "the row after it is missing");
                self.make_anew(table, term, &damage)
            }
            Some((_, Err(damage))) => self.make_anew(table, term, &damage),
        }
    }

    /// Makes the rows of a term anew from the events, behind those of its rows that can be read. A
    /// store that could not do that could write no checkpoint any more with an event of that term.
    fn make_anew(
        &mut self,
        table: &mut Postings<'_>,
        term: &[u8],
        damage: &StoreError,
    ) -> Result<(), StoreError> {
        tracing::warn!(%damage, "the index of a type or tag is made anew from the events");
        let mut whole = Row::default();
        while let Some((key, row)) = last_row(table, term)? {
            table.remove(&*key)?;
            if let Ok(row) = row {
                whole = row;
                break;
            }
        }
        let from = whole.positions.last().map_or(0, |last| last + 1);
        let mut positions = Vec::new();
        // Those that this checkpoint adds are there already.
        for row in self.transaction.open_table(EVENTS)?.range(from..)? {
            let (key, value) = row?;
            let (_, body) = EventRow::open(key.value(), value.value())?;
            let mut bears = false;
            terms::each(&body, &mut self.row, |other| {
                bears |= other == term;
                0
            });
            positions.extend(bears.then(|| key.value()));
        }
        match whole.positions.is_empty() && positions.is_empty() {
            true => Ok(()),
            false => self.fill(table, term, whole, &positions),
        }
    }

    /// Adds positions to what is to be a term's last row, and begins others after it.
    fn fill(
        &mut self,
        table: &mut Postings<'_>,
        term: &[u8],
        mut row: Row,
        positions: &[u64],
    ) -> Result<(), StoreError> {
        let key = last_key(term);
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

/// The last row of a term, with its key, or what is wrong with it.
#[expect(clippy::type_complexity)]
fn last_row(
    table: &Postings<'_>,
    term: &[u8],
) -> Result<Option<(Vec<u8>, Result<Row, StoreError>)>, StoreError> {
    let end = last_key(term);
    let row = table
        .range::<&[u8]>(term..=&*end)?
        .next_back()
        .transpose()?;
    Ok(row.map(|(key, value)| (key.value().to_vec(), Row::open(key.value(), value.value()))))
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
