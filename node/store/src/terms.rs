//! The terms under which an event is found.

use crate::body::Body;
use crate::postings::{TermKind, term_key};

/// Visits the key of each term of the event: its type, then its tags as often as it bears them.
/// Answers the sum of what `visit` answers.
pub(crate) fn each(
    body: &Body<'_>,
    scratch: &mut Vec<u8>,
    mut visit: impl FnMut(&[u8]) -> usize,
) -> usize {
    term_key(TermKind::Type, body.event_type, scratch);
    let mut sum = visit(scratch);
    for tag in body.tag_names() {
        term_key(TermKind::Tag, tag, scratch);
        sum += visit(scratch);
    }
    sum
}
