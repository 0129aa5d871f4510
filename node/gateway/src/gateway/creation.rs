//! Stores that are created and removed while others are served.

use super::{Gateway, Slot, StoreError};
use crate::caches;
use crate::data_dir::StoreDir;
use crate::rivals;
use crate::served::ServedStore;
use esdb_log::Replica;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;

impl Gateway {
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
