//! `{read_by_tags, Store, [Tag], any | all, Limit}`: events that carry any, or all, of the tags, in
//! the order of their commit. Reply: `{ok, [#event{}]}`, empty if no tag is named.

use super::{Effort, Work, count, name, names};
use crate::record;
use crate::refusal::Refusal;
use esdb_etf::Term;
use esdb_store::TagMatch;

/// Reads at most `limit` events.
pub(super) fn work(tags: Term<'_>, matching: Term<'_>, limit: Term<'_>) -> Result<Work, Refusal> {
    let tags: Vec<Vec<u8>> = names("tags", tags)?
        .map(|tag| name("tag", tag).map(<[u8]>::to_vec))
        .collect::<Result<_, _>>()?;
    let matching = if matching.is_atom("any") {
        TagMatch::Any
    } else if matching.is_atom("all") {
        TagMatch::All
    } else {
        return Err(Refusal::argument("match", "give the atom any or all"));
    };
    let limit = count("batch size", limit)?;
    // Of events with all of the tags there may be few among many with some.
    let effort = match matching {
        TagMatch::Any => Effort::of(limit),
        TagMatch::All => Effort::Long,
    };
    Work::read(effort, move |view, arity, out| {
        let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
        record::events(out, arity, |visit| match tags.is_empty() {
            true => Ok(0),
            false => view.read_by_tags(&tags, matching, limit, visit),
        })?;
        Ok(())
    })
}
