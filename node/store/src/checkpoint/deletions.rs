//! Taking away what deleted streams left in earlier checkpoints.

use super::Writer;
use crate::disk::Disk;
use crate::tables::{EVENTS, RUNS};
use crate::{Direction, StoreError, terms};
use std::collections::BTreeMap;

/// Events that are taken away at once: a stream may have more than memory has room for.
const AT_ONCE: u64 = 4_096;

/// What is to be taken away.
#[derive(Debug, Default)]
struct Gone {
    /// Stream number and first version of each run.
    runs: Vec<(u64, u64)>,
    /// First position of each run, and number of events.
    events: Vec<(u64, u64)>,
    /// Number of all events.
    count: u64,
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
                disk.runs(number, next..end, Direction::Forward, |run| {
                    gone.runs.push((number, run.first_version));
                    gone.events.push((run.first_position, run.count));
                    gone.count += run.count;
                    next = run.end_version();
                    Ok(gone.count < AT_ONCE)
                })?;
                if gone.count >= AT_ONCE {
                    self.remove(disk, std::mem::take(&mut gone))?;
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

    /// The positions of these events by term, ascending.
    fn find_terms(
        &mut self,
        disk: &Disk,
        events: &[(u64, u64)],
    ) -> Result<BTreeMap<Vec<u8>, Vec<u64>>, StoreError> {
        let mut found = BTreeMap::<Vec<u8>, Vec<u64>>::new();
        for (first, count) in events {
            for position in *first..first + count {
                disk.event(position, |row, _| {
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
                })?;
            }
        }
        Ok(found)
    }
}
