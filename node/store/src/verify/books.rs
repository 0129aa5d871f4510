//! What the events say of the other tables.

use std::collections::{BTreeMap, HashMap};
use twox_hash::XxHash3_64;

/// What the events of a stream say of it.
#[derive(Debug)]
pub(super) struct Stream {
    pub name: Box<[u8]>,
    pub next_version: u64,
}

/// One number a table and event: what the table must say of the event, less what it says.
#[derive(Debug, Default)]
pub(super) struct Ledger(Vec<u64>);

/// What the events say.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// All events could be read.
    pub whole: bool,
    /// By stream number.
    pub streams: HashMap<u64, Stream>,
    /// Number of events in each block of level 1.
    pub blocks: BTreeMap<u64, u64>,
    /// The time of the last event.
    pub last_epoch_us: u64,
    /// First position and number of earlier events of each row of consecutive positions.
    spans: Vec<(u64, usize)>,
    events: usize,
    next_position: u64,
    pub runs: Ledger,
    pub postings: Ledger,
}

impl Books {
    /// Number of events.
    pub fn events(&self) -> u64 {
        self.events as u64
    }

    /// The position after the last event.
    pub fn next_position(&self) -> u64 {
        self.next_position
    }

    /// Notes that there is an event at `position`, after all others; answers its ordinal.
    pub fn add(&mut self, position: u64) -> usize {
        if self.spans.is_empty() || position != self.next_position {
            self.spans.push((position, self.events));
        }
        self.next_position = position.saturating_add(1);
        self.events += 1;
        self.events - 1
    }

    /// How many events stand before the one at `position`; `None` if there is none at it.
    pub fn ordinal(&self, position: u64) -> Option<usize> {
        let at = self.spans.partition_point(|(first, _)| *first <= position);
        let (first, before) = self.spans.get(at.checked_sub(1)?)?;
        let end = self
            .spans
            .get(at)
            .map_or(self.events, |(_, before)| *before);
        let ordinal = before + usize::try_from(position - first).ok()?;
        (ordinal < end).then_some(ordinal)
    }

    /// The position of the event with this ordinal.
    pub fn position(&self, ordinal: usize) -> u64 {
        let at = self.spans.partition_point(|(_, before)| *before <= ordinal);
        let span = at.checked_sub(1).and_then(|at| self.spans.get(at));
        span.map_or(0, |(first, before)| first + (ordinal - before) as u64)
    }
}

impl Ledger {
    /// The event must be found under `claim`.
    pub fn expect(&mut self, ordinal: usize, claim: &[u8]) {
        if ordinal >= self.0.len() {
            self.0.resize(ordinal + 1, 0);
        }
        if let Some(sum) = self.0.get_mut(ordinal) {
            *sum = sum.wrapping_add(XxHash3_64::oneshot(claim));
        }
    }

    /// The event is found under `claim`.
    pub fn found(&mut self, ordinal: usize, claim: &[u8]) {
        if let Some(sum) = self.0.get_mut(ordinal) {
            *sum = sum.wrapping_sub(XxHash3_64::oneshot(claim));
        }
    }

    /// The ordinals of the events for which the two do not agree.
    pub fn open(&self) -> impl Iterator<Item = usize> {
        let sums = self.0.iter().enumerate();
        sums.filter(|(_, sum)| **sum != 0)
            .map(|(ordinal, _)| ordinal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_ordinals_lead_to_each_other() {
        let mut books = Books::default();
        let positions = [0, 1, 2, 7, 8, 300, 302];
        for (ordinal, position) in positions.into_iter().enumerate() {
            assert_eq!(books.add(position), ordinal);
        }
        for position in 0..310 {
            let ordinal = positions.iter().position(|p| *p == position);
            assert_eq!(books.ordinal(position), ordinal, "{position}");
            assert!(ordinal.is_none_or(|ordinal| books.position(ordinal) == position));
        }
    }
}
