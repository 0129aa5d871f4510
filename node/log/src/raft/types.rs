//! The types openraft is instantiated with, and how they look in the log.

use bytes::Bytes;
use esdb_store::{LogPosition, Outcome};
use openraft::{
    BasicNode, CommittedLeaderId, EntryPayload, LogId, Membership, StoredMembership, Vote,
};
use serde::{Deserialize, Serialize};

use crate::wal::{Ballot, Entry, Kind, Position};

/// Number of a member of the group.
pub type NodeId = u64;
/// openraft's entry.
pub type RaftEntry = openraft::Entry<TypeConfig>;
/// openraft's error of a storage.
pub type StorageError = openraft::StorageError<NodeId>;

openraft::declare_raft_types!(
    /// What the group agrees on: batches of commands; what it answers: their outcomes.
    pub TypeConfig:
        D = Batch,
        R = Applied,
        NodeId = NodeId,
        Node = BasicNode,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = std::io::Cursor<Vec<u8>>,
);

/// A batch of commands as `esdb_store::batch` builds it. Clones share the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch(pub Bytes);

/// The outcomes of a batch, in the order of its commands; none for other entries. They are for the
/// node that proposed the batch and never sent to another.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Applied {
    /// One for each command.
    #[serde(skip)]
    pub outcomes: Vec<Outcome>,
}

/// openraft's name of a log entry.
pub fn log_id(at: Position) -> LogId<NodeId> {
    LogId::new(CommittedLeaderId::new(at.term, at.node), at.index)
}

/// The log's name of a log entry.
pub fn position(id: &LogId<NodeId>) -> Position {
    Position {
        term: id.leader_id.term,
        node: id.leader_id.node_id,
        index: id.index,
    }
}

/// The store's name of a log entry.
pub fn store_position(id: &LogId<NodeId>) -> LogPosition {
    LogPosition {
        term: id.leader_id.term,
        node: id.leader_id.node_id,
        index: id.index,
    }
}

/// openraft's name of a log entry that the store names.
pub fn store_log_id(at: LogPosition) -> LogId<NodeId> {
    LogId::new(CommittedLeaderId::new(at.term, at.node), at.index)
}

/// openraft's vote.
pub fn vote(ballot: Ballot) -> Vote<NodeId> {
    if ballot.committed {
        Vote::new_committed(ballot.term, ballot.node)
    } else {
        Vote::new(ballot.term, ballot.node)
    }
}

/// The log's vote.
pub fn ballot(vote: &Vote<NodeId>) -> Ballot {
    Ballot {
        term: vote.leader_id.term,
        node: vote.leader_id.node_id,
        committed: vote.committed,
    }
}

/// Bytes of a membership, in the log and in the store.
pub fn membership_bytes(
    membership: &Membership<NodeId, BasicNode>,
) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_stdvec(membership)
}

/// The membership of a state of the store.
pub fn stored_membership(
    applied: &esdb_store::Applied,
) -> Result<StoredMembership<NodeId, BasicNode>, postcard::Error> {
    let Some((at, bytes)) = &applied.membership else {
        return Ok(StoredMembership::default());
    };
    Ok(StoredMembership::new(
        at.map(store_log_id),
        postcard::from_bytes(bytes)?,
    ))
}

/// What goes into the log for an entry.
pub fn to_log(entry: RaftEntry) -> Result<Entry, postcard::Error> {
    let (kind, payload) = match entry.payload {
        EntryPayload::Blank => (Kind::Blank, Bytes::new()),
        EntryPayload::Normal(Batch(bytes)) => (Kind::Batch, bytes),
        EntryPayload::Membership(m) => (Kind::Membership, membership_bytes(&m)?.into()),
    };
    Ok(Entry {
        at: position(&entry.log_id),
        kind,
        payload,
    })
}

/// The entry that was put into the log.
pub fn from_log(entry: Entry) -> Result<RaftEntry, postcard::Error> {
    let payload = match entry.kind {
        Kind::Blank => EntryPayload::Blank,
        Kind::Batch => EntryPayload::Normal(Batch(entry.payload)),
        Kind::Membership => EntryPayload::Membership(postcard::from_bytes(&entry.payload)?),
    };
    Ok(RaftEntry {
        log_id: log_id(entry.at),
        payload,
    })
}
