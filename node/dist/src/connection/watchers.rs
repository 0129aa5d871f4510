//! Which processes of a peer monitor, or are linked to, processes of this node.

use crate::process::Key;
use crate::raw::Raw;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};

/// A peer's monitor of a process of this node.
pub(crate) struct Monitor {
    /// Raw pid of the watching process.
    pub(crate) watcher: Raw,
    /// The watched process as the peer named it: raw pid or name.
    pub(crate) target: Raw,
    pub(crate) key: Key,
}

#[derive(Default)]
pub(crate) struct Watchers {
    /// By raw reference.
    monitors: Mutex<HashMap<Raw, Monitor>>,
    /// Raw pid of the peer's process, and our process.
    links: Mutex<HashSet<(Raw, Key)>>,
}

impl Watchers {
    pub(crate) fn monitor(&self, reference: &[u8], monitor: Monitor) {
        self.monitors.lock().insert(reference.into(), monitor);
    }

    pub(crate) fn has(&self, reference: &[u8]) -> bool {
        self.monitors.lock().contains_key(reference)
    }

    pub(crate) fn demonitor(&self, reference: &[u8]) -> Option<Monitor> {
        self.monitors.lock().remove(reference)
    }

    pub(crate) fn link(&self, peer: &[u8], key: Key) {
        self.links.lock().insert((peer.into(), key));
    }

    pub(crate) fn unlink(&self, peer: &[u8], key: Key) -> bool {
        self.links.lock().remove(&(peer.into(), key))
    }

    /// Forgets and returns those that watch the process `key`.
    pub(crate) fn take(&self, key: Key) -> (Vec<(Raw, Monitor)>, Vec<Raw>) {
        let monitors = self
            .monitors
            .lock()
            .extract_if(|_, m| m.key == key)
            .collect();
        let mut links = self.links.lock();
        (
            monitors,
            links
                .extract_if(|(_, linked)| *linked == key)
                .map(|(peer, _)| peer)
                .collect(),
        )
    }

    /// Forgets all; returns the monitors.
    pub(crate) fn take_all(&self) -> Vec<(Raw, Monitor)> {
        self.links.lock().clear();
        self.monitors.lock().drain().collect()
    }
}
