//! The node: what the rest of the program sees of the cluster.

use crate::config::Config;
use crate::connection::receipts::Recipient;
use crate::connection::{Connection, ConnectionInfo, Local, control};
use crate::dial;
use crate::epmd::{EpmdError, keeper::Keeper};
use crate::handshake::random;
use crate::link_up::{self, DialError};
use crate::peers::Peers;
use crate::pg::{Member, Pg, SyncGate};
use crate::process::{Process, Processes, key};
use crate::services::calls::{CallError, Calls, Request};
use crate::services::exports::{Exports, Function};
use crate::services::{net_kernel::NetKernel, rex::Rex};
use crate::welcome;
use esdb_etf::{Pid, Term, put};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a peer has to take what is still to be sent when the node stops.
const FLUSH: Duration = Duration::from_secs(2);

/// A hidden node of a cluster; clones are the same node.
#[derive(Clone)]
pub struct Node(pub(crate) Arc<Shared>);

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name is not `alive@host`.
    #[error("{0:?} is no node name: it must be NAME@HOST, at most 255 bytes, without blanks")]
    Name(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The port mapper refuses the node.
    #[error("cannot register {name} at port {port} of this host: {error}")]
    Epmd {
        /// The node's name.
        name: String,
        /// The port mapper's port.
        port: u16,
        /// Why not.
        error: EpmdError,
    },
}

/// Why a node cannot be connected with.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ConnectError(#[from] DialError);

/// What the node's tasks share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) local: Arc<Local>,
    pub(crate) processes: Processes,
    pub(crate) peers: Peers,
    pub(crate) exports: Arc<Exports>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) caller: Pid,
    pub(crate) pg: Pg,
    pub(crate) runtime: Handle,
    pub(crate) stopping: AtomicBool,
    tasks: Mutex<JoinSet<()>>,
}

impl Node {
    /// Listens, registers at the port mapper (or serves one, if none answers) and begins to dial
    /// the nodes of [`Config::connect`]. Needs a tokio runtime, on which the node goes on.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Node, StartError> {
        let (alive, _) = split_name(&config.name)?;
        let alive = alive.to_owned();
        let address = SocketAddr::new(config.listen, config.listen_port);
        let failed = |error| StartError::Listen { address, error };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let keeper = match config.register {
            true => Some(register(&config, &alive, port).await?),
            false => None,
        };
        // 0 would match any start of the node.
        let creation = match keeper.as_ref().map_or(0, Keeper::creation) {
            0 => (random() as u32).max(4),
            creation => creation,
        };
        let shared = Arc::new(Shared::new(config, creation));
        let mut tasks = shared.tasks.lock();
        if let Some(keeper) = keeper {
            tasks.spawn(keeper.keep());
        }
        tasks.spawn(welcome::accept(shared.clone(), listener));
        for name in &shared.config.connect {
            tasks.spawn(dial::keep(shared.clone(), name.clone()));
        }
        drop(tasks);
        Ok(Node(shared))
    }

    /// Connects with the node `name`, unless there is a connection. It is not made again when lost;
    /// [`Config::connect`] is for that.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(&self, name: &str) -> Result<(), ConnectError> {
        match self.0.peers.get(name) {
            Some(_) => Ok(()),
            None => Ok(link_up::dial(&self.0, name).await?),
        }
    }

    /// Full name of the node.
    pub fn name(&self) -> &str {
        &self.0.local.name
    }

    /// Which start of the node this is, as the port mapper gave it: the same until the node stops.
    pub fn creation(&self) -> u32 {
        self.0.local.creation
    }

    /// Gives `process` a pid that no other has had.
    pub fn spawn(&self, process: Arc<dyn Process>) -> Pid {
        let pid = self.0.processes.new_pid();
        self.0.processes.insert(&pid, process);
        pid
    }

    /// Makes a process known under `name`, until it ends.
    pub fn register(&self, name: &str, pid: &Pid) {
        self.0.processes.register(name, pid);
    }

    /// Ends a process for `reason`, a raw term: those that monitor it or are linked with it are
    /// told, and it leaves all groups.
    pub fn exit(&self, pid: &Pid, reason: &[u8]) {
        self.0.exit(pid, reason);
    }

    /// Lets peers call `function` through `rpc` and `erpc`. It must not block.
    pub fn export(&self, module: &str, function: &str, arity: usize, f: Arc<Function>) {
        self.0.exports.add(module, function, arity, f);
    }

    /// Calls a function of a connected node; `args` is a raw list term. Waits without limit: wrap
    /// it in a timeout; dropping it takes the call back.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(
        &self,
        node: &str,
        module: &str,
        function: &str,
        args: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let connection = self
            .0
            .peers
            .get(node)
            .ok_or_else(|| CallError::NotConnected(node.to_owned()))?;
        let request = Request {
            module,
            function,
            arguments: args,
        };
        self.0
            .calls
            .call(&connection, &self.0.caller, &request)
            .await
    }

    /// Puts processes of this node into a group of a `pg` scope, once more for each time that they
    /// are named. The scope is served from its first join on.
    pub fn pg_join(&self, scope: &str, group: &str, pids: &[Pid]) {
        self.0.pg.join(&self.0, scope, group, pids);
    }

    /// Takes each process out of the group beside it, once for each time that it is named. Peers are
    /// told once, of all that is left.
    pub fn pg_leave(&self, scope: &str, members: &[(String, Pid)]) {
        self.0.pg.leave(scope, members);
    }

    /// Lets the members of a `pg` scope at the peers be known from now on.
    pub fn pg_follow(&self, scope: &str) {
        self.0.pg.follow(&self.0, scope);
    }

    /// The peers' processes in a group of a scope that is followed, each as often as it has joined.
    pub fn pg_members(&self, scope: &str, group: Term<'_>) -> Vec<Member> {
        self.0.pg.members(scope, group)
    }

    /// Changes with the members of the scopes that are followed.
    pub fn pg_changed(&self) -> watch::Receiver<u64> {
        self.0.pg.changed()
    }

    /// Lets `gate` decide when the scope at a node, each time that it is found, is first told of the
    /// groups. For scopes that are first joined after this.
    pub fn hold_first_sync(&self, gate: Arc<SyncGate>) {
        self.0.pg.set_gate(gate);
    }

    /// The connection with a node, if there is one.
    pub fn connection(&self, node: &str) -> Option<Connection> {
        self.0.peers.get(node)
    }

    /// Changes with every connection that is made or lost.
    pub fn connections_changed(&self) -> watch::Receiver<u64> {
        self.0.peers.changed.subscribe()
    }

    /// All connections, as they stand.
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.0
            .peers
            .all()
            .iter()
            .map(ConnectionInfo::from)
            .collect()
    }

    /// Leaves the cluster: ends all processes with reason `shutdown`, writes what is still to be
    /// sent, closes the connections and the registration. Afterwards the node is of no use.
    pub async fn shutdown(&self) {
        let shared = &self.0;
        shared.stopping.store(true, Ordering::Relaxed);
        let mut tasks = std::mem::take(&mut *shared.tasks.lock());
        let mut reason = Vec::new();
        put::atom(&mut reason, "shutdown");
        for key in shared.processes.keys() {
            shared.exit(&shared.processes.pid(key), &reason);
        }
        let connections = shared.peers.all();
        let flush = async {
            for connection in &connections {
                connection.0.outbox.drained().await;
            }
        };
        if tokio::time::timeout(FLUSH, flush).await.is_err() {
            tracing::warn!("not every peer took what was still to be sent");
        }
        for connection in &connections {
            connection.close("this node stops");
        }
        for connection in connections {
            connection.gone().await;
        }
        tasks.shutdown().await;
    }
}

