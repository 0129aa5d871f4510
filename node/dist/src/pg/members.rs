//! The processes of a peer that are in groups of a scope, as its scope process tells.
//!
//! Source: `pg.erl` of OTP 25: `{sync, Scope, [{Group, [Pid]}]}` as a cast replaces all;
//! `{join, Scope, Group, Pid | [Pid]}` and `{leave, Scope, Pid | [Pid], [Group]}` change some. A
//! process is in a group as often as it has joined.

use crate::raw::Raw;
use esdb_etf::{Kind, Term};
use std::collections::HashMap;

/// Canonical bytes of a group longer than this are not kept.
const MAX_GROUP: usize = 64 << 10;

/// Who is in which group, by the group's canonical bytes.
#[derive(Default)]
pub(super) struct Members(HashMap<Vec<u8>, Vec<Raw>>);

/// The bytes that stand for a group, whatever way its term is spelt.
pub(super) fn key(group: Term<'_>) -> Option<Vec<u8>> {
    Some(group.canonical(MAX_GROUP)?.into_owned())
}

impl Members {
    /// The members of a group.
    pub(super) fn of(&self, group: &[u8]) -> &[Raw] {
        self.0.get(group).map(Vec::as_slice).unwrap_or_default()
    }

    /// Replaces all by what a sync tells.
    pub(super) fn sync(&mut self, groups: Term<'_>) {
        self.0.clear();
        for entry in groups.as_proper_list().into_iter().flatten() {
            if let Some([group, pids]) = entry.as_array() {
                self.join(group, pids);
            }
        }
    }

    /// One process, or several, have joined a group.
    pub(super) fn join(&mut self, group: Term<'_>, pids: Term<'_>) {
        if let Some(group) = key(group) {
            self.0.entry(group).or_default().extend(each(pids));
        }
    }

    /// One process, or several, have left groups, each once.
    pub(super) fn leave(&mut self, pids: Term<'_>, groups: Term<'_>) {
        for group in groups.as_proper_list().into_iter().flatten() {
            let Some(group) = key(group) else { continue };
            let Some(members) = self.0.get_mut(&group) else {
                continue;
            };
            for pid in each(pids) {
                if let Some(at) = members.iter().position(|member| *member == pid) {
                    members.remove(at);
                }
            }
            if members.is_empty() {
                self.0.remove(&group);
            }
        }
    }
}

fn each(pids: Term<'_>) -> Vec<Raw> {
    let is_pid = |term: &Term<'_>| term.kind() == Kind::Pid;
    match pids.as_proper_list() {
        Some(list) => list
            .filter(is_pid)
            .map(|pid| pid.as_bytes().into())
            .collect(),
        None if is_pid(&pids) => vec![pids.as_bytes().into()],
        None => Vec::new(),
    }
}
