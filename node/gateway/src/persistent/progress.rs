//! How far a persistent subscription has come, as it is written down.

use esdb_etf::{Term, put};
use std::collections::BTreeSet;

/// Its durable progress. The record is the map
/// `#{checkpoint => Position, next => Position, floor => Version, open => [Position]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Every event before it is done with.
    pub(crate) checkpoint: u64,
    /// Of the events from the checkpoint on and before this position, all are done with but those
    /// in `open`.
    pub(crate) next: u64,
    /// Until the first event has come: the version to begin with.
    pub(crate) floor: u64,
    /// As many as are in memory at most.
    pub(crate) open: BTreeSet<u64>,
}

impl Progress {
    /// Whether the event at `position` need not be delivered.
    pub(crate) fn is_done(&self, position: u64) -> bool {
        position < self.next && !self.open.contains(&position)
    }

    /// The record's value.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put::map(&mut out, 4);
        for (key, number) in [
            ("checkpoint", self.checkpoint),
            ("next", self.next),
            ("floor", self.floor),
        ] {
            put::atom(&mut out, key);
            put::unsigned(&mut out, number);
        }
        put::atom(&mut out, "open");
        if !self.open.is_empty() {
            put::list(&mut out, self.open.len());
        }
        self.open
            .iter()
            .for_each(|position| put::unsigned(&mut out, *position));
        put::nil(&mut out);
        out
    }

    /// What [`Progress::encode`] wrote.
    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let map = Term::parse(value).ok()?.as_map()?;
        let number = |key: &str| map.get(key)?.as_u64();
        let open = map.get("open")?.as_proper_list()?;
        Some(Progress {
            checkpoint: number("checkpoint")?,
            next: number("next")?,
            floor: number("floor")?,
            open: open
                .map(|position| position.as_u64())
                .collect::<Option<_>>()?,
        })
    }
}
