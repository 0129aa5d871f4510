//! The three messages that a scope process of this node sends to one of a BEAM node.
//!
//! A scope process of OTP 25 or older crashes on any message that it does not know, and the
//! published clients do not start theirs again. So nothing else is ever sent. In particular no
//! `leave`: it crashes a receiver that does not hold the group. A `join` needs no more than a receiver
//! that knows the sender, and who has answered on this connection does. Source: `pg.erl` of OTP 25 to 28.

use esdb_etf::{Pid, put};

/// `{discover, Scope}`: asks for the receiver's groups, and makes the sender known to it.
pub fn discover(out: &mut Vec<u8>, scope: &Pid) {
    put::tuple(out, 2);
    put::atom(out, "discover");
    scope.put(out);
}

/// `{'$gen_cast', {sync, Scope, [{Group, [Pid]}]}}`: all groups of the sender, which replace those
/// that the receiver knew of. Groups without members are left out; each group must come once.
pub fn sync<'a>(
    out: &mut Vec<u8>,
    scope: &Pid,
    groups: impl Iterator<Item = (&'a str, &'a [Pid])> + Clone,
) {
    let groups = groups.filter(|(_, pids)| !pids.is_empty());
    put::tuple(out, 2);
    put::atom(out, "$gen_cast");
    put::tuple(out, 3);
    put::atom(out, "sync");
    scope.put(out);
    let count = groups.clone().count();
    if count > 0 {
        put::list(out, count);
    }
    for (group, pids) in groups {
        put::tuple(out, 2);
        put::atom(out, group);
        put::list(out, pids.len());
        pids.iter().for_each(|pid| pid.put(out));
        put::nil(out);
    }
    put::nil(out);
}

/// `{join, Scope, Group, [Pid]}`: what the receiver knows of the sender's groups has grown by this. Not
/// to be sent before a [`sync`], nor without pids.
pub fn join(out: &mut Vec<u8>, scope: &Pid, group: &str, pids: &[Pid]) {
    put::tuple(out, 4);
    put::atom(out, "join");
    scope.put(out);
    put::atom(out, group);
    put::list(out, pids.len());
    pids.iter().for_each(|pid| pid.put(out));
    put::nil(out);
}
