//! The events: their order, their streams' versions, and what they say of the other tables.

use super::books::{Books, Stream};
use super::checker::{Checker, Known, Verdict, Wrong};
use super::index::Index;
use super::{postings, runs};
use crate::body::Body;
use crate::disk::block_of;
use crate::pages::tree::Order;
use crate::tables::{EventRow, IN_EVENTS};
use std::collections::hash_map::Entry;

pub(super) const TABLE: Known = Known {
    name: IN_EVENTS.0,
    order: Order::Numbers(&[8]),
    show: |key| format!("position {}", position(key)),
};

/// The tables that lead to events: one that is added gets a place here.
const INDEXES: [&Index; 2] = [&runs::INDEX, &postings::INDEX];

fn position(key: &[u8]) -> u64 {
    Order::numbers(&[8], key) as u64
}

/// Checks the events, and fills the books.
pub(super) fn check(checker: &mut Checker<'_>, books: &mut Books) {
    books.whole = checker.rows(&TABLE, &mut |key, value| {
        let position = position(key);
        let (row, body) = EventRow::open(position, value)?;
        let ordinal = books.add(position);
        *books.blocks.entry(block_of(1, position)).or_default() += 1;
        for index in INDEXES {
            let ledger = (index.ledger)(books);
            (index.of_event)(&row, &body, &mut |claim| ledger.expect(ordinal, claim));
        }
        let earlier = std::mem::replace(&mut books.last_epoch_us, row.epoch_us);
        follow(books, &row)?;
        match earlier <= row.epoch_us {
            true => Ok(()),
            false => Err("its time is before that of the event before it".into()),
        }
    });
}

/// Notes an event in its stream; versions have no gaps.
fn follow(books: &mut Books, row: &EventRow<'_>) -> Verdict {
    let (name, next_version) = (row.name.into(), row.version.saturating_add(1));
    let expected = match books.streams.entry(row.number) {
        Entry::Vacant(entry) => {
            entry.insert(Stream { name, next_version });
            0
        }
        Entry::Occupied(mut entry) => {
            let stream = entry.get_mut();
            if *stream.name != *row.name {
                return Err("its stream's number belongs to another stream".into());
            }
            std::mem::replace(&mut stream.next_version, next_version)
        }
    };
    match row.version == expected {
        true => Ok(()),
        false => Err(Wrong(format!(
            "its version is {}, but {expected} comes next in its stream",
            row.version
        ))),
    }
}

/// Visits the events that can be read once more.
pub(super) fn visit(
    checker: &mut Checker<'_>,
    visit: &mut dyn FnMut(u64, &EventRow<'_>, &Body<'_>),
) {
    checker.rows(&TABLE, &mut |key, value| {
        let position = position(key);
        let (row, body) = EventRow::open(position, value)?;
        visit(position, &row, &body);
        Ok(())
    });
}
