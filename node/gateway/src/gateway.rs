//! The stores that are served, their workers and the groups that clients find them in.

use crate::clients::Clients;
use crate::data_dir::{DataDir, DataDirError, StoreDir};
use crate::delivery::registry::Subscriptions;
use crate::delivery::subscriber::Watcher;
use crate::generation::Generation;
use crate::info;
use crate::order::Order;
use crate::served::ServedStore;
use crate::worker::Worker;
use esdb_dist::Node;
use esdb_etf::Pid;
use esdb_log::{OpenError, Options, Replica};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The pg scopes in which the published clients look for workers: that of reckon_gater and that of
/// its ancestor erl_esdb_gater.
const SCOPES: [&str; 2] = ["reckon_gater_pg", "erl_esdb_gater_pg"];

/// Serves stores to the clients that the distribution node is connected with. Clones are the same.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    node: Node,
    clients: Arc<Clients>,
    watcher: Arc<Watcher>,
    data_dir: DataDir,
    options: Options,
    stores: RwLock<BTreeMap<String, Slot>>,
}

/// A name that is taken.
enum Slot {
    /// Its store is being created or removed.
    Busy,
    Serving(Arc<ServedStore>),
}

/// Why a store cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A store of that name is served already, or is being created or removed.
    #[error("a store named {0} is there already")]
    AlreadyExists(String),
    /// No store of that name is served.
    #[error("no store named {0} is served here")]
    NotFound(String),
    /// Its directory cannot be made or taken away.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// It cannot be opened.
    #[error("store in {}: {error}", path.display())]
    Open {
        /// Its directory.
        path: PathBuf,
        /// Why not.
        error: OpenError,
    },
}

impl Gateway {
    /// A gateway on `node` for the stores of `data_dir`, none of which it serves yet. Stores that are
    /// created get `options`. It answers `rs_esdb:info/0`.
    pub fn new(node: Node, data_dir: DataDir, options: Options) -> Self {
        let clients = Arc::new(Clients::new(node.clone()));
        let greeter = clients.clone();
        node.hold_first_sync(Arc::new(move |connection| {
            Box::pin(greeter.clone().greet(connection.clone()))
        }));
        let stores = RwLock::default();
        let gateway = Gateway(Arc::new(Inner {
            watcher: Arc::new(Watcher::new(node.clone())),
            node,
            clients,
            data_dir,
            options,
            stores,
        }));
        let answering = gateway.clone();
        let node = &gateway.0.node;
        node.export(
            "rs_esdb",
            "info",
            0,
            Arc::new(move |_, out| info::put(out, &answering)),
        );
        gateway
    }

    /// The node's full name.
    pub(crate) fn node_name(&self) -> &str {
        self.0.node.name()
    }

    /// The store of that name.
    pub(crate) fn store(&self, name: &str) -> Option<Arc<ServedStore>> {
        match self.0.stores.read().get(name)? {
            Slot::Serving(store) => Some(store.clone()),
            Slot::Busy => None,
        }
    }

    /// All stores, by name.
    pub(crate) fn stores(&self) -> Vec<Arc<ServedStore>> {
        let serving = |slot: &Slot| match slot {
            Slot::Serving(store) => Some(store.clone()),
            Slot::Busy => None,
        };
        self.0.stores.read().values().filter_map(serving).collect()
    }

    /// Serves `replica`, whose files are in `directory`, under `name` from now on.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`].
    pub fn serve(
        &self,
        name: &str,
        directory: StoreDir,
        replica: Replica,
    ) -> Result<(), StoreError> {
        self.take_name(name)?;
        self.start(name, directory, replica);
        Ok(())
    }

