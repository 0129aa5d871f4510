//! All events on disk by position, and the rank of an event among those that exist.
//!
//! A block of level n holds 256^n positions; its row says how many events it holds. So a rank is
//! found by looking at no more than 256 rows of each level, and a hole in the positions is known to
//! be what deletions left: the counts of its blocks must say so.

use super::{Disk, Visit};
use crate::StoreError;
use crate::tables::{EventRow, IN_BLOCKS, IN_EVENTS, open_block, pair_key};
use std::collections::HashSet;

/// Number of levels: 256^6 positions are more than a store lives to see.
pub(crate) const LEVELS: u8 = 6;
/// Positions of a block of level 1, and blocks of one level in one of the next.
pub(crate) const FAN_OUT: u64 = 256;

/// The block of `level` that holds `position`.
pub(crate) fn block_of(level: u8, position: u64) -> u64 {
    position >> (8 * u32::from(level))
}

/// Positions on disk of events whose stream has been deleted since.
#[derive(Debug, Default)]
pub(crate) struct DeadRuns {
    /// First position of each run, first position after it, number of dead events before it.
    runs: Vec<(u64, u64, u64)>,
}

impl DeadRuns {
    /// From pairs of first position and count, in any order.
    pub fn new(mut runs: Vec<(u64, u64)>) -> Self {
        runs.sort_unstable();
        let mut before = 0;
        let counted = runs.into_iter().map(|(first, count)| {
            let run = (first, first.saturating_add(count), before);
            before += count;
            run
        });
        Self {
            runs: counted.collect(),
        }
    }

    /// Number of dead events before `position`.
    pub fn before(&self, position: u64) -> u64 {
        let at = self.runs.partition_point(|(first, ..)| *first < position);
        match at.checked_sub(1).and_then(|at| self.runs.get(at)) {
            Some((first, end, before)) => before + (position.min(*end) - first),
            None => 0,
        }
    }
}

impl Disk {
    /// The block of level 1 that holds the event of this rank, as the block's first position; and
    /// the event's rank within it. For ranks below the number of living events.
    fn locate(&self, rank: u64, dead: &DeadRuns) -> Result<(u64, u64), StoreError> {
        let (mut first, mut left, mut expected) = (0u64, rank, self.state.events);
        for level in (1..=LEVELS).rev() {
            let shift = 8 * u32::from(level);
            let start = first >> shift;
            let (mut found, mut sum) = (None, 0u64);
            // All of them, though the rank may lie in the first: a row that is missing shows only
            // in their sum.
            for row in self
                .blocks
                .range((level, start)..(level, start.saturating_add(FAN_OUT)))?
            {
                let (key, value) = row?;
                let block = key.value().1;
                let held = open_block(level, block, value.value())?;
                sum = sum.saturating_add(held);
                let from = block << shift;
                let gone = dead.before(from.saturating_add(1 << shift)) - dead.before(from);
                let alive = held.saturating_sub(gone);
                match found {
                    None if left < alive => found = Some((from, held)),
                    None => left -= alive,
                    Some(_) => {}
                }
            }
            match found.filter(|_| sum == expected) {
                Some(found) => (first, expected) = found,
                None => {
                    let key = pair_key(level.into(), start);
                    return Err(IN_BLOCKS.damaged(&key, "the counts of its blocks do not add up"));
                }
            }
        }
        Ok((first, left))
    }

    /// Visits up to `limit` events from that of this rank on, without those of `dead` streams.
    pub fn read_all(
        &self,
        rank: u64,
        limit: usize,
        dead: &HashSet<u64>,
        dead_runs: &DeadRuns,
        visit: Visit<'_>,
    ) -> Result<usize, StoreError> {
        // As long as nothing was deleted, an event's rank is its position.
        let whole = self.state.events == self.state.next_position && dead.is_empty();
        let (start, skip) = match whole {
            true => (rank, 0),
            false => self.locate(rank, dead_runs)?,
        };
        self.in_order(start, (skip, limit), dead, visit)
    }

    /// Visits up to `limit` events from `position` on, without those of `dead` streams.
    pub fn read_from(
        &self,
        position: u64,
        limit: usize,
        dead: &HashSet<u64>,
        visit: Visit<'_>,
    ) -> Result<usize, StoreError> {
        self.in_order(position, (0, limit), dead, visit)
    }

    /// Visits the events from `position` on, without those of `dead` streams: the first `skip` not, and
    /// of the others up to `limit`.
    fn in_order(
        &self,
        position: u64,
        (mut skip, limit): (u64, usize),
        dead: &HashSet<u64>,
        visit: Visit<'_>,
    ) -> Result<usize, StoreError> {
        let (mut next, mut seen) = (position, 0);
        let (mut events, mut holes) = (self.events.reader(), Holes::new(self));
        while let Some((position, value)) = events.at_or_after(next)? {
            holes.check(next, position)?;
            next = position + 1;
            let (row, body) = EventRow::open(position, value)?;
            if dead.contains(&row.number) {
                continue;
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            visit(body.recorded(row.name, row.version, position, row.epoch_us));
            seen += 1;
            if seen == limit {
                return Ok(seen);
            }
        }
        holes.check(next, self.state.next_position)?;
        Ok(seen)
    }
}

/// What a reader that goes upward knows of the holes between events.
struct Holes<'d> {
    disk: &'d Disk,
    /// The last block whose events were counted.
    counted: Option<u64>,
}

impl<'d> Holes<'d> {
    fn new(disk: &'d Disk) -> Self {
        let counted = None;
        Self { disk, counted }
    }

    /// Refuses a hole that no deletion left: every block that it touches must count as many events
    /// as it holds.
    fn check(&mut self, from: u64, end: u64) -> Result<(), StoreError> {
        if from >= end {
            return Ok(());
        }
        let (first, last) = (block_of(1, from), block_of(1, end - 1));
        for block in [first, last] {
            if self.counted != Some(block) {
                self.count(block)?;
                self.counted = Some(block);
            }
        }
        let between = (1, first + 1)..(1, last.max(first + 1));
        match self.disk.blocks.range(between)?.next() {
            Some(row) => {
                let block = row?.0.value().1 * FAN_OUT;
                Err(IN_EVENTS.damaged(&block.to_be_bytes(), "the events of its block are missing"))
            }
            None => Ok(()),
        }
    }

    /// Each event is opened: the key of one that is damaged may say that it is another.
    fn count(&self, block: u64) -> Result<(), StoreError> {
        let from = block * FAN_OUT;
        let (mut held, mut next) = (0, from);
        let mut events = self.disk.events.reader();
        while let Some((position, value)) = events.at_or_after(next)?
            && position - from < FAN_OUT
        {
            EventRow::open(position, value)?;
            (held, next) = (held + 1, position + 1);
        }
        let value = self.disk.blocks.get((1, block))?;
        let counted = value
            .map(|value| open_block(1, block, value.value()))
            .transpose()?;
        match held == counted.unwrap_or(0) {
            true => Ok(()),
            false => {
                Err(IN_EVENTS.damaged(&from.to_be_bytes(), "an event of its block is missing"))
            }
        }
    }
}
