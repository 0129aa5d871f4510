//! `{subscription_health, S}`: how each subscription is, as far as this server knows.
//!
//! The answer is `{ok, #{subscriptions => [#{id, subscription_name, status, health, lag_events, absent_ms,
//! waiting, dropped, reason}], evaluations => N}}`. A status is `live`, `catching_up`, `disconnected` (the subscriber's node is),
//! `parked` (nobody is there to deliver to) or `failed`, with the reason as a binary, otherwise
//! `undefined`. Its health is `healthy`, `lagging` (more than 1,000 events), `stale` (disconnected), `orphaned`
//! (parked) or `failed`. `absent_ms` says for how long nobody has been there. `evaluations` counts how often a selector was evaluated for a new event.

use super::Work;
use crate::delivery::subscription::{Condition, Subscription};
use crate::served::ServedStore;
use esdb_etf::{put, tag};

/// Events that a subscription may be behind before that is shown.
const LAGGING: u64 = 1_000;

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
        Condition::Live if !subscription.is_behind() => 0,
        _ => next.saturating_sub(subscription.progress().next),
    };
    let health = match condition {
        Condition::Parked => "orphaned",
        Condition::Disconnected => "stale",
        Condition::Failed(_) => "failed",
        Condition::Live | Condition::CatchingUp if lag > LAGGING => "lagging",
        Condition::Live | Condition::CatchingUp => "healthy",
    };
    let absent = subscription.absent().unwrap_or_default().as_millis();
    put::map(out, 9);
    let flow = &subscription.flow;
    for (key, number) in [("waiting", flow.waiting()), ("dropped", flow.dropped())] {
        put::atom(out, key);
        put::unsigned(out, number);
    }
    put::atom(out, "id");
    put::binary(out, subscription.id.as_bytes());
    put::atom(out, "subscription_name");
    put::binary(out, &subscription.definition.lock().name);
    put::atom(out, "status");
    put::atom(out, condition.name());
    put::atom(out, "health");
    put::atom(out, health);
    put::atom(out, "lag_events");
    put::unsigned(out, lag);
    put::atom(out, "absent_ms");
    put::unsigned(out, u64::try_from(absent).unwrap_or(u64::MAX));
    put::atom(out, "reason");
    match condition {
        Condition::Failed(reason) => put::binary(out, reason.as_bytes()),
        _ => put::atom(out, "undefined"),
    }
}
