//! `{add_demand, S, Name, Pid, Events}`, call or cast: a subscriber in pull mode asks for so many more
//! events. Reply: `ok`, or `{error, {subscription_not_found, Name}}` if none of that name delivers to it.

use super::{Work, name, non_negative};
use crate::refusal::{self, Refusal};
use esdb_etf::{Term, put};

pub(super) fn work(
    subscription: Term<'_>,
    subscriber: Term<'_>,
    events: Term<'_>,
) -> Result<Work, Refusal> {
    let subscription = name("subscription name", subscription)?.to_vec();
    let wrong = || Refusal::argument("subscriber", "give its pid");
    let subscriber = subscriber.as_pid().ok_or_else(wrong)?;
    let events = non_negative("events", events)?;
    Ok(Work::Look(Box::new(move |store, out| {
        match store.subscriptions.ask(&subscription, &subscriber, events) {
            true => put::atom(out, "ok"),
            false => refusal::subscription_not_found(out, &subscription),
        }
    })))
}
