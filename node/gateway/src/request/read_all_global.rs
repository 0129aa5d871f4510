//! `{read_all_global, Store, Offset, Limit}`: the events of all streams in the order of their commit,
//! after passing over `Offset` of those that exist. Reply: `{ok, [#event{}]}`.

use super::{Effort, Work, count, non_negative};
use crate::record;
use crate::refusal::Refusal;
use esdb_etf::Term;
use esdb_store::View;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads at most `limit` events.
pub(super) fn work(offset: Term<'_>, limit: Term<'_>) -> Result<Work, Refusal> {
    let offset = non_negative("offset", offset)?;
    let limit = count("batch size", limit)?;
    let reached = Arc::new(AtomicU64::new(0));
    let reaches = reached.clone();
    let query = Box::new(move |view: &View, arity, out: &mut Vec<u8>| {
        let (mut count, mut next) = (0, 0);
        record::events(out, arity, |visit| {
            view.read_all(offset, limit, &mut |event| {
                (count, next) = (count + 1, event.position + 1);
                visit(event);
            })
        })?;
        let end = if count < limit {
            view.next_position()
        } else {
            next
        };
        reaches.store(end, Ordering::Release);
        Ok(())
    });
    Ok(Work::Read {
        query,
        effort: Effort::of(limit),
        reached: Some(reached),
    })
}