async fn register(config: &Config, alive: &str, port: u16) -> Result<Keeper, StartError> {
    let registered = Keeper::start(config.epmd_port, alive, port).await;
    registered.map_err(|error| StartError::Epmd {
        name: config.name.clone(),
        port: config.epmd_port,
        error,
    })
}

/// The parts of a node's name before and after the `@`.
pub(crate) fn split_name(name: &str) -> Result<(&str, &str), StartError> {
    match name.split_once('@') {
        Some((alive, host))
            if !alive.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && name.len() <= 255
                && !name.chars().any(|c| c.is_control() || c.is_whitespace()) =>
        {
            Ok((alive, host))
        }
        _ => Err(StartError::Name(name.to_owned())),
    }
}

impl Shared {
    pub(crate) fn new(config: Config, creation: u32) -> Shared {
        let name: Arc<str> = Arc::from(config.name.as_str());
        let processes = Processes::new(name.clone(), creation);
        let exports = Arc::new(Exports::default());
        let node = name.clone();
        exports.add(
            "erlang",
            "node",
            0,
            Arc::new(move |_, out| put::atom(out, &node)),
        );
        let calls = Arc::new(Calls::default());
        let start = |process: Arc<dyn Process>, registered: Option<&str>| {
            let pid = processes.new_pid();
            processes.insert(&pid, process);
            if let Some(registered) = registered {
                processes.register(registered, &pid);
            }
            pid
        };
        let mut system = Vec::new();
        start(Arc::new(NetKernel), Some("net_kernel")).put(&mut system);
        start(Arc::new(Rex(exports.clone())), Some("rex"));
        let mut receipts = Vec::new();
        start(Arc::new(Recipient), None).put(&mut receipts);
        let caller = start(calls.clone(), None);
        let local = Arc::new(Local {
            name: name.clone(),
            creation,
            system: system.as_slice().into(),
            receipts: receipts.as_slice().into(),
            references: AtomicU64::new(1),
        });
        Shared {
            local,
            processes,
            peers: Peers::new(name, config.limits.connections),
            config,
            exports,
            calls,
            caller,
            pg: Pg::default(),
            runtime: Handle::current(),
            stopping: AtomicBool::new(false),
            tasks: Mutex::default(),
        }
    }

    fn exit(&self, pid: &Pid, reason: &[u8]) {
        if !self.processes.remove(key(pid)) {
            return;
        }
        self.pg.forget(pid);
        let mut ended = Vec::new();
        pid.put(&mut ended);
        for connection in self.peers.all() {
            let (monitors, links) = connection.0.watchers.take(key(pid));
            for (reference, monitor) in monitors {
                connection.frame(true, |out| {
                    control::monitor_exit(
                        out,
                        &monitor.target,
                        &monitor.watcher,
                        &reference,
                        reason,
                    );
                });
            }
            for linked in links {
                connection.frame(true, |out| control::exit(out, &ended, &linked, reason));
            }
        }
    }
}
