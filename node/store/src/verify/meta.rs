//! Header and state: what the database is, and how far it has come.

use super::books::Books;
use super::checker::{Checker, Known, Wrong};
use super::report::show;
use crate::meta::{HEADER, Header, STATE, State, parse_header};
use crate::pages::tree::Order;
use crate::tables::IN_META;

pub(super) const TABLE: Known = Known {
    name: IN_META.0,
    order: Order::Bytes,
    show: |key| format!("row {}", show(key)),
};

/// Checks both rows; answers what they say, as far as it can be read.
pub(super) fn check(checker: &mut Checker<'_>) -> (Option<Header>, Option<State>) {
    let (mut header, mut state) = (None::<Header>, None);
    let whole = checker.rows(&TABLE, &mut |key, value| {
        if key == HEADER.as_bytes() {
            header = Some(parse_header(value).map_err(Wrong)?);
        } else if key == STATE.as_bytes() {
            // The header comes first.
            state = Some(match header.is_some_and(|header| header.outdated) {
                true => State::open_outdated(value)?,
                false => State::open(value)?,
            });
        } else {
            return Err("this version has no such row".into());
        }
        Ok(())
    });
    for (row, there) in [(HEADER, header.is_some()), (STATE, state.is_some())] {
        if whole && !there {
            checker.damage(TABLE.place(row.as_bytes()), "it is missing");
        }
    }
    (header, state)
}

/// Checks the counts of the state against the events.
pub(super) fn compare(checker: &mut Checker<'_>, books: &Books, state: &State) {
    if !books.whole {
        return checker.not_compared(&TABLE);
    }
    let highest_number = books.streams.keys().max();
    let next_number = highest_number.map_or(0, |number| number.saturating_add(1));
    let streams = books.streams.len() as u64;
    let wrong = [
        (state.events != books.events(), "its number of events"),
        (state.streams != streams, "its number of streams"),
        (
            state.next_position < books.next_position(),
            "its next position",
        ),
        (state.next_number < next_number, "its next stream number"),
        (state.last_epoch_us < books.last_epoch_us, "its last time"),
    ];
    for (_, what) in wrong.iter().filter(|(wrong, _)| *wrong) {
        let place = TABLE.place(STATE.as_bytes());
        checker.damage(place, format!("{what} does not fit the events"));
    }
}
