//! The groups in which clients find the workers of a store, and whether they may find them there.

use super::Gateway;
use crate::generation::Generation;
use crate::offer::{Change, Offer, Own};
use crate::rivals::{self, Found, SCOPES};
use crate::served::ServedStore;
use esdb_dist::Connection;
use esdb_etf::Pid;
use std::time::Instant;

impl Gateway {
    /// Finds out what there is to know of a node before it is told of our groups.
    pub(super) async fn greet(self, connection: Connection) {
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

    /// Lets clients find the stores that are served. To be called once, when all of them are: nodes are
    /// asked about all stores before they are told of any.
    pub fn offer(&self) {
        self.share_memory();
        for store in self.stores() {
            self.join(&store, &mut store.offer.lock());
        }
    }

    /// Puts a store's workers into their groups, where callers find them, unless it has given way or
    /// was removed meanwhile.
    pub(super) fn join(&self, store: &ServedStore, offer: &mut Offer) {
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
    pub(super) fn join_now(&self, store: &ServedStore, offer: &mut Offer) {
        if !self.0.node.connections().is_empty() {
            offer.begin(Instant::now());
        }
        self.join(store, offer);
        self.0.offers_changed.notify_one();
    }

    /// Takes the workers of stores out of their groups, so that callers look elsewhere.
    pub(super) fn leave<'a>(&self, stores: impl IntoIterator<Item = &'a ServedStore>) {
        let members: Vec<_> = stores
            .into_iter()
            .flat_map(groups)
            .map(|(group, worker)| (group, worker.clone()))
            .collect();
        for scope in SCOPES {
            self.0.node.pg_leave(scope, &members);
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
