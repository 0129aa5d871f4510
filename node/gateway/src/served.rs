//! A store as the gateway serves it.

use crate::data_dir::StoreDir;
use crate::delivery::registry::Subscriptions;
use crate::offer::Offer;
use crate::order::Order;
use crate::persistent::registry::Persistent;
use crate::replays::Replays;
use crate::store_options::StoreOptions;
use esdb_etf::Pid;
use esdb_log::Replica;
use parking_lot::Mutex;
use std::sync::Arc;

/// One store: its log, the processes that answer for it, and what is known of its senders.
pub(crate) struct ServedStore {
    /// The store's name: an atom's text.
    pub(crate) name: String,
    /// Its files, and the options it was created with.
    pub(crate) directory: StoreDir,
    /// What they change for clients.
    pub(crate) options: StoreOptions,
    /// When it began to be served, in milliseconds since the epoch.
    pub(crate) registered_at: u64,
    /// Its log and state.
    pub(crate) replica: Replica,
    /// One worker for each generation of clients.
    pub(crate) workers: Vec<Pid>,
    /// Its subscriptions.
    pub(crate) subscriptions: Arc<Subscriptions>,
    /// Its persistent subscriptions.
    pub(crate) persistent: Persistent,
    /// Unanswered writes by sender.
    pub(crate) order: Order,
    /// Who has read how far by itself.
    pub(crate) replays: Replays,
    /// Whether clients can find it. Workers join and leave their groups with this locked.
    pub(crate) offer: Mutex<Offer>,
}

impl ServedStore {
    /// The store's UUID, as text.
    pub(crate) fn uuid(&self) -> String {
        uuid::Uuid::from_bytes(self.replica.uuid())
            .hyphenated()
            .to_string()
    }
}
