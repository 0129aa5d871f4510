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
    /// It has the place of this one, which is to be closed before the new one is served.
    Instead(Connection),
    /// There is one to that peer whose handshake began later: the peer has given this one up.
    Outdated,
    /// There are as many as are allowed.
    Full(usize),
}

#[derive(Default)]
struct State {
    connected: HashMap<Arc<str>, Connection>,
    /// Nodes to which a handshake of ours is under way, and how to end it.
    dialling: HashMap<String, (u64, oneshot::Sender<()>)>,
    /// How many handshakes have begun, on either side.
    handshakes: u64,
    /// Nodes that have dialled and proved themselves, and whose connection is about to be added.
    arriving: Vec<String>,
}

pub(crate) struct Peers {
    own: Arc<str>,
    /// Most connections.
    limit: usize,
    state: Mutex<State>,
    /// Changes with every connection that is made or lost.
    pub(crate) changed: watch::Sender<u64>,
}

impl State {
    /// The number of a handshake that begins.
    fn begin(&mut self) -> u64 {
        self.handshakes += 1;
        self.handshakes
    }

    fn holds(&self, name: &str) -> bool {
        self.connected.contains_key(name) || self.arriving.iter().any(|known| known == name)
    }
}

/// A handshake of ours that is under way.
pub(crate) struct Dialling<'a> {
    peers: &'a Peers,
    name: String,
    pub(crate) number: u64,
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

/// A node that has dialled and proved itself, until its connection is added.
pub(crate) struct Arriving<'a> {
    peers: &'a Peers,
    name: String,
    /// The number of its handshake.
    pub(crate) handshake: u64,
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        let arriving = &mut self.peers.state.lock().arriving;
        if let Some(at) = arriving.iter().position(|name| *name == self.name) {
            arriving.swap_remove(at);
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
    /// name wins. Also tells the number of the handshake.
    pub(crate) fn claim(&self, name: &str) -> (Claim, u64) {
        let mut state = self.state.lock();
        let number = state.begin();
        (self.decide(&mut state, name), number)
    }

    fn decide(&self, state: &mut State, name: &str) -> Claim {
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
        if state.holds(name) || state.dialling.contains_key(name) {
            return None;
        }
        let number = state.begin();
        let (end, lost) = oneshot::channel();
        state.dialling.insert(name.to_owned(), (number, end));
        Some(Dialling {
            peers: self,
            name: name.to_owned(),
            number,
            lost,
        })
    }

    /// Notes that a node has proved itself. To be called before it is told so, since from then on it
    /// counts the connection as made; the result is to be kept until the connection is added.
    pub(crate) fn arrives(&self, name: &str, handshake: u64) -> Arriving<'_> {
        self.state.lock().arriving.push(name.to_owned());
        Arriving {
            peers: self,
            name: name.to_owned(),
            handshake,
        }
    }

    /// Whether there is a connection to a node, or one is about to be added.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.state.lock().holds(name)
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

    /// Adds a connection. It takes the place of an older one at once, so that nobody who looks in
    /// between finds the peer missing and dials it.
    pub(crate) fn insert(&self, connection: &Connection) -> Added {
        let mut state = self.state.lock();
        let place = (connection.0.peer.clone(), connection.clone());
        let added = match state.connected.get(connection.peer()) {
            Some(old) if old.0.handshake > connection.0.handshake => return Added::Outdated,
            None if state.connected.len() >= self.limit => return Added::Full(self.limit),
            _ => match state.connected.insert(place.0, place.1) {
                Some(old) => Added::Instead(old),
                None => Added::Yes,
            },
        };
        drop(state);
        self.changed.send_modify(|n| *n += 1);
        added
    }

    pub(crate) fn remove(&self, connection: &Connection) {
        let mut state = self.state.lock();
        if state
            .connected
            .get(connection.peer())
            .is_some_and(|held| held == connection)
        {
            state.connected.remove(connection.peer());
        }
        drop(state);
        self.changed.send_modify(|n| *n += 1);
    }
}
