//! The counts of blocks, on every level.

use super::books::Books;
use super::checker::{Checker, Known, Wrong};
use crate::disk::{LEVELS, block_of};
use crate::pages::tree::Order;
use crate::tables::{IN_BLOCKS, open_block};
use std::collections::BTreeMap;

pub(super) const TABLE: Known = Known {
    name: IN_BLOCKS.0,
    order: Order::Numbers(&[1, 8]),
    show: |key| {
        let (level, block) = key_of(key);
        format!("level {level}, block {block}")
    },
};

fn key_of(key: &[u8]) -> (u8, u64) {
    let both = Order::numbers(&[1, 8], key);
    ((both >> 64) as u8, both as u64)
}

/// Checks the counts against the events.
pub(super) fn check(checker: &mut Checker<'_>, books: &Books) {
    let mut expected = counts(books);
    let whole = checker.rows(&TABLE, &mut |key, value| {
        let (level, block) = key_of(key);
        let count = open_block(level, block, value)?;
        match expected.remove(&(level, block)) {
            _ if !books.whole => Ok(()),
            Some(events) if events == count => Ok(()),
            events => Err(Wrong(format!(
                "it counts {count} events, there are {}",
                events.unwrap_or(0)
            ))),
        }
    });
    if !(whole && books.whole) {
        return checker.not_compared(&TABLE);
    }
    for ((level, block), events) in expected {
        let place = format!("table {}, level {level}, block {block}", TABLE.name);
        checker.damage(place, format!("there are {events} events, but no row"));
    }
}

/// The blocks of each level that hold events, with their number.
fn counts(books: &Books) -> BTreeMap<(u8, u64), u64> {
    let mut counts = BTreeMap::new();
    for level in 1..=LEVELS {
        for (block, events) in &books.blocks {
            *counts
                .entry((level, block_of(level - 1, *block)))
                .or_default() += events;
        }
    }
    counts
}
