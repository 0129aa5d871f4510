//! Processes of this node: who they are, what reaches them, and where they are found.

use crate::connection::Connection;
use crate::gen_server;
use esdb_etf::{Pid, Term};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that has a pid and receives messages.
///
/// All functions run on the read task of a connection, in the order of arrival on that connection:
/// they must not block.
pub trait Process: Send + Sync + 'static {
    /// A message arrived.
    fn message(&self, origin: &Origin<'_>, message: Term<'_>);

    /// A call of `bytes` bytes came, of which at most `limit` are accepted. Returns whether the caller
    /// was answered; if not, the connection is closed.
    fn too_large(
        &self,
        _origin: &Origin<'_>,
        _from: gen_server::From<'_>,
        _bytes: usize,
        _limit: usize,
    ) -> bool {
        false
    }

    /// A process of the peer took back its monitor `reference` of this process, or its connection
    /// was lost: a gen_server call was given up, or has been answered.
    fn demonitored(&self, _origin: &Origin<'_>, _reference: Term<'_>) {}

    /// What this process watched through [`Connection::monitor`] under `reference` has ended, or
    /// never was (`noproc`). Not called when the connection is lost.
    fn down(&self, _origin: &Origin<'_>, _reference: Term<'_>, _reason: Term<'_>) {}
}

/// Where a message came from.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The connection on which it arrived.
    pub connection: &'a Connection,
    /// Raw term of the sending process's pid, if the peer told it.
    pub sender: Option<&'a [u8]>,
}

/// The part of a pid that tells processes of one node apart: number and serial.
pub(crate) type Key = (u32, u32);

pub(crate) fn key(pid: &Pid) -> Key {
    (pid.id, pid.serial)
}

/// Bits of a process number before the serial changes, as on a BEAM node of before OTP 24.
const NUMBER_BITS: u32 = 15;

/// All processes of the node, by pid and by name.
pub(crate) struct Processes {
    node: Arc<str>,
    creation: u32,
    /// What the terms of all pids of this node begin with.
    prefix: Vec<u8>,
    next: AtomicU64,
    alive: RwLock<HashMap<Key, Arc<dyn Process>>>,
    names: RwLock<HashMap<String, Key>>,
}

impl Processes {
    pub(crate) fn new(node: Arc<str>, creation: u32) -> Self {
        let mut prefix = vec![esdb_etf::tag::NEW_PID];
        esdb_etf::put::atom(&mut prefix, &node);
        Processes {
            node,
            creation,
            prefix,
            next: AtomicU64::new(1),
            alive: RwLock::default(),
            names: RwLock::default(),
        }
    }

    /// A pid that no other process has had.
    pub(crate) fn new_pid(&self) -> Pid {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        Pid {
            node: self.node.clone(),
            id: (n & ((1 << NUMBER_BITS) - 1)) as u32,
            serial: (n >> NUMBER_BITS) as u32,
            creation: self.creation,
        }
    }

    pub(crate) fn insert(&self, pid: &Pid, process: Arc<dyn Process>) {
        self.alive.write().insert(key(pid), process);
    }

    pub(crate) fn register(&self, name: &str, pid: &Pid) {
        self.names.write().insert(name.to_owned(), key(pid));
    }

    /// Forgets the process and its names; false if there was none.
    pub(crate) fn remove(&self, key: Key) -> bool {
        let removed = self.alive.write().remove(&key).is_some();
        self.names.write().retain(|_, named| *named != key);
        removed
    }

    pub(crate) fn get(&self, key: Key) -> Option<Arc<dyn Process>> {
        self.alive.read().get(&key).cloned()
    }

    pub(crate) fn named(&self, name: &str) -> Option<Key> {
        self.names.read().get(name).copied()
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.alive.read().keys().copied().collect()
    }

    pub(crate) fn pid(&self, (id, serial): Key) -> Pid {
        Pid {
            node: self.node.clone(),
            id,
            serial,
            creation: self.creation,
        }
    }

    /// The process that `term`, a pid of this start of this node or a registered name, means.
    pub(crate) fn find(&self, term: Term<'_>) -> Option<Key> {
        if let Some(atom) = term.as_atom() {
            return self.named(&atom.text());
        }
        // The usual spelling, without building a pid.
        if let Some(rest) = term.as_bytes().strip_prefix(self.prefix.as_slice())
            && let Some((id, rest)) = rest.split_first_chunk()
            && let Some((serial, creation)) = rest.split_first_chunk()
        {
            return (creation == self.creation.to_be_bytes())
                .then(|| (u32::from_be_bytes(*id), u32::from_be_bytes(*serial)));
        }
        let pid = term.as_pid()?;
        (pid.node == self.node && pid.creation == self.creation).then(|| key(&pid))
    }
}
