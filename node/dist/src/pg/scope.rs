//! One scope: its groups, and the scope processes of the peers that are told of them.

use super::members::Members;
use super::{Member, SyncGate, message};
use crate::connection::Connection;
use crate::gen_server::{self, Request};
use crate::process::{Origin, Process};
use crate::raw::Raw;
use esdb_etf::{Kind, Pid, Reference, Term, put};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// After so long a peer that did not answer is asked again; the time doubles.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LAST_DELAY: Duration = Duration::from_secs(2);

/// The scope process of this node.
pub(crate) struct Scope {
    pub(crate) name: String,
    pub(crate) pid: Pid,
    gate: Option<Arc<SyncGate>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    groups: BTreeMap<String, Vec<Pid>>,
    peers: Vec<Peer>,
    /// What is told when the peers' members change, if anybody wants to know.
    follower: Option<Arc<watch::Sender<u64>>>,
}

impl State {
    fn tell(&self) {
        if let Some(follower) = &self.follower {
            follower.send_modify(|changes| *changes += 1);
        }
    }
}

/// What is known of the scope at one peer.
struct Peer {
    connection: Connection,
    /// Raw pid of its scope process, once it has spoken.
    scope: Option<Raw>,
    /// The monitor of its scope process.
    monitor: Option<Reference>,
    /// Its scope process may be told of the groups.
    released: bool,
    /// Its scope process is another, or has ended.
    changed: Arc<Notify>,
    keeper: JoinHandle<()>,
    /// Kept while the scope is followed.
    members: Members,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Peer {
    /// Sends the peer's scope process a message, if it can and may be told.
    fn tell(&self, message: impl FnOnce(&mut Vec<u8>)) {
        if let Some(to) = self.scope.as_ref().filter(|_| self.released) {
            self.connection.send(to, true, message);
        }
    }

    /// Tells the peer of all groups.
    fn sync(&self, scope: &Pid, groups: &BTreeMap<String, Vec<Pid>>) {
        let groups = groups
            .iter()
            .map(|(name, pids)| (name.as_str(), pids.as_slice()));
        self.tell(|out| message::sync(out, scope, groups));
    }
}

impl Scope {
    pub(crate) fn new(name: &str, pid: Pid, gate: Option<Arc<SyncGate>>) -> Self {
        Scope {
            name: name.to_owned(),
            pid,
            gate,
            state: Mutex::default(),
        }
    }

    /// Puts processes into `group`, and tells all peers of just that: a store that is created costs the
    /// same however many there are.
    pub(crate) fn join(&self, group: &str, pids: &[Pid]) {
        let mut state = self.state.lock();
        let members = state.groups.entry(group.to_owned()).or_default();
        members.extend_from_slice(pids);
        for peer in &state.peers {
            peer.tell(|out| message::join(out, &self.pid, group, pids));
        }
    }

    /// Takes each process out of the group beside it, and tells all peers what is left.
    pub(crate) fn leave(&self, members: &[(String, Pid)]) {
        let mut state = self.state.lock();
        let state = &mut *state;
        let mut changed = false;
        for (group, pid) in members {
            if let Some(members) = state.groups.get_mut(group)
                && let Some(at) = members.iter().position(|member| member == pid)
            {
                members.remove(at);
                changed = true;
            }
        }
        state.groups.retain(|_, members| !members.is_empty());
        for peer in state.peers.iter().filter(|_| changed) {
            peer.sync(&self.pid, &state.groups);
        }
    }

    /// Takes a pid that has ended out of all groups.
    pub(crate) fn forget(&self, pid: &Pid) {
        let mut state = self.state.lock();
        let state = &mut *state;
        let mut changed = false;
        state.groups.retain(|_, members| {
            let before = members.len();
            members.retain(|member| member != pid);
            changed |= members.len() != before;
            !members.is_empty()
        });
        for peer in state.peers.iter().filter(|_| changed) {
            peer.sync(&self.pid, &state.groups);
        }
    }

    /// Begins to speak with the scope at a peer.
    pub(crate) fn connected(self: &Arc<Self>, runtime: &Handle, connection: &Connection) {
        let mut state = self.state.lock();
        if state
            .peers
            .iter()
            .any(|peer| peer.connection == *connection)
        {
            return;
        }
        let changed = Arc::new(Notify::new());
        let keeper = runtime.spawn(keep(self.clone(), connection.clone(), changed.clone()));
        state.peers.push(Peer {
            connection: connection.clone(),
            scope: None,
            monitor: None,
            released: false,
            changed,
            keeper,
            members: Members::default(),
        });
    }

    /// The scope process of the peer, and whether it may be told of the groups.
    fn at(&self, connection: &Connection) -> (Option<Raw>, bool) {
        let mut found = (None, false);
        self.with(connection, |peer, _| {
            found = (peer.scope.clone(), peer.released);
        });
        found
    }

