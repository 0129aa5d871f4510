//! How far a subscription has come, as it is written down.

use esdb_etf::{Term, put};

/// The durable part of a subscription's progress. Its record is the map
/// `#{next => Position, floor => Version, acknowledged => boolean(), checkpoint => term()}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Delivery goes on here: what stands before this position is done with.
    pub(crate) next: u64,
    /// Until the first event has been delivered: the version to begin with.
    pub(crate) floor: u64,
    /// Whether acknowledgements move it; else what was sent does.
    pub(crate) acknowledged: bool,
    /// What is shown as checkpoint, as it came: `start_from` or the last acknowledged number.
    pub(crate) checkpoint: Vec<u8>,
}

impl Progress {
    /// The record's value.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put::map(&mut out, 4);
        put::atom(&mut out, "next");
        put::unsigned(&mut out, self.next);
        put::atom(&mut out, "floor");
        put::unsigned(&mut out, self.floor);
        put::atom(&mut out, "acknowledged");
        put::atom(&mut out, if self.acknowledged { "true" } else { "false" });
        put::atom(&mut out, "checkpoint");
        out.extend_from_slice(&self.checkpoint);
        out
    }

    /// What [`Progress::encode`] wrote.
    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let map = Term::parse(value).ok()?.as_map()?;
        Some(Progress {
            next: map.get("next")?.as_u64()?,
            floor: map.get("floor")?.as_u64()?,
            acknowledged: map.get("acknowledged")?.is_atom("true"),
            checkpoint: map.get("checkpoint")?.as_bytes().to_vec(),
        })
    }
}
