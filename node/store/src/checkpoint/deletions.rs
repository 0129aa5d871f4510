//! Taking away what deleted streams left in earlier checkpoints.
//!
//! Damage of what goes away is no reason to fail: the checkpoint would fail for ever, and the log grow.
//! What a damaged row should have told is looked for in the other tables.

use super::Writer;
use crate::disk::Disk;
use crate::postings::Row;
use crate::tables::{EVENTS, EventRow, POSTINGS, RUNS};
use crate::{Direction, StoreError, terms};
use redb::ReadableTable;
use std::collections::BTreeMap;

/// Events that are taken away at once: a stream may have more than memory has room for.
const AT_ONCE: usize = 4_096;

/// Positions of events by term.
type Positions = BTreeMap<Vec<u8>, Vec<u64>>;

/// What is to be taken away.
#[derive(Debug, Default)]
struct Gone {
    /// Stream number and first version of each run.
    runs: Vec<(u64, u64)>,
    /// First position of each run, and number of events.
    events: Vec<(u64, u64)>,
    /// Number of all events.
    count: usize,
}

impl Writer<'_> {
    pub(super) fn remove_deleted(&mut self, disk: &Disk) -> Result<(), StoreError> {
        let mut gone = Gone::default();
        let mut numbers: Vec<u64> = self.dead.iter().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            let stream = self.content.streams.get(&number);
            let end = stream.map_or(0, |stream| stream.first_version);
            let mut next = 0;
            while next < end {
                let found = disk.runs(number, next..end, Direction::Forward, |run| {
                    gone.runs.push((number, run.first_version));
                    gone.events.push((run.first_position, run.count));
                    gone.count += usize::try_from(run.count).unwrap_or(usize::MAX);
                    next = run.end_version();
                    Ok(gone.count < AT_ONCE)
                });
                if gone.count >= AT_ONCE || found.is_err() {
                    self.remove(disk, std::mem::take(&mut gone))?;
                }
                match found {
                    Err(error @ (StoreError::Damaged { .. } | StoreError::DamagedPage(_))) => {
                        tracing::warn!(%error, "the events of a deleted stream are looked for");
                        self.remove_without_runs(disk, number)?;
                        break;
                    }
                    found => found?,
                }
            }
        }
        self.remove(disk, gone)
    }

    fn remove(&mut self, disk: &Disk, mut gone: Gone) -> Result<(), StoreError> {
        gone.events.sort_unstable();
        let postings = self.find_terms(disk, &gone.events)?;
        let mut runs = self.transaction.open_table(RUNS)?;
        for key in gone.runs {
            runs.remove(key)?;
        }
        let mut events = self.transaction.open_table(EVENTS)?;
        for (first, count) in gone.events {
            events.retain_in(first..first + count, |_, _| false)?;
            self.counts.remove(first, count);
        }
        drop((runs, events));
        self.remove_postings(postings)
    }

    /// Takes away the events of a stream whose runs do not lead to all of them. Reads all events.
    fn remove_without_runs(&mut self, disk: &Disk, number: u64) -> Result<(), StoreError> {
        let mut found = Vec::new();
        for row in self.transaction.open_table(EVENTS)?.iter()? {
            let (key, value) = row?;
            // One that is damaged as well does not tell whose it is, and stays.
            match EventRow::open(key.value(), value.value()) {
                Ok((row, _)) if row.number == number => found.push((key.value(), 1)),
                _ => {}
            }
        }
        let mut runs = self.transaction.open_table(RUNS)?;
        runs.retain_in((number, 0)..=(number, u64::MAX), |_, _| false)?;
        drop(runs);
        for events in found.chunks(AT_ONCE) {
            let events = events.to_vec();
            self.remove(
                disk,
                Gone {
                    events,
                    ..Gone::default()
                },
            )?;
        }
        Ok(())
    }

    /// The positions of these events by term, ascending.
    fn find_terms(&mut self, disk: &Disk, events: &[(u64, u64)]) -> Result<Positions, StoreError> {
        let mut found = Positions::new();
        let mut unreadable = Vec::new();
        let mut reader = disk.events.reader();
        for position in events
            .iter()
            .flat_map(|(first, count)| *first..first + count)
        {
            let read = Disk::event(&mut reader, position, |row, _| {
                let Some(body) = crate::body::Body::parse(row.raw) else {
                    return;
                };
                terms::each(&body, &mut self.row, |term| {
                    match found.get_mut(term) {
                        Some(positions) => positions.push(position),
                        None => drop(found.insert(term.to_vec(), vec![position])),
                    }
                    0
                });
            });
            match read {
                // It goes away, so nobody misses it, and a store must be able to write checkpoints.
                Err(error @ (StoreError::Damaged { .. } | StoreError::DamagedPage(_))) => {
                    tracing::warn!(%error, "an event of a deleted stream is removed unread");
                    unreadable.push(position);
                }
                read => read?,
            }
        }
        if !unreadable.is_empty() {
            self.search_postings(&unreadable, &mut found)?;
        }
        Ok(found)
    }

    /// Adds to `found` under which terms the postings have these positions, ascending, of events that
    /// do not tell. Reads all postings.
    fn search_postings(&self, positions: &[u64], found: &mut Positions) -> Result<(), StoreError> {
        let table = self.transaction.open_table(POSTINGS)?;
        for row in table.iter()? {
            let (key, value) = row?;
            let Some((term, _)) = key.value().split_last_chunk::<8>() else {
                continue;
            };
            // A row that is damaged itself is told of by whoever asks for its term.
            let Ok(row) = Row::open(key.value(), value.value()) else {
                continue;
            };
            let is_sought = |position: &u64| positions.binary_search(position).is_ok();
            for position in row.positions.into_iter().filter(is_sought) {
                found.entry(term.to_vec()).or_default().push(position);
            }
        }
        found
            .values_mut()
            .for_each(|positions| positions.sort_unstable());
        Ok(())
    }
}