    /// The peer's scope process may be told of the groups from now on, if it is still the same.
    fn release(&self, connection: &Connection, scope: &Raw) {
        self.with(connection, |peer, groups| {
            if peer.scope.as_ref() == Some(scope) {
                peer.released = true;
                peer.sync(&self.pid, groups);
            }
        });
    }

    pub(crate) fn disconnected(&self, connection: &Connection) {
        let mut state = self.state.lock();
        state.peers.retain(|peer| peer.connection != *connection);
        state.tell();
    }

    /// From now on the members at the peers are kept, and `follower` is told of changes.
    pub(crate) fn follow(&self, follower: Arc<watch::Sender<u64>>) {
        self.state.lock().follower = Some(follower);
    }

    /// The peers' processes in a group.
    pub(super) fn members(&self, group: &[u8]) -> Vec<Member> {
        let state = self.state.lock();
        let mut members = Vec::new();
        for peer in &state.peers {
            members.extend(peer.members.of(group).iter().map(|pid| Member {
                connection: peer.connection.clone(),
                pid: pid.to_vec(),
            }));
        }
        members
    }

    /// Changes what is known of a peer's members, if anybody wants to know.
    fn update(&self, connection: &Connection, change: impl FnOnce(&mut Members)) {
        let mut state = self.state.lock();
        if state.follower.is_none() {
            return;
        }
        let peers = &mut state.peers;
        if let Some(peer) = peers.iter_mut().find(|p| p.connection == *connection) {
            change(&mut peer.members);
        }
        state.tell();
    }

    fn with(
        &self,
        connection: &Connection,
        act: impl FnOnce(&mut Peer, &BTreeMap<String, Vec<Pid>>),
    ) {
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Some(peer) = state.peers.iter_mut().find(|p| p.connection == *connection) {
            act(peer, &state.groups);
        }
    }

    /// Asks the peer's scope for its groups.
    fn discover(&self, connection: &Connection) {
        self.with(connection, |peer, _| {
            connection.send_to_name(&self.pid, &self.name, true, |out| {
                message::discover(out, &self.pid);
            });
            if peer.monitor.is_none() {
                let mut name = Vec::new();
                put::atom(&mut name, &self.name);
                peer.monitor = Some(connection.monitor(&self.pid, &name));
            }
        });
    }
}

/// Asks until the peer's scope has answered, tells it of the groups when it may, and begins again when
/// it has ended. A name that nobody has yet swallows the question, so it is repeated.
async fn keep(scope: Arc<Scope>, connection: Connection, changed: Arc<Notify>) {
    let mut delay = FIRST_DELAY;
    loop {
        match scope.at(&connection) {
            (None, _) => {
                scope.discover(&connection);
                let _no_answer_yet = tokio::time::timeout(delay, changed.notified()).await;
                delay = (delay * 2).min(LAST_DELAY);
            }
            (Some(process), false) => {
                if let Some(gate) = &scope.gate {
                    gate(&connection).await;
                }
                scope.release(&connection, &process);
            }
            (Some(_), true) => {
                changed.notified().await;
                delay = FIRST_DELAY;
            }
        }
    }
}

impl Process for Scope {
    fn message(&self, origin: &Origin<'_>, message: Term<'_>) {
        let known = |scope: Term<'_>, answer: bool| {
            if scope.kind() == Kind::Pid {
                self.with(origin.connection, |peer, groups| {
                    if peer.scope.as_deref() != Some(scope.as_bytes()) {
                        peer.scope = Some(scope.as_bytes().into());
                        peer.released = false;
                        peer.changed.notify_one();
                    } else if answer {
                        peer.sync(&self.pid, groups);
                    }
                });
            }
        };
        if let Request::Cast { request } = gen_server::parse(message) {
            if let Some([label, scope, groups]) = request.as_array()
                && label.is_atom("sync")
            {
                known(scope, false);
                self.update(origin.connection, |members| members.sync(groups));
            }
            return;
        }
        // With two elements, and with a protocol version as third.
        let mut elements = message.as_tuple().into_iter().flatten();
        if let (Some(label), Some(scope)) = (elements.next(), elements.next())
            && label.is_atom("discover")
        {
            known(scope, true);
        }
        match message.as_array() {
            Some([label, _scope, group, pids]) if label.is_atom("join") => {
                self.update(origin.connection, |members| members.join(group, pids));
            }
            Some([label, _scope, pids, groups]) if label.is_atom("leave") => {
                self.update(origin.connection, |members| members.leave(pids, groups));
            }
            _ => {}
        }
    }

    fn down(&self, origin: &Origin<'_>, reference: Term<'_>, reason: Term<'_>) {
        let reference = reference.as_reference();
        self.with(origin.connection, |peer, _| {
            if peer.monitor.is_some() && peer.monitor == reference {
                peer.monitor = None;
                peer.scope = None;
                peer.released = false;
                peer.members = Members::default();
                // One that never was is asked for again in time.
                if !reason.is_atom("noproc") {
                    peer.changed.notify_one();
                }
            }
        });
    }
}
