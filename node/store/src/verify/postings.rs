//! The postings: by event type and tag to each event that bears it.

use super::books::Books;
use super::checker::{Checker, Known, Verdict};
use super::index::Index;
use super::report::show;
use crate::pages::tree::Order;
use crate::postings::{MAX_ROW, Row, last_key, row_key};
use crate::tables::IN_POSTINGS;
use crate::terms;

pub(super) const INDEX: Index = Index {
    table: Known {
        name: IN_POSTINGS.0,
        order: Order::Bytes,
        show: |key| match split(key) {
            Some((term, u64::MAX)) => format!("last row of {}", show_term(term)),
            Some((term, first)) => format!("{} from position {first}", show_term(term)),
            None => format!("key {}", show(key)),
        },
    },
    ledger: |books| &mut books.postings,
    of_event: |_, body, visit| {
        // A tag that an event bears twice is found once.
        let mut terms = Vec::new();
        terms::each(body, &mut Vec::new(), |term| {
            if !terms.iter().any(|other| other == term) {
                terms.push(term.to_vec());
            }
            0
        });
        terms.iter().for_each(|term| visit(term));
    },
    of_row: |key, value, visit| {
        let (term, _) = split(key)
            .filter(|(term, _)| is_term(term))
            .ok_or("its key is none")?;
        let row = Row::open(key, value)?;
        row.positions
            .iter()
            .for_each(|position| visit(*position, term));
        Ok(())
    },
    show: show_term,
};

/// The term of a row's key, and the position.
fn split(key: &[u8]) -> Option<(&[u8], u64)> {
    let (term, position) = key.split_last_chunk()?;
    Some((term, u64::from_be_bytes(*position)))
}

fn show_term(term: &[u8]) -> String {
    match term.split_at_checked(5) {
        Some(([1, ..], event_type)) => match event_type {
            // Mostly a binary.
            [109, _, _, _, _, text @ ..] => format!("event type {}", show(text)),
            term => format!("event type {}", show(term)),
        },
        Some(([2, ..], tag)) => format!("tag {}", show(tag)),
        _ => format!("term {}", show(term)),
    }
}

/// Whether a term is one: kind, length, as many bytes.
fn is_term(term: &[u8]) -> bool {
    match term.split_first_chunk::<5>() {
        Some(([1 | 2, length @ ..], bytes)) => {
            usize::try_from(u32::from_be_bytes(*length)) == Ok(bytes.len())
        }
        _ => false,
    }
}

/// Checks the postings against the events, and that the rows of each term are a chain.
pub(super) fn check(checker: &mut Checker<'_>, books: &mut Books) {
    let mut chain = Chain::default();
    INDEX.check(checker, books, &mut |key, value| {
        let (term, _) = split(key).ok_or("its key is none")?;
        chain.link(term, key, &Row::open(key, value)?)
    });
    if let Some(term) = chain.unfinished() {
        checker.damage(INDEX.table.place(&last_key(&term)), "it is missing");
    }
}

/// The rows of a term, as far as they were seen.
#[derive(Default)]
struct Chain {
    term: Vec<u8>,
    /// First and last position of the row before; `None` after a term's last row.
    before: Option<(u64, u64)>,
}

impl Chain {
    fn link(&mut self, term: &[u8], key: &[u8], row: &Row) -> Verdict {
        let unfinished = self.before.take_if(|_| self.term != term).is_some();
        self.term.clear();
        self.term.extend_from_slice(term);
        let ends = row.first().zip(row.positions.last().copied());
        let (first, last) = ends.ok_or("it names no event")?;
        let before = self.before.replace((first, last));
        if key == last_key(term) {
            self.before = None;
        } else if key != row_key(term, first) {
            return Err("its key does not name its first position".into());
        }
        if row.positions.len() > MAX_ROW {
            return Err("it holds more positions than a row may".into());
        }
        if unfinished {
            return Err("the last row of the term before it is missing".into());
        }
        if row.before != before.map(|(first, _)| first) {
            return Err("the row before it is missing".into());
        }
        match before.is_some_and(|(_, last)| last >= first) {
            true => Err("its positions are not all after those of the row before it".into()),
            false => Ok(()),
        }
    }

    /// The term whose last row did not come.
    fn unfinished(self) -> Option<Vec<u8>> {
        self.before.map(|_| self.term)
    }
}