    /// Creates a store and serves it. Blocks until it is durable and serves.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn create(&self, name: &str, options: &[u8]) -> Result<(), StoreError> {
        self.take_name(name)?;
        let opened = self
            .0
            .data_dir
            .create(name, options)
            .map_err(StoreError::from);
        let opened = opened.and_then(|directory| {
            let replica = Replica::open(&directory.path, self.0.options.clone());
            let path = directory.path.clone();
            Ok((
                directory,
                replica.map_err(|error| StoreError::Open { path, error })?,
            ))
        });
        match opened {
            Ok((directory, replica)) => {
                self.start(name, directory, replica);
                Ok(())
            }
            Err(error) => {
                self.0.stores.write().remove(name);
                Err(error)
            }
        }
    }

    /// Takes a store and its files away, for good. Blocks until that is durable. What is left to do
    /// is in the [`Removal`], to be finished when the reply is on its way.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn remove(&self, name: &str) -> Result<Removal, StoreError> {
        let store = match self.0.stores.write().get_mut(name) {
            Some(slot) if matches!(slot, Slot::Serving(_)) => std::mem::replace(slot, Slot::Busy),
            _ => return Err(StoreError::NotFound(name.to_owned())),
        };
        let Slot::Serving(store) = store else {
            return Err(StoreError::NotFound(name.to_owned()));
        };
        self.leave(&store);
        store.subscriptions.end();
        store.replica.abandon("the store was removed");
        let removed = self.0.data_dir.remove(&store.directory.path);
        self.0.stores.write().remove(name);
        Ok(Removal {
            gateway: self.clone(),
            store,
            files: removed?,
        })
    }

    fn take_name(&self, name: &str) -> Result<(), StoreError> {
        let mut stores = self.0.stores.write();
        if stores.contains_key(name) {
            return Err(StoreError::AlreadyExists(name.to_owned()));
        }
        stores.insert(name.to_owned(), Slot::Busy);
        Ok(())
    }

    fn start(&self, name: &str, directory: StoreDir, replica: Replica) {
        let workers = Generation::ALL.map(|generation| {
            let worker = Worker::new(generation, self.clone(), self.0.clients.clone());
            self.0.node.spawn(Arc::new(worker))
        });
        let subscriptions = Subscriptions::start(name, &replica, &self.0.watcher, &self.0.clients);
        let store = Arc::new(ServedStore {
            name: name.to_owned(),
            directory,
            registered_at: now_ms(),
            replica,
            workers: workers.to_vec(),
            subscriptions: Arc::new(subscriptions),
            order: Order::default(),
        });
        self.0
            .stores
            .write()
            .insert(name.to_owned(), Slot::Serving(store.clone()));
        for (group, worker) in groups(&store) {
            SCOPES.iter().for_each(|scope| {
                self.0
                    .node
                    .pg_join(scope, &group, std::slice::from_ref(worker))
            });
        }
    }

    /// Takes a store's workers out of their groups, so that callers look elsewhere.
    fn leave(&self, store: &ServedStore) {
        for (group, worker) in groups(store) {
            SCOPES.iter().for_each(|scope| {
                self.0
                    .node
                    .pg_leave(scope, &group, std::slice::from_ref(worker))
            });
        }
    }

    /// Ends a store's workers.
    fn end(&self, store: &ServedStore) {
        let mut reason = Vec::new();
        esdb_etf::put::atom(&mut reason, "shutdown");
        store
            .workers
            .iter()
            .for_each(|worker| self.0.node.exit(worker, &reason));
    }

    /// Takes all workers out of their groups, finishes what the stores have accepted, and ends the
    /// workers. Blocks meanwhile.
    pub fn shutdown(&self) {
        let stores = self.stores();
        stores.iter().for_each(|store| self.leave(store));
        stores.iter().for_each(|store| store.subscriptions.end());
        stores.iter().for_each(|store| store.replica.shutdown());
        stores.iter().for_each(|store| self.end(store));
    }
}

/// A store that was taken away. Its workers are still there, because whoever asked for the removal
/// monitors one of them and would see it end before the reply.
pub(crate) struct Removal {
    gateway: Gateway,
    store: Arc<ServedStore>,
    files: PathBuf,
}

impl Removal {
    /// Ends the workers and deletes the files.
    pub(crate) fn finish(self) {
        self.gateway.end(&self.store);
        if let Err(error) = std::fs::remove_dir_all(&self.files) {
            // The next start deletes them.
            tracing::warn!(path = %self.files.display(), %error, "a removed store's files remain");
        }
    }
}

/// The groups of a store, each with the worker that is in it.
fn groups(store: &ServedStore) -> impl Iterator<Item = (String, &Pid)> {
    let groups = Generation::ALL
        .into_iter()
        .map(|generation| generation.group(&store.name));
    groups.zip(&store.workers)
}

/// Milliseconds since the epoch.
fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
