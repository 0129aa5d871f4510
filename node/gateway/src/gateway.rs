//! The stores that are served, their workers and the groups that clients find them in.
//!
//! # Layout
//! - this file: what is served, and how it begins and ends; `groups`: where clients find it; `creation`:
//!   stores that come and go

pub(crate) mod creation;
mod groups;

use crate::caches;
use crate::clients::Clients;
use crate::data_dir::{DataDir, DataDirError, StoreDir};
use crate::delivery::registry::Subscriptions;
use crate::delivery::subscriber::Watcher;
use crate::generation::Generation;
use crate::info;
use crate::lifecycle::Turns;
use crate::order::Order;
use crate::persistent::registry::Persistent;
use crate::replays::Replays;
use crate::rivals;
use crate::served::ServedStore;
use crate::store_options::StoreOptions;
use crate::worker::Worker;
use esdb_dist::{ConnectionInfo, Node};
use esdb_etf::Term;
use esdb_log::{OpenError, Options, Replica};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// Serves stores to the clients that the distribution node is connected with. Clones are the same.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    node: Node,
    clients: Arc<Clients>,
    watcher: Arc<Watcher>,
    data_dir: DataDir,
    settings: Settings,
    stores: RwLock<BTreeMap<String, Slot>>,
    changes: Turns,
    /// A node has been told of stores for the first time, or a store has come.
    offers_changed: Notify,
}

/// What a gateway goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of stores that are created.
    pub store: Options,
    /// Most bytes of an event's data and metadata together, in External Term Format.
    pub max_event_bytes: usize,
    /// How long another server's store of the same name must have been away before ours, which gave
    /// way to it, is offered to clients.
    pub absence: Duration,
    /// Most stores.
    pub max_stores: usize,
    /// Bytes for the caches of all stores together.
    pub cache_bytes: usize,
    /// After how long a subscription is removed that has nobody to deliver to; never if it is none.
    pub forget_subscriptions: Option<Duration>,
}

/// A name that is taken.
enum Slot {
    /// Its store is being created or removed.
    Busy,
    Serving(Arc<ServedStore>),
    /// It did not open.
    Refused(RefusedStore),
}

/// A store that is there and did not open.
#[derive(Debug, Clone)]
pub struct RefusedStore {
    /// Its name, or that of its directory if it could not be told.
    pub name: String,
    /// Where its files are.
    pub path: PathBuf,
    /// Why it did not open.
    pub reason: String,
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
    /// There are as many stores as the limit on open files allows.
    #[error(
        "there are {0} stores here, and the limit on open files has no room for more; raise it \
         (ulimit -n) and start the server again"
    )]
    TooMany(usize),
    /// It cannot be opened.
    #[error("store in {}: {error}", path.display())]
    Open {
        /// Its directory.
        path: PathBuf,
        /// Why not.
        error: OpenError,
    },
}

/// Stores that are closed at once.
const CLOSED_AT_ONCE: usize = 8;

impl Gateway {
    /// A gateway on `node` for the stores of `data_dir`, none of which it serves yet. It answers
    /// `rs_esdb:info/0`. Needs a tokio runtime.
    pub fn new(node: Node, data_dir: DataDir, settings: Settings) -> Self {
        let clients = Arc::new(Clients::new(node.clone()));
        let gateway = Gateway(Arc::new(Inner {
            watcher: Arc::new(Watcher::new(node.clone())),
            node,
            clients,
            data_dir,
            settings,
            stores: RwLock::default(),
            changes: Turns::new(),
            offers_changed: Notify::new(),
        }));
        let (answering, greeting) = (gateway.clone(), gateway.clone());
        let node = &gateway.0.node;
        node.hold_first_sync(Arc::new(move |connection| {
            Box::pin(greeting.clone().greet(connection.clone()))
        }));
        node.export(
            "rs_esdb",
            "info",
            0,
            Arc::new(move |_, out| info::put(out, &answering)),
        );
        tokio::spawn(rivals::watch(gateway.clone()));
        gateway
    }

    /// What it goes by.
    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Whose turn it is to create or remove a store.
    pub(crate) fn changes(&self) -> &Turns {
        &self.0.changes
    }

    /// The node that it is on.
    pub(crate) fn node(&self) -> &Node {
        &self.0.node
    }

    /// The connections with other nodes, as they stand.
    pub(crate) fn connections(&self) -> Vec<ConnectionInfo> {
        self.0.node.connections()
    }

