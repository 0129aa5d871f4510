//! `{remove_subscription, S, Type, Selector, Name}`, call or cast: ends the subscriptions of that
//! type and name, whatever the selector; `ok` also if there was none.

use super::{Change, Work, name};
use crate::refusal::Refusal;
use esdb_etf::Term;

pub(super) fn work(kind: Term<'_>, subscription: Term<'_>) -> Result<Work, Refusal> {
    if kind.as_atom().is_none() {
        let problem = "give the subscription's type as an atom, such as by_stream";
        return Err(Refusal::argument("type", problem));
    }
    Ok(Work::Change(Change::Remove {
        kind: kind.as_bytes().to_vec(),
        name: name("subscription name", subscription)?.to_vec(),
    }))
}
