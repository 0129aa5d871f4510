//! Control messages: their numbers, and how those that this node sends are written.
//!
//! Source: "Distribution Protocol", ERTS User's Guide.

use esdb_etf::{Pid, Reference, put};

pub(crate) const LINK: u64 = 1;
pub(crate) const SEND: u64 = 2;
pub(crate) const EXIT: u64 = 3;
pub(crate) const UNLINK: u64 = 4;
pub(crate) const NODE_LINK: u64 = 5;
pub(crate) const REG_SEND: u64 = 6;
pub(crate) const GROUP_LEADER: u64 = 7;
pub(crate) const EXIT2: u64 = 8;
pub(crate) const SEND_TT: u64 = 12;
pub(crate) const EXIT_TT: u64 = 13;
pub(crate) const REG_SEND_TT: u64 = 16;
pub(crate) const EXIT2_TT: u64 = 18;
pub(crate) const MONITOR_P: u64 = 19;
pub(crate) const DEMONITOR_P: u64 = 20;
pub(crate) const MONITOR_P_EXIT: u64 = 21;
pub(crate) const SEND_SENDER: u64 = 22;
pub(crate) const SEND_SENDER_TT: u64 = 23;
pub(crate) const PAYLOAD_EXIT: u64 = 24;
pub(crate) const PAYLOAD_EXIT_TT: u64 = 25;
pub(crate) const PAYLOAD_EXIT2: u64 = 26;
pub(crate) const PAYLOAD_EXIT2_TT: u64 = 27;
pub(crate) const PAYLOAD_MONITOR_P_EXIT: u64 = 28;
pub(crate) const SPAWN_REQUEST: u64 = 29;
pub(crate) const SPAWN_REQUEST_TT: u64 = 30;
pub(crate) const SPAWN_REPLY: u64 = 31;
pub(crate) const SPAWN_REPLY_TT: u64 = 32;
pub(crate) const ALIAS_SEND: u64 = 33;
pub(crate) const ALIAS_SEND_TT: u64 = 34;
pub(crate) const UNLINK_ID: u64 = 35;
pub(crate) const UNLINK_ID_ACK: u64 = 36;

fn head(out: &mut Vec<u8>, arity: usize, operation: u64) {
    put::tuple(out, arity);
    put::unsigned(out, operation);
}

pub(crate) fn send(out: &mut Vec<u8>, to: &[u8]) {
    head(out, 3, SEND);
    put::atom(out, "");
    out.extend_from_slice(to);
}

pub(crate) fn reg_send(out: &mut Vec<u8>, from: &Pid, name: &str) {
    head(out, 4, REG_SEND);
    from.put(out);
    put::atom(out, "");
    put::atom(out, name);
}

pub(crate) fn alias_send(out: &mut Vec<u8>, from: &[u8], alias: &[u8]) {
    head(out, 3, ALIAS_SEND);
    out.extend_from_slice(from);
    out.extend_from_slice(alias);
}

/// `from`: raw pid.
pub(crate) fn monitor(out: &mut Vec<u8>, from: &[u8], target: &[u8], reference: &Reference) {
    head(out, 4, MONITOR_P);
    out.extend_from_slice(from);
    out.extend_from_slice(target);
    reference.put(out);
}

pub(crate) fn demonitor(out: &mut Vec<u8>, from: &Pid, target: &[u8], reference: &Reference) {
    head(out, 4, DEMONITOR_P);
    from.put(out);
    out.extend_from_slice(target);
    reference.put(out);
}

/// `ended`: pid, or the name under which it was monitored.
pub(crate) fn monitor_exit(
    out: &mut Vec<u8>,
    ended: &[u8],
    watcher: &[u8],
    reference: &[u8],
    reason: &[u8],
) {
    head(out, 5, MONITOR_P_EXIT);
    for term in [ended, watcher, reference, reason] {
        out.extend_from_slice(term);
    }
}

pub(crate) fn exit(out: &mut Vec<u8>, ended: &[u8], linked: &[u8], reason: &[u8]) {
    head(out, 4, EXIT);
    for term in [ended, linked, reason] {
        out.extend_from_slice(term);
    }
}

pub(crate) fn unlink_ack(out: &mut Vec<u8>, id: &[u8], from: &[u8], to: &[u8]) {
    head(out, 4, UNLINK_ID_ACK);
    for term in [id, from, to] {
        out.extend_from_slice(term);
    }
}

/// `flags`: 1 a link was made, 2 a monitor. `result`: pid of the new process, or why there is none.
pub(crate) fn spawn_reply(
    out: &mut Vec<u8>,
    request: &[u8],
    to: &[u8],
    flags: u8,
    result: impl FnOnce(&mut Vec<u8>),
) {
    head(out, 5, SPAWN_REPLY);
    out.extend_from_slice(request);
    out.extend_from_slice(to);
    put::integer(out, i64::from(flags));
    result(out);
}
