//! The counts of blocks, by which a rank is found.

use super::Writer;
use crate::StoreError;
use crate::disk::{FAN_OUT, LEVELS, block_of};
use crate::tables::{BLOCKS, open_block, seal_block};
use redb::ReadableTable;
use std::collections::BTreeMap;

/// By how much the blocks of level 1 change.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<u64, i64>);

impl Counts {
    /// Events were written at `count` positions from `first` on.
    pub fn add(&mut self, first: u64, count: u64) {
        self.change(first, count, 1);
    }

    /// Events were taken away from `count` positions from `first` on.
    pub fn remove(&mut self, first: u64, count: u64) {
        self.change(first, count, -1);
    }

    fn change(&mut self, first: u64, count: u64, sign: i64) {
        let (mut at, end) = (first, first.saturating_add(count));
        while at < end {
            let block = block_of(1, at);
            let next = ((block + 1) * FAN_OUT).min(end);
            *self.0.entry(block).or_default() += sign * (next - at) as i64;
            at = next;
        }
    }
}

impl Writer<'_> {
    pub(super) fn write_counts(&mut self) -> Result<(), StoreError> {
        let mut changes = std::mem::take(&mut self.counts.0);
        let mut table = self.transaction.open_table(BLOCKS)?;
        for level in 1..=LEVELS {
            let mut above = BTreeMap::<u64, i64>::new();
            for (block, change) in changes {
                *above.entry(block_of(1, block)).or_default() += change;
                let before = match table.get((level, block))? {
                    Some(value) => open_block(level, block, value.value())?,
                    None => 0,
                };
                match before.saturating_add_signed(change) {
                    0 => drop(table.remove((level, block))?),
                    count => {
                        seal_block(level, block, count, &mut self.row);
                        table.insert((level, block), self.row.as_slice())?;
                    }
                }
            }
            changes = above;
        }
        Ok(())
    }
}
