//! What the generations of clients expect differently.
//!
//! A client's generation is told by the worker it called: the groups of the two generations hold
//! different processes. Everything that depends on it is decided here.

use crate::refusal::{self, Refusal};
use crate::request::SnapshotVersion;
use esdb_etf::put;
use esdb_store::Expected;

/// Most characters of a store's name: a group's name is an atom, too, and holds the store's.
pub const MAX_STORE_NAME: usize = 255 - "reckon_gater_workers_".len();

/// A generation of the published clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// `esdb_gater_api` up to 1.3: group `esdb_gater_workers_<store>`.
    Esdb,
    /// `reckon_gater_api` from 2.0: group `reckon_gater_workers_<store>`.
    Reckon,
}

impl Generation {
    /// Both, in the order in which workers are started.
    pub(crate) const ALL: [Generation; 2] = [Generation::Esdb, Generation::Reckon];

    /// The pg group that its clients look in for workers of `store`.
    pub(crate) fn group(self, store: &str) -> String {
        match self {
            Generation::Esdb => format!("esdb_gater_workers_{store}"),
            Generation::Reckon => format!("reckon_gater_workers_{store}"),
        }
    }

    /// Elements of an `#event{}` for a node that does not say which version it runs: 12 with `tags`,
    /// 15 with the three integrity fields of 2.1.
    pub(crate) fn default_event_arity(self) -> usize {
        match self {
            Generation::Esdb => 12,
            Generation::Reckon => 15,
        }
    }

    /// What an expected version of `n` means. Aggregates of evoq 1.0 and 1.1 send 0 for their first
    /// append, so for the old generation 0 also matches a stream that does not exist.
    pub(crate) fn exactly(self, n: u64) -> Expected {
        match (self, n) {
            (Generation::Esdb, 0) => Expected::ExactlyOrEmpty(0),
            _ => Expected::Exactly(n),
        }
    }

    /// Which snapshot a reader asks for by version `n`. 0 is the latest one from reckon_db 1.7.5 on.
    /// Before, it was the one at version 0; the adapters of that time call whatever they get the
    /// version they asked for, so they get that one if there is one.
    pub(crate) fn snapshot(self, n: u64) -> SnapshotVersion {
        match (self, n) {
            (Generation::Esdb, 0) => SnapshotVersion::AtOrLatest(0),
            (Generation::Reckon, 0) => SnapshotVersion::Latest,
            (_, n) => SnapshotVersion::At(n),
        }
    }

    /// The reply to an append that found another version than it expected.
    /// `expected` is the term that the client sent, `current` is -1 for no stream.
    pub(crate) fn wrong_expected_version(self, out: &mut Vec<u8>, expected: &[u8], current: i64) {
        put::tuple(out, 2);
        put::atom(out, "error");
        match self {
            Generation::Esdb => {
                put::tuple(out, 2);
                put::atom(out, "wrong_expected_version");
            }
            Generation::Reckon => {
                put::tuple(out, 3);
                put::atom(out, "wrong_expected_version");
                out.extend_from_slice(expected);
            }
        }
        put::integer(out, current);
    }

    /// The reply to a request that can never succeed as it is: as [`refusal::refused`], but for a stream
    /// id in a store that is strict about them. From 2.1.1 on clients know the error for that.
    pub(crate) fn refused(self, out: &mut Vec<u8>, refusal: &Refusal) {
        match (self, refusal) {
            (Generation::Reckon, Refusal::InvalidStreamId { why, id }) => {
                put::tuple(out, 2);
                put::atom(out, "error");
                put::tuple(out, 3);
                put::atom(out, "invalid_stream_id");
                put::atom(out, why);
                out.extend_from_slice(id);
            }
            _ => refusal::refused(out, refusal),
        }
    }

    /// The reply to a read that found more than fits into one reply of `most` bytes. Never dressed as
    /// [`refusal::refused`] does: adapters take that shape for an empty stream. From 2.1.2 on clients
    /// know another one that they do not retry; older ones send the request again in vain.
    pub(crate) fn reply_too_large(self, out: &mut Vec<u8>, most: usize) {
        let mebibytes = most >> 20;
        let text =
            format!("the reply would have more than {mebibytes} MiB; ask for fewer at a time");
        match self {
            Generation::Esdb => refusal::passing(out, "too_large", &text),
            Generation::Reckon => refusal::dressed(out, "invalid_filter", "too_large", &text),
        }
    }
}
