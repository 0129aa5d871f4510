//! The stores that are served, their workers and the groups that clients find them in.

use crate::clients::Clients;
use crate::generation::Generation;
use crate::info;
use crate::order::Order;
use crate::served::ServedStore;
use crate::worker::Worker;
use esdb_dist::Node;
use esdb_log::Replica;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The pg scopes in which the published clients look for workers: that of reckon_gater and that of
/// its ancestor erl_esdb_gater.
const SCOPES: [&str; 2] = ["reckon_gater_pg", "erl_esdb_gater_pg"];

/// Serves stores to the clients that the distribution node is connected with.
#[derive(Clone)]
pub struct Gateway {
    node: Node,
    stores: Arc<Stores>,
    clients: Arc<Clients>,
}

/// The served stores by name.
#[derive(Default)]
pub(crate) struct Stores {
    by_name: RwLock<BTreeMap<String, Arc<ServedStore>>>,
}

impl Stores {
    /// The store of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<ServedStore>> {
        self.by_name.read().get(name).cloned()
    }

    /// All, by name.
    pub(crate) fn all(&self) -> Vec<Arc<ServedStore>> {
        self.by_name.read().values().cloned().collect()
    }
}

/// Why a store cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartStoreError {
    /// A store of that name is served already.
    #[error("a store named {0} is served already")]
    AlreadyServed(String),
}

impl Gateway {
    /// A gateway on `node` that serves no store yet. It answers `rs_esdb:info/0`.
    pub fn new(node: Node) -> Self {
        let stores = Arc::new(Stores::default());
        let clients = Arc::new(Clients::new(node.clone()));
        let greeter = clients.clone();
        node.hold_first_sync(Arc::new(move |connection| {
            Box::pin(greeter.clone().greet(connection.clone()))
        }));
        let gateway = Gateway {
            node: node.clone(),
            stores: stores.clone(),
            clients,
        };
        let name = node.name().to_owned();
        node.export(
            "rs_esdb",
            "info",
            0,
            Arc::new(move |_, out| info::put(out, &name, &stores)),
        );
        gateway
    }

    /// Serves `replica`, whose files are in `directory`, under `name` from now on.
    ///
    /// # Errors
    /// [`StartStoreError::AlreadyServed`].
    pub fn serve(
        &self,
        name: &str,
        directory: &Path,
        replica: Replica,
    ) -> Result<(), StartStoreError> {
        let mut by_name = self.stores.by_name.write();
        if by_name.contains_key(name) {
            return Err(StartStoreError::AlreadyServed(name.to_owned()));
        }
        let workers = Generation::ALL
            .map(|generation| self.spawn_worker(generation))
            .to_vec();
        let store = ServedStore {
            name: name.to_owned(),
            directory: directory.to_owned(),
            registered_at: now_ms(),
            replica,
            workers: workers.clone(),
            order: Order::default(),
        };
        by_name.insert(name.to_owned(), Arc::new(store));
        drop(by_name);
        for (generation, worker) in Generation::ALL.into_iter().zip(&workers) {
            for scope in SCOPES {
                self.node
                    .pg_join(scope, &generation.group(name), std::slice::from_ref(worker));
            }
        }
        Ok(())
    }

    fn spawn_worker(&self, generation: Generation) -> esdb_etf::Pid {
        let name = self.node.name().to_owned();
        self.node.spawn(Arc::new(Worker::new(
            generation,
            name,
            self.stores.clone(),
            self.clients.clone(),
        )))
    }

    /// Takes all workers out of their groups and ends them, so that callers look elsewhere; then
    /// finishes what the stores have accepted and closes them. Blocks meanwhile.
    pub fn shutdown(&self) {
        let stores = self.stores.all();
        for store in &stores {
            for (generation, worker) in Generation::ALL.into_iter().zip(&store.workers) {
                for scope in SCOPES {
                    let group = generation.group(&store.name);
                    self.node
                        .pg_leave(scope, &group, std::slice::from_ref(worker));
                }
            }
        }
        for store in &stores {
            store.replica.shutdown();
        }
        let mut shutdown = Vec::new();
        esdb_etf::put::atom(&mut shutdown, "shutdown");
        for worker in stores.iter().flat_map(|store| &store.workers) {
            self.node.exit(worker, &shutdown);
        }
    }
}

/// Milliseconds since the epoch.
fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
