//! The subscriptions that run, by key and by name.

use super::subscription::Subscription;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A subscription with its delivery, which ends when this is dropped.
pub(crate) struct Running {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) delivery: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.delivery.abort();
    }
}

/// The subscriptions of a store. A name may belong to several, which differ in what they select.
#[derive(Default)]
pub(crate) struct Table {
    by_key: BTreeMap<String, Running>,
    names: HashMap<Vec<u8>, BTreeSet<String>>,
}

impl Table {
    pub(crate) fn insert(&mut self, running: Running) {
        let key = running.subscription.id.clone();
        let name = running.subscription.definition.lock().name.clone();
        self.names.entry(name).or_default().insert(key.clone());
        self.by_key.insert(key, running);
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Arc<Subscription>> {
        Some(&self.by_key.get(key)?.subscription)
    }

    /// Those of a name, by key.
    pub(crate) fn named(&self, name: &[u8]) -> impl Iterator<Item = &Arc<Subscription>> {
        let keys = self.names.get(name).into_iter().flatten();
        keys.filter_map(|key| self.get(key))
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Running> {
        let removed = self.by_key.remove(key)?;
        let name = removed.subscription.definition.lock().name.clone();
        if let Some(keys) = self.names.get_mut(&name) {
            keys.remove(key);
            if keys.is_empty() {
                self.names.remove(&name);
            }
        }
        Some(removed)
    }

    /// All of them, by key.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.by_key.values().map(|running| &running.subscription)
    }
}
