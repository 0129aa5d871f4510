//! Writing a frozen memtable to the database, in the order of its keys, in one durable transaction.
//!
//! # Layout
//! - `deletions`: takes away what deleted streams left in earlier checkpoints
//! - `counts`: keeps the counts of blocks
//! - `indexes`: heads and runs; `postings`: positions of terms
//! - `records`: what is kept beside the events

mod counts;
mod deletions;
mod indexes;
mod postings;
mod records;

use crate::StoreError;
use crate::disk::Disk;
use crate::memtable::Content;
use crate::meta::{STATE, State};
use crate::published::Frozen;
use crate::tables::{EVENTS, EventRow, META};
use counts::Counts;
use redb::{Database, WriteTransaction};
use std::collections::HashSet;
use std::ops::Bound;

/// What a checkpoint works on.
struct Writer<'a> {
    transaction: &'a WriteTransaction,
    content: &'a Content,
    /// Streams that were deleted; those that never reached the disk never will.
    dead: HashSet<u64>,
    counts: Counts,
    row: Vec<u8>,
}

/// Writes `frozen` over `disk`, which is what the database holds.
pub(crate) fn write(database: &Database, disk: &Disk, frozen: &Frozen) -> Result<(), StoreError> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    let content = frozen.memtable.read();
    let dead = content.deaths.iter().map(|(_, number)| *number).collect();
    let mut writer = Writer {
        transaction: &transaction,
        content: &content,
        dead,
        counts: Counts::default(),
        row: Vec::new(),
    };
    writer.remove_deleted(disk)?;
    writer.write_events()?;
    writer.write_runs()?;
    writer.write_heads()?;
    writer.write_postings()?;
    writer.write_counts()?;
    writer.write_records()?;
    writer.write_state(&frozen.state)?;
    transaction.commit()?;
    Ok(())
}

impl Writer<'_> {
    fn write_events(&mut self) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(EVENTS)?;
        let mut cursor = table.upper_bound_mut(Bound::<u64>::Unbounded)?;
        for run in self
            .content
            .runs
            .iter()
            .filter(|run| !self.dead.contains(&run.number))
        {
            let (number, name, epoch_us) = (run.number, &*run.name, run.epoch_us);
            for (at, (raw, _)) in (0..).zip(run.raw()) {
                let version = run.first_version + at;
                let position = run.first_position + at;
                EventRow {
                    number,
                    version,
                    epoch_us,
                    name,
                    raw,
                }
                .seal(position, &mut self.row);
                cursor.insert_before(position, self.row.as_slice())?;
            }
            self.counts.add(run.first_position, run.count.into());
        }
        cursor.close()?;
        Ok(())
    }

    fn write_state(&mut self, state: &State) -> Result<(), StoreError> {
        state.seal(&mut self.row);
        self.transaction
            .open_table(META)?
            .insert(STATE, self.row.as_slice())?;
        Ok(())
    }
}
