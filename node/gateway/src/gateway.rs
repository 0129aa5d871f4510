//! The stores that are served, their workers and the groups that clients find them in.

use crate::caches;
use crate::clients::Clients;
use crate::data_dir::{DataDir, DataDirError, StoreDir};
use crate::delivery::registry::Subscriptions;
use crate::delivery::subscriber::Watcher;
use crate::generation::Generation;
use crate::info;
use crate::lifecycle::Turns;
use crate::offer::{Change, Offer, Own};
use crate::order::Order;
use crate::persistent::registry::Persistent;
use crate::replays::Replays;
use crate::rivals::{self, Found, SCOPES};
use crate::served::ServedStore;
use crate::store_options::StoreOptions;
use crate::worker::Worker;
use esdb_dist::{Connection, ConnectionInfo, Node};
use esdb_etf::{Pid, Term};
use esdb_log::{OpenError, Options, Replica};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
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

    /// Finds out what there is to know of a node before it is told of our groups.
    async fn greet(self, connection: Connection) {
        let stores: Vec<String> = self.stores().iter().map(|s| s.name.clone()).collect();
        let (found, ()) = tokio::join!(
            rivals::seen_by(&self.0.node, connection.peer(), &stores),
            self.0.clients.clone().greet(connection.clone())
        );
        let now = Instant::now();
        let answered = |node: &str| node == connection.peer() && found.is_some();
        self.judge(found.as_ref().unwrap_or(&Found::new()), &answered, now);
        for store in self.stores() {
            store.offer.lock().begin(now);
        }
        self.0.offers_changed.notify_one();
    }

    /// Waits until other servers may have come into conflict with this one.
    pub(crate) async fn change_of_offers(&self) {
        self.0.offers_changed.notified().await;
    }

    /// Gives way to rivals, and takes the place of those that have gone.
    pub(crate) fn judge(&self, found: &Found, answered: &dyn Fn(&str) -> bool, now: Instant) {
        for store in self.stores() {
            let uuid = store.uuid();
            let own = Own {
                node: self.0.node.name(),
                store: &store.name,
                uuid: &uuid,
                absence: self.0.settings.absence,
            };
            let rivals = found.get(&store.name).map_or(&[][..], Vec::as_slice);
            let mut offer = store.offer.lock();
            match offer.judge(&own, rivals, answered, now) {
                Some(Change::Leave) => self.leave([&*store]),
                Some(Change::Join) => self.join_now(&store, &mut offer),
                None => {}
            }
        }
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

    /// Lets clients find the stores that are served. To be called once, when all of them are: nodes are
    /// asked about all stores before they are told of any.
    pub fn offer(&self) {
        self.share_memory();
        for store in self.stores() {
            self.join(&store, &mut store.offer.lock());
        }
    }

    /// Creates a store and serves it. Blocks until it is durable and serves.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn create(&self, name: &str, options: &[u8]) -> Result<(), StoreError> {
        self.take_name(name)?;
        match self.make(name, options) {
            Ok((directory, replica)) => {
                let store = self.start(name, directory, replica);
                self.share_memory();
                self.join_now(&store, &mut store.offer.lock());
                Ok(())
            }
            Err(error) => {
                self.0.stores.write().remove(name);
                Err(error)
            }
        }
    }

    /// Makes the files of a store that nobody else in the cluster offers.
    fn make(&self, name: &str, options: &[u8]) -> Result<(StoreDir, Replica), StoreError> {
        let names = [name.to_owned()];
        let look = rivals::seen_by_any(&self.0.node, &names);
        let (found, _) = Handle::current().block_on(look);
        if let Some(rival) = found.into_values().flatten().next() {
            tracing::warn!("store {name} is not created: {} offers one", rival.node);
            return Err(StoreError::AlreadyExists(name.to_owned()));
        }
        let directory = self.0.data_dir.create(name, options)?;
        let mut store = self.0.settings.store.clone();
        let stores = self.0.stores.read().len();
        store.store.cache_bytes = caches::pages(self.0.settings.cache_bytes, stores);
        match directory.open(store) {
            Ok(replica) => Ok((directory, replica)),
            Err(error) => {
                self.0.data_dir.discard(&directory.path);
                Err(StoreError::Open {
                    path: directory.path,
                    error,
                })
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
        // First: if it fails, the store is served as before.
        let files = match self.0.data_dir.remove(&store.directory.path) {
            Ok(files) => files,
            Err(error) => {
                let mut stores = self.0.stores.write();
                stores.insert(name.to_owned(), Slot::Serving(store));
                return Err(error.into());
            }
        };
        let mut offer = store.offer.lock();
        offer.withdraw();
        self.leave([&*store]);
        drop(offer);
        store.subscriptions.end();
        store.persistent.end_with_store();
        store.replica.abandon("the store was removed");
        self.0.stores.write().remove(name);
        self.share_memory();
        Ok(Removal {
            gateway: self.clone(),
            store,
            files,
        })
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
        let stores = self.stores();
        let each = caches::windows(self.0.settings.cache_bytes, stores.len());
        stores.iter().for_each(|s| s.replica.set_window_bytes(each));
    }

    /// Puts a store's workers into their groups, where callers find them, unless it has given way or
    /// was removed meanwhile.
    fn join(&self, store: &ServedStore, offer: &mut Offer) {
        if !offer.enter() {
            return;
        }
        for (group, worker) in groups(store) {
            SCOPES.iter().for_each(|scope| {
                self.0
                    .node
                    .pg_join(scope, &group, std::slice::from_ref(worker))
            });
        }
    }

    /// As [`Gateway::join`], for a store about which the connected nodes have been asked, and which they
    /// are told of at once.
    fn join_now(&self, store: &ServedStore, offer: &mut Offer) {
        if !self.0.node.connections().is_empty() {
            offer.begin(Instant::now());
        }
        self.join(store, offer);
        self.0.offers_changed.notify_one();
    }

    /// Takes the workers of stores out of their groups, so that callers look elsewhere.
    fn leave<'a>(&self, stores: impl IntoIterator<Item = &'a ServedStore>) {
        let members: Vec<_> = stores
            .into_iter()
            .flat_map(groups)
            .map(|(group, worker)| (group, worker.clone()))
            .collect();
        for scope in SCOPES {
            self.0.node.pg_leave(scope, &members);
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
