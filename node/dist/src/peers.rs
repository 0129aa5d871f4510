//! Which peers are connected, and who wins when two connections to one peer are made.

use crate::connection::Connection;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// What is to be answered to a node that dials us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nothing stands against it.
    Free,
    /// We were dialling it, too, and give way: the dialling has been ended.
    Yield,
    /// We are dialling it, too, and our connection is the one that counts.
    Insist,
    /// We hold a connection to it.
    Connected,
    /// We hold as many connections as are allowed.
    Full(usize),
}

/// What became of a connection that was to be added.
pub(crate) enum Added {
    /// It has its place.
    Yes,
    /// There is one to that peer.
    Taken(Connection),
    /// There are as many as are allowed.
    Full(usize),
}

#[derive(Default)]
struct State {
    connected: HashMap<Arc<str>, Connection>,
    /// Nodes to which a handshake of ours is under way, and how to end it.
    dialling: HashMap<String, (u64, oneshot::Sender<()>)>,
    dials: u64,
}

pub(crate) struct Peers {
    own: Arc<str>,
    /// Most connections.
    limit: usize,
    state: Mutex<State>,
    /// Changes with every connection that is made or lost.
    pub(crate) changed: watch::Sender<u64>,
}

/// A handshake of ours that is under way.
pub(crate) struct Dialling<'a> {
    peers: &'a Peers,
    name: String,
    number: u64,
    /// Resolves when the peer's own dialling has won.
    pub(crate) lost: oneshot::Receiver<()>,
}

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        let mut state = self.peers.state.lock();
        if state
            .dialling
            .get(&self.name)
            .is_some_and(|(number, _)| *number == self.number)
        {
            state.dialling.remove(&self.name);
        }
    }
}

impl Peers {
    pub(crate) fn new(own: Arc<str>, limit: usize) -> Self {
        Peers {
            own,
            limit,
            state: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }

    /// Decides about a node that dials us: of two that dial each other, the one with the greater
    /// name wins.
    pub(crate) fn claim(&self, name: &str) -> Claim {
        let mut state = self.state.lock();
        if state.dialling.contains_key(name) {
            if *self.own > *name {
                return Claim::Insist;
            }
            if let Some((_, end)) = state.dialling.remove(name) {
                let _ended_by_itself = end.send(());
            }
            return Claim::Yield;
        }
        match state.connected.contains_key(name) {
            true => Claim::Connected,
            false if state.connected.len() >= self.limit => Claim::Full(self.limit),
            false => Claim::Free,
        }
    }

    /// Notes that a handshake of ours begins, unless there is a connection already.
    pub(crate) fn dial(&self, name: &str) -> Option<Dialling<'_>> {
        let mut state = self.state.lock();
        if state.connected.contains_key(name) || state.dialling.contains_key(name) {
            return None;
        }
        state.dials += 1;
        let number = state.dials;
        let (end, lost) = oneshot::channel();
        state.dialling.insert(name.to_owned(), (number, end));
        Some(Dialling {
            peers: self,
            name: name.to_owned(),
            number,
            lost,
        })
    }

    /// The most connections that are allowed, if there are as many.
    pub(crate) fn full(&self) -> Option<usize> {
        let connected = self.state.lock().connected.len();
        (connected >= self.limit).then_some(self.limit)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Connection> {
        self.state.lock().connected.get(name).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Connection> {
        self.state.lock().connected.values().cloned().collect()
    }

    /// Adds a connection, if there is none to that peer.
    pub(crate) fn insert(&self, connection: &Connection) -> Added {
        let mut state = self.state.lock();
        if let Some(old) = state.connected.get(connection.peer()) {
            return Added::Taken(old.clone());
        }
        if state.connected.len() >= self.limit {
            return Added::Full(self.limit);
        }
        state
            .connected
            .insert(connection.0.peer.clone(), connection.clone());
        drop(state);
        self.changed.send_modify(|n| *n += 1);
        Added::Yes
    }

    pub(crate) fn remove(&self, connection: &Connection) {
        let mut state = self.state.lock();
        if state
            .connected
            .get(connection.peer())
            .is_some_and(|held| held.is_same(connection))
        {
            state.connected.remove(connection.peer());
        }
        drop(state);
        self.changed.send_modify(|n| *n += 1);
    }
}
