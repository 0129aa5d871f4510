//! Comparing a table that leads to events with the events.

use super::books::{Books, Ledger};
use super::checker::{CheckRow, Checker, Known, Verdict};
use super::events;
use crate::body::Body;
use crate::tables::EventRow;
use std::collections::{BTreeMap, BTreeSet};

/// Most positions of a table that are told one by one.
const MOST: usize = 100;

/// Takes what is said of an event.
pub(super) type Visit<'v> = &'v mut dyn FnMut(&[u8]);
/// Takes a position and what a row says of its event.
pub(super) type VisitAt<'v> = &'v mut dyn FnMut(u64, &[u8]);

/// A table that leads to events. What it says of one event is a claim: some bytes.
pub(super) struct Index {
    pub table: Known,
    pub ledger: fn(&mut Books) -> &mut Ledger,
    /// Visits what the table must say of an event.
    pub of_event: fn(&EventRow<'_>, &Body<'_>, Visit<'_>),
    /// Visits what a row (key, value) says of events.
    pub of_row: fn(&[u8], &[u8], VisitAt<'_>) -> Verdict,
    /// A claim for people, after "under".
    pub show: fn(&[u8]) -> String,
}

/// By position.
type Claims = BTreeMap<u64, BTreeSet<Vec<u8>>>;

impl Index {
    /// Checks the table's rows, also by `check_row`, and all of the table against all events.
    pub fn check(&self, checker: &mut Checker<'_>, books: &mut Books, check_row: CheckRow<'_>) {
        let mut astray = Vec::new();
        let whole = checker.rows(&self.table, &mut |key, value| {
            (self.of_row)(
                key,
                value,
                &mut |position, claim| match books.ordinal(position) {
                    Some(ordinal) => (self.ledger)(books).found(ordinal, claim),
                    None if books.whole && astray.len() < MOST => {
                        astray.push((key.to_vec(), position));
                    }
                    None => {}
                },
            )?;
            check_row(key, value)
        });
        for (key, position) in astray {
            let what = format!("it names position {position}, at which there is no event");
            checker.damage(self.table.place(&key), what);
        }
        if whole && books.whole {
            self.explain(checker, books);
        } else {
            checker.not_compared(&self.table);
        }
    }

    /// Says of the events that the table does not lead to as it must what is wrong.
    fn explain(&self, checker: &mut Checker<'_>, books: &mut Books) {
        let open: Vec<usize> = (self.ledger)(books).open().collect();
        if open.is_empty() {
            return;
        }
        let first = open
            .iter()
            .take(MOST)
            .map(|ordinal| books.position(*ordinal));
        let mut expected: Claims = first.map(|position| (position, BTreeSet::new())).collect();
        let mut found = expected.clone();
        events::visit(checker, &mut |position, row, body| {
            if let Some(claims) = expected.get_mut(&position) {
                (self.of_event)(row, body, &mut |claim| {
                    claims.insert(claim.to_vec());
                });
            }
        });
        checker.rows(&self.table, &mut |key, value| {
            (self.of_row)(key, value, &mut |position, claim| {
                if let Some(claims) = found.get_mut(&position) {
                    claims.insert(claim.to_vec());
                }
            })
        });
        for (position, expected) in &expected {
            let found = found.remove(position).unwrap_or_default();
            self.tell(checker, *position, expected, &found);
        }
        if open.len() > MOST {
            let what = format!("{} more events are not found by it", open.len() - MOST);
            checker.damage(format!("table {}", self.table.name), what);
        }
    }

    fn tell(
        &self,
        checker: &mut Checker<'_>,
        position: u64,
        expected: &BTreeSet<Vec<u8>>,
        found: &BTreeSet<Vec<u8>>,
    ) {
        let place = format!("table {}, position {position}", self.table.name);
        for claim in expected.difference(found) {
            let what = format!("the event is not found under {}", (self.show)(claim));
            checker.damage(place.clone(), what);
        }
        for claim in found.difference(expected) {
            let what = format!("another event is found under {}", (self.show)(claim));
            checker.damage(place.clone(), what);
        }
        if expected == found {
            checker.damage(place, "the event is found there more than once");
        }
    }
}
