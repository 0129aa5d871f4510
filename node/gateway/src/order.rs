//! A sender's reads see the writes it sent before, whichever worker they named.
//!
//! Writes of one sender reach the log in the order in which they came, because a connection's
//! messages are handled one after the other. A read runs beside the log, so it first waits for the
//! last write of its sender, if that one has not been answered yet.

use esdb_log::{Replica, Ticket};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Entries above which answered ones are looked for and dropped.
const PRUNE_ABOVE: usize = 4096;

/// The last write of each sender that may still be unanswered.
#[derive(Default)]
pub(crate) struct Order {
    last: Mutex<HashMap<Box<[u8]>, Ticket>>,
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

    /// The write that a read of `sender` must wait for.
    pub(crate) fn pending(&self, sender: &[u8], replica: &Replica) -> Option<Ticket> {
        let ticket = *self.last.lock().get(sender)?;
        (!replica.settled(ticket)).then_some(ticket)
    }
}
