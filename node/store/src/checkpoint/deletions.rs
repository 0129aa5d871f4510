//! Taking away what deleted streams left in earlier checkpoints.

use super::Writer;
use crate::disk::Disk;
use crate::tables::{EVENTS, RUNS};
use crate::{Direction, StoreError, terms};
use std::collections::BTreeMap;

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
        drop((runs, events));
        self.remove_postings(gone.postings)
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
}
