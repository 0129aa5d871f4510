//! `{get_events, Store, Stream, Start, Count, Direction}` and its two short forms
//! `{stream_forward | stream_backward, Store, Stream, Start, Count}`. Reply: `{ok, [#event{}]}`, or
//! `{error, {stream_not_found, Stream}}`.

use super::{Effort, Work, count, non_negative, stream};
use crate::record;
use crate::refusal::{self, Refusal};
use esdb_etf::Term;
use esdb_store::Direction;

/// Reads at most `number` events from version `start` on.
pub(super) fn work(
    name: Term<'_>,
    start: Term<'_>,
    number: Term<'_>,
    direction: Direction,
) -> Result<Work, Refusal> {
    let name = stream(name)?.to_vec();
    let start = non_negative("start version", start)?;
    let number = count("count", number)?;
    Work::read(Effort::of(number), move |view, arity, out| {
        let begin = out.len();
        let read = record::events(out, arity, |visit| {
            view.read_stream(&name, start, number, direction, visit)
        })?;
        if read.is_none() {
            out.truncate(begin);
            refusal::stream_not_found(out, &name);
        }
        Ok(())
    })
}

/// The atom `forward` or `backward`.
pub(super) fn direction(term: Term<'_>) -> Result<Direction, Refusal> {
    if term.is_atom("forward") {
        Ok(Direction::Forward)
    } else if term.is_atom("backward") {
        Ok(Direction::Backward)
    } else {
        Err(Refusal::argument(
            "direction",
            "give the atom forward or backward",
        ))
    }
}
