//! `{read_all_global, Store, Offset, Limit}`: the events of all streams in the order of their commit,
//! after passing over `Offset` of those that exist. Reply: `{ok, [#event{}]}`.

use super::{Effort, Work, count, non_negative};
use crate::record;
use crate::refusal::Refusal;
use esdb_etf::Term;

/// Reads at most `limit` events.
pub(super) fn work(offset: Term<'_>, limit: Term<'_>) -> Result<Work, Refusal> {
    let offset = non_negative("offset", offset)?;
    let limit = count("batch size", limit)?;
    Work::read(Effort::of(limit), move |view, arity, out| {
        record::events(out, arity, |visit| view.read_all(offset, limit, visit))?;
        Ok(())
    })
}
