//! `{parked_events, S, Name}`: the events that consumers put aside, at most 1,000, by position:
//! `{ok, [#{position, attempt, reason}]}`.

use super::super::{Effort, Work, name};
use crate::persistent::parked;
use crate::refusal::Refusal;
use esdb_etf::{Term, put};

const AT_MOST: usize = 1_000;

pub(in crate::request) fn work(subscription: Term<'_>) -> Result<Work, Refusal> {
    let subscription = name("subscription name", subscription)?.to_vec();
    Work::read(Effort::Long, move |view, _, out| {
        let parked = parked::list(view, &subscription, AT_MOST)?;
        put::tuple(out, 2);
        put::atom(out, "ok");
        if !parked.is_empty() {
            put::list(out, parked.len());
        }
        for (position, parked) in &parked {
            put::map(out, 3);
            put::atom(out, "position");
            put::unsigned(out, *position);
            put::atom(out, "attempt");
            put::unsigned(out, parked.attempt);
            put::atom(out, "reason");
            out.extend_from_slice(&parked.reason);
        }
        put::nil(out);
        Ok(())
    })
}
