//! Records: small durable rows beside the events, each found by its key.
//!
//! What is neither an event nor follows from events lies in one: what a subscriber acknowledged, a
//! snapshot. [`crate::command::records`] writes them, [`crate::View`] reads them.

use bytes::Bytes;

/// What kind of thing a record is; each space has keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space(pub u8);

impl Space {
    /// What subscriptions there are.
    pub const SUBSCRIPTIONS: Space = Space(1);
    /// How far subscriptions have come.
    pub const CHECKPOINTS: Space = Space(2);
    /// Snapshots.
    pub const SNAPSHOTS: Space = Space(3);
    /// What persistent subscriptions there are.
    pub const PERSISTENT: Space = Space(4);
    /// How far persistent subscriptions have come.
    pub const PERSISTENT_PROGRESS: Space = Space(5);
    /// What their consumers have parked.
    pub const PARKED: Space = Space(6);

    /// The space's number, then the key: under this, all records lie in one order.
    pub(crate) fn row_key(self, key: &[u8]) -> Vec<u8> {
        let mut row = Vec::with_capacity(1 + key.len());
        row.push(self.0);
        row.extend_from_slice(key);
        row
    }
}

/// A change of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOp<'a> {
    /// From now on this value is under the key.
    Put {
        /// Where the key is.
        space: Space,
        /// Any bytes; [`crate::key`] makes them of several parts.
        key: &'a [u8],
        /// Any bytes.
        value: &'a [u8],
    },
    /// From now on nothing is under the key.
    Delete {
        /// Where the key is.
        space: Space,
        /// The key.
        key: &'a [u8],
    },
}

/// A record as it was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The value, byte by byte.
    pub value: Bytes,
    /// When it was put: microseconds since 1970, greater than that of all appends and changes of
    /// records before, and less than that of all after.
    pub epoch_us: u64,
    /// The position that the next event got: all events below were recorded before this was put.
    pub next_position: u64,
}
