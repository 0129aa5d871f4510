//! Process groups, as `pg` of OTP has them: a peer's scope process is told which processes of this
//! node are in which groups, and clients find them there.
//!
//! This node is hidden, so no peer speaks first; from the first `discover` on it is a member like
//! any other. Source: `pg.erl` of OTP 25.

mod members;
pub mod message;
pub(crate) mod scope;

use crate::connection::Connection;
use crate::node::Shared;
use esdb_etf::{Pid, Term};
use parking_lot::Mutex;
use scope::Scope;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;

/// What must be over before the scope at a node is told of the groups.
pub type SyncGate = dyn Fn(&Connection) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

#[derive(Default)]
pub(crate) struct Pg {
    scopes: Mutex<BTreeMap<String, Arc<Scope>>>,
    gate: Mutex<Option<Arc<SyncGate>>>,
    /// Changes with the members of a scope that is followed.
    changed: Arc<watch::Sender<u64>>,
}

/// A process of a peer that is in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The connection with its node.
    pub connection: Connection,
    /// Its raw pid.
    pub pid: Vec<u8>,
}

impl Pg {
    pub(crate) fn set_gate(&self, gate: Arc<SyncGate>) {
        *self.gate.lock() = Some(gate);
    }

    pub(crate) fn join(&self, shared: &Shared, scope: &str, group: &str, pids: &[Pid]) {
        if !pids.is_empty() {
            self.scope(shared, scope).join(group, pids);
        }
    }

    pub(crate) fn follow(&self, shared: &Shared, scope: &str) {
        self.scope(shared, scope).follow(self.changed.clone());
    }

    pub(crate) fn members(&self, scope: &str, group: Term<'_>) -> Vec<Member> {
        let scope = self.scopes.lock().get(scope).cloned();
        match (scope, members::key(group)) {
            (Some(scope), Some(group)) => scope.members(&group),
            _ => Vec::new(),
        }
    }

    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn leave(&self, scope: &str, members: &[(String, Pid)]) {
        let scope = self.scopes.lock().get(scope).cloned();
        if let Some(scope) = scope {
            scope.leave(members);
        }
    }

    pub(crate) fn forget(&self, pid: &Pid) {
        for scope in self.all() {
            scope.forget(pid);
        }
    }

    fn all(&self) -> Vec<Arc<Scope>> {
        self.scopes.lock().values().cloned().collect()
    }

    /// The scope of that name; made, registered and announced at its first use.
    fn scope(&self, shared: &Shared, name: &str) -> Arc<Scope> {
        let mut scopes = self.scopes.lock();
        if let Some(scope) = scopes.get(name) {
            return scope.clone();
        }
        let gate = self.gate.lock().clone();
        let scope = Arc::new(Scope::new(name, shared.processes.new_pid(), gate));
        shared.processes.insert(&scope.pid, scope.clone());
        shared.processes.register(name, &scope.pid);
        scopes.insert(name.to_owned(), scope.clone());
        drop(scopes);
        for connection in shared.peers.all() {
            scope.connected(&shared.runtime, &connection);
        }
        scope
    }

    pub(crate) fn connected(&self, shared: &Shared, connection: &Connection) {
        for scope in self.all() {
            scope.connected(&shared.runtime, connection);
        }
    }

    pub(crate) fn disconnected(&self, connection: &Connection) {
        for scope in self.all() {
            scope.disconnected(connection);
        }
    }
}
