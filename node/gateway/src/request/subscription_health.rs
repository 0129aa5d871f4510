//! `{subscription_health, S}`: how each subscription is, as far as this server knows.
//!
//! The answer is `{ok, #{subscriptions => [#{id, subscription_name, status, lag_events, reason}],
//! evaluations => N}}`. A status is `live`, `catching_up`, `disconnected` (the subscriber's node is),
//! `parked` (nobody is there to deliver to) or `failed`, with the reason as a binary, otherwise
//! `undefined`. `evaluations` counts how often a selector was evaluated for a new event.

use super::Work;
use crate::delivery::subscription::{Condition, Subscription};
use crate::served::ServedStore;
use esdb_etf::{put, tag};

pub(super) fn work() -> Work {
    Work::Look(Box::new(health))
}

fn health(store: &ServedStore, out: &mut Vec<u8>) {
    let all = store.subscriptions.all();
    let next = store.replica.view().next_position();
    put::tuple(out, 2);
    put::atom(out, "ok");
    put::map(out, 2);
    put::atom(out, "evaluations");
    put::unsigned(out, store.subscriptions.evaluations());
    put::atom(out, "subscriptions");
    if !all.is_empty() {
        put::list(out, all.len());
    }
    for subscription in &all {
        put_one(out, subscription, next);
    }
    out.push(tag::NIL);
}

fn put_one(out: &mut Vec<u8>, subscription: &Subscription, next: u64) {
    let condition = subscription.condition();
    // One that is live lacks nothing, though the last event that was for it lies far back.
    let lag = match condition {
        Condition::Live => 0,
        _ => next.saturating_sub(subscription.progress().next),
    };
    put::map(out, 5);
    put::atom(out, "id");
    put::binary(out, subscription.id.as_bytes());
    put::atom(out, "subscription_name");
    put::binary(out, &subscription.definition.lock().name);
    put::atom(out, "status");
    put::atom(out, condition.name());
    put::atom(out, "lag_events");
    put::unsigned(out, lag);
    put::atom(out, "reason");
    match condition {
        Condition::Failed(reason) => put::binary(out, reason.as_bytes()),
        _ => put::atom(out, "undefined"),
    }
}
