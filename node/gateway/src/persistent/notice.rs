//! What a persistent subscription tells its consumers: `{esdb_subscription, Name, Notice}`.

use bytes::Bytes;
use esdb_etf::put;
use esdb_subscription::group::Delivered;

fn begin(out: &mut Vec<u8>, name: &[u8]) {
    put::tuple(out, 3);
    put::atom(out, "esdb_subscription");
    put::binary(out, name);
}

/// `{events, [{Position, Attempt, Event}]}`
pub(crate) fn events(out: &mut Vec<u8>, name: &[u8], events: &[Delivered<Bytes>]) {
    begin(out, name);
    put::tuple(out, 2);
    put::atom(out, "events");
    put::list(out, events.len());
    for event in events {
        put::tuple(out, 3);
        put::unsigned(out, event.position);
        put::unsigned(out, event.attempt.into());
        out.extend_from_slice(&event.payload);
    }
    put::nil(out);
}

/// `caught_up`
pub(crate) fn caught_up(out: &mut Vec<u8>, name: &[u8]) {
    begin(out, name);
    put::atom(out, "caught_up");
}

/// `{heartbeat, #{checkpoint => Position, head => Position}}`
pub(crate) fn heartbeat(out: &mut Vec<u8>, name: &[u8], checkpoint: u64, head: u64) {
    begin(out, name);
    put::tuple(out, 2);
    put::atom(out, "heartbeat");
    put::map(out, 2);
    put::atom(out, "checkpoint");
    put::unsigned(out, checkpoint);
    put::atom(out, "head");
    put::unsigned(out, head);
}

/// `{Label, Number}`: `{dropped, Position}` or `{warning, WaitingEvents}`.
pub(crate) fn number(out: &mut Vec<u8>, name: &[u8], label: &str, number: u64) {
    begin(out, name);
    put::tuple(out, 2);
    put::atom(out, label);
    put::unsigned(out, number);
}

/// `{closed, Reason}`
pub(crate) fn closed(out: &mut Vec<u8>, name: &[u8], reason: &str) {
    begin(out, name);
    put::tuple(out, 2);
    put::atom(out, "closed");
    put::atom(out, reason);
}
