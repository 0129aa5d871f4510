//! The heads of streams: one for each stream that has events, and none besides.

use super::books::Books;
use super::checker::{Checker, Known};
use super::report::show;
use crate::pages::tree::Order;
use crate::tables::{Head, IN_STREAMS};
use std::collections::HashSet;

pub(super) const TABLE: Known = Known {
    name: IN_STREAMS.0,
    order: Order::Bytes,
    show: |name| format!("stream {}", show(name)),
};

/// Checks the heads against the events.
pub(super) fn check(checker: &mut Checker<'_>, books: &Books) {
    let mut seen = HashSet::new();
    let whole = checker.rows(&TABLE, &mut |name, value| {
        let head = Head::open(name, value)?;
        seen.insert(head.number);
        if !books.whole {
            return Ok(());
        }
        match books.streams.get(&head.number) {
            Some(stream) if *stream.name != *name => {
                Err("its stream number belongs to another stream".into())
            }
            Some(stream) if stream.next_version != head.last_version.saturating_add(1) => {
                Err("its last version is not that of the stream's last event".into())
            }
            Some(_) => Ok(()),
            None => Err("the stream has no events".into()),
        }
    });
    if !(whole && books.whole) {
        return checker.not_compared(&TABLE);
    }
    let mut missing: Vec<_> = books.streams.iter().collect();
    missing.retain(|(number, _)| !seen.contains(number));
    missing.sort_unstable_by_key(|(number, _)| **number);
    for (_, stream) in missing {
        checker.damage(
            TABLE.place(&stream.name),
            "the stream has events, but no row",
        );
    }
}
