//! A sender's reads see the writes it sent before, whichever worker they named.
//!
//! Writes of one sender reach the log in the order in which they came, because a connection's
//! messages are handled one after the other. A read runs beside the log, so it first waits for the
//! last write of its sender, if that one has not been answered yet.
//!
//! Of a cast nobody is told when it is done, so not only its sender counts on it: a read also waits
//! for the last cast that came from its node before it.

use esdb_log::{Replica, Ticket};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Entries above which answered ones are looked for and dropped.
const PRUNE_ABOVE: usize = 4096;

/// The last write of each sender, and the last cast of each node, that may still be under way.
#[derive(Default)]
pub(crate) struct Order {
    last: Mutex<HashMap<Box<[u8]>, Ticket>>,
    casts: Mutex<HashMap<Box<str>, Ticket>>,
}

impl Order {
    /// Notes that `sender` (its pid's bytes) has just submitted the write `ticket`.
    pub(crate) fn wrote(&self, sender: &[u8], ticket: Ticket, replica: &Replica) {
        let mut last = self.last.lock();
        if last.len() >= PRUNE_ABOVE {
            last.retain(|_, ticket| !replica.settled(*ticket));
        }
        last.insert(sender.into(), ticket);
    }

    /// Notes that the node `peer` has just submitted the write `ticket`, and is not told when it is
    /// done.
    pub(crate) fn cast(&self, peer: &str, ticket: Ticket, replica: &Replica) {
        let mut casts = self.casts.lock();
        if casts.len() >= PRUNE_ABOVE {
            casts.retain(|_, ticket| !replica.settled(*ticket));
        }
        casts.insert(peer.into(), ticket);
    }

    /// The write that a read of `sender`, of the node `peer`, must wait for.
    pub(crate) fn pending(
        &self,
        sender: Option<&[u8]>,
        peer: &str,
        replica: &Replica,
    ) -> Option<Ticket> {
        let own = sender.and_then(|sender| self.last.lock().get(sender).copied());
        let cast = self.casts.lock().get(peer).copied();
        own.max(cast).filter(|ticket| !replica.settled(*ticket))
    }
}