    /// The store of that name.
    pub(crate) fn store(&self, name: &str) -> Option<Arc<ServedStore>> {
        match self.0.stores.read().get(name)? {
            Slot::Serving(store) => Some(store.clone()),
            Slot::Busy | Slot::Refused(_) => None,
        }
    }

    /// All stores, by name.
    pub(crate) fn stores(&self) -> Vec<Arc<ServedStore>> {
        let serving = |slot: &Slot| match slot {
            Slot::Serving(store) => Some(store.clone()),
            Slot::Busy | Slot::Refused(_) => None,
        };
        self.0.stores.read().values().filter_map(serving).collect()
    }

    /// Keeps the name of a store that did not open, so that no other one gets it, and tells of it.
    pub fn refuse(&self, store: RefusedStore) {
        let mut stores = self.0.stores.write();
        stores
            .entry(store.name.clone())
            .or_insert(Slot::Refused(store));
    }

    /// The stores that did not open, by name.
    pub(crate) fn refused(&self) -> Vec<RefusedStore> {
        let refused = |slot: &Slot| match slot {
            Slot::Refused(store) => Some(store.clone()),
            Slot::Busy | Slot::Serving(_) => None,
        };
        self.0.stores.read().values().filter_map(refused).collect()
    }

    /// Serves `replica`, whose files are in `directory`, under `name` from now on. Clients find it
    /// after [`Gateway::offer`].
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

    fn take_name(&self, name: &str) -> Result<(), StoreError> {
        let mut stores = self.0.stores.write();
        if stores.contains_key(name) {
            return Err(StoreError::AlreadyExists(name.to_owned()));
        }
        if stores.len() >= self.0.settings.max_stores {
            return Err(StoreError::TooMany(stores.len()));
        }
        stores.insert(name.to_owned(), Slot::Busy);
        Ok(())
    }

    fn start(&self, name: &str, directory: StoreDir, replica: Replica) -> Arc<ServedStore> {
        let workers = Generation::ALL.map(|generation| {
            let worker = Worker::new(generation, self.clone(), self.0.clients.clone());
            self.0.node.spawn(Arc::new(worker))
        });
        let subscriptions = Subscriptions::start(name, &replica, &self.0.watcher, &self.0.clients);
        let subscriptions = Arc::new(subscriptions);
        if let Some(after) = self.0.settings.forget_subscriptions {
            subscriptions.forget_after(after);
        }
        let store = Arc::new(ServedStore {
            name: name.to_owned(),
            options: options_of(&directory),
            directory,
            registered_at: now_ms(),
            replica,
            workers: workers.to_vec(),
            persistent: Persistent::start(subscriptions.means()),
            subscriptions,
            order: Order::default(),
            replays: Replays::default(),
            offer: Mutex::default(),
        });
        self.0
            .stores
            .write()
            .insert(name.to_owned(), Slot::Serving(store.clone()));
        store
    }

    /// Gives each store its part of the memory for look-ups. Called when there are more or fewer.
    fn share_memory(&self) {
        let (stores, budget) = (self.stores(), self.0.settings.cache_bytes);
        for store in &stores {
            let replica = &store.replica;
            replica.set_window_bytes(caches::windows(budget, stores.len()));
            replica.set_page_bytes(caches::pages(budget, stores.len()));
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
        for store in &stores {
            store.offer.lock().withdraw();
        }
        self.leave(stores.iter().map(|store| &**store));
        stores.iter().for_each(|store| store.subscriptions.end());
        stores.iter().for_each(|store| store.persistent.end());
        stores.iter().for_each(|s| s.replica.begin_shutdown());
        stores.iter().for_each(|store| store.replica.shutdown());
        stores.iter().for_each(|store| self.end(store));
    }

    /// Closes the stores' files, after a [`shutdown`](Self::shutdown) and when nobody reads any more.
    /// Blocks meanwhile.
    pub fn close(&self) {
        let stores = self.stores();
        // Each waits for the disk.
        let share = stores.len().div_ceil(CLOSED_AT_ONCE).max(1);
        std::thread::scope(|scope| {
            for stores in stores.chunks(share) {
                scope.spawn(|| stores.iter().for_each(|store| store.replica.close()));
            }
        });
    }
}

/// What was checked when the store was created.
fn options_of(directory: &StoreDir) -> StoreOptions {
    let options = Term::parse(&directory.options).ok();
    let options = options.and_then(|options| StoreOptions::read(options).ok());
    options.unwrap_or_default()
}

/// Milliseconds since the epoch.
fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
