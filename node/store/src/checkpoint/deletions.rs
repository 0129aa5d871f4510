//! Taking away what deleted streams left in earlier checkpoints.

use super::Writer;
use crate::disk::Disk;
use crate::postings::{open, position_of, row_key, seal};
use crate::tables::{EVENTS, IN_POSTINGS, POSTINGS, RUNS};
use crate::{Direction, StoreError, terms};
use redb::{ReadableTable, Table};
use std::collections::{BTreeMap, HashSet};

/// What is to be taken away.
#[derive(Debug, Default)]
struct Gone {
    /// Stream number and first version of each run.
    runs: Vec<(u64, u64)>,
    /// First position of each run, and number of events.
    events: Vec<(u64, u64)>,
    /// Positions by term.
    postings: BTreeMap<Vec<u8>, Vec<u64>>,
}

impl Writer<'_> {
    pub(super) fn remove_deleted(&mut self, disk: &Disk) -> Result<(), StoreError> {
        let mut gone = Gone::default();
        let mut numbers: Vec<u64> = self.dead.iter().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            let end = self
                .content
                .streams
                .get(&number)
                .map_or(0, |stream| stream.first_version);
            disk.runs(number, 0..end, Direction::Forward, |run| {
                gone.runs.push((number, run.first_version));
                gone.events.push((run.first_position, run.count));
                Ok(true)
            })?;
        }
        gone.events.sort_unstable();
        self.find_terms(disk, &mut gone)?;
        let mut runs = self.transaction.open_table(RUNS)?;
        for key in gone.runs {
            runs.remove(key)?;
        }
        let mut events = self.transaction.open_table(EVENTS)?;
        for (first, count) in gone.events {
            events.retain_in(first..first + count, |_, _| false)?;
            self.counts.remove(first, count);
        }
        let mut postings = self.transaction.open_table(POSTINGS)?;
        for (term, positions) in gone.postings {
            self.remove_postings(&mut postings, &term, positions)?;
        }
        Ok(())
    }

    fn find_terms(&mut self, disk: &Disk, gone: &mut Gone) -> Result<(), StoreError> {
        for (first, count) in &gone.events {
            for position in *first..first + count {
                disk.event(position, |row, _| {
                    let Some(body) = crate::body::Body::parse(row.raw) else {
                        return;
                    };
                    terms::each(&body, &mut self.row, |term| {
                        match gone.postings.get_mut(term) {
                            Some(positions) => positions.push(position),
                            None => drop(gone.postings.insert(term.to_vec(), vec![position])),
                        }
                        0
                    });
                })?;
            }
        }
        Ok(())
    }

    /// Writes the rows that hold these ascending positions anew, without them.
    fn remove_postings(
        &mut self,
        table: &mut Table<'_, &'static [u8], &'static [u8]>,
        term: &[u8],
        positions: Vec<u64>,
    ) -> Result<(), StoreError> {
        let gone: HashSet<u64> = positions.iter().copied().collect();
        let mut next = 0;
        for position in positions {
            if position < next {
                continue;
            }
            let at = row_key(term, position);
            let missing = || IN_POSTINGS.damaged(&at, "the position of an event is missing");
            let found = match table.range::<&[u8]>(term..=&*at)?.next_back().transpose()? {
                Some((key, value)) => {
                    let first = position_of(term, key.value()).ok_or_else(missing)?;
                    (
                        key.value().to_vec(),
                        open(key.value(), first, value.value())?,
                    )
                }
                None => return Err(missing()),
            };
            let (key, mut held) = found;
            next = held.last().map_or(next, |last| last + 1);
            if position >= next {
                return Err(missing());
            }
            held.retain(|position| !gone.contains(position));
            table.remove(&*key)?;
            if let Some(first) = held.first() {
                let key = row_key(term, *first);
                seal(&key, &held, &mut self.row);
                table.insert(&*key, self.row.as_slice())?;
            }
        }
        Ok(())
    }
}
