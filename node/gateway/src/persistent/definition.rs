//! What a persistent subscription is, as it is written down.

use esdb_etf::{Map, Term, put};
use esdb_subscription::group::{Options, WhenFull};
use esdb_subscription::{InvalidSelector, Selector};

/// The durable part that its first consumer gives. Its record is a map with these names as keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// Raw term, an atom: the selector's type.
    pub(crate) kind: Vec<u8>,
    /// Raw term.
    pub(crate) selector: Vec<u8>,
    /// Most consumers at a time.
    pub(crate) max_consumers: u64,
    /// Attempts after which an event that is given back is parked; 0: never.
    pub(crate) max_attempts: u64,
    /// Events that wait in memory for room in a window.
    pub(crate) buffer: u64,
    /// Most bytes of those, and of the events in flight to one consumer.
    pub(crate) buffer_bytes: u64,
    /// What to do with new events when so many wait: the name of a [`WhenFull`].
    pub(crate) when_full: String,
    /// From how many waiting events on consumers are warned; 0: never.
    pub(crate) warn_at: u64,
    /// Milliseconds between two heartbeats; 0: none.
    pub(crate) heartbeat_ms: u64,
}

/// [`Definition::buffer_bytes`] where nothing else is said, as in records that do not have it.
pub(crate) const BUFFER_BYTES: u64 = 16 << 20;

/// The names of what is done when no more may wait.
pub(crate) const WHEN_FULL: [(&str, WhenFull); 4] = [
    ("block", WhenFull::Block),
    ("drop_oldest", WhenFull::DropOldest),
    ("drop_newest", WhenFull::DropNewest),
    ("error", WhenFull::Error),
];

impl Definition {
    /// The record's value.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put::map(&mut out, 9);
        put::atom(&mut out, "type");
        out.extend_from_slice(&self.kind);
        put::atom(&mut out, "selector");
        out.extend_from_slice(&self.selector);
        put::atom(&mut out, "when_full");
        put::atom(&mut out, &self.when_full);
        for (key, number) in [
            ("max_consumers", self.max_consumers),
            ("max_attempts", self.max_attempts),
            ("buffer", self.buffer),
            ("buffer_bytes", self.buffer_bytes),
            ("warn_at", self.warn_at),
            ("heartbeat", self.heartbeat_ms),
        ] {
            put::atom(&mut out, key);
            put::unsigned(&mut out, number);
        }
        out
    }

    /// What [`Definition::encode`] wrote.
    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let map = Term::parse(value).ok()?.as_map()?;
        let number = |map: Map<'_>, key: &str| map.get(key)?.as_u64();
        Some(Definition {
            kind: map.get("type")?.as_bytes().to_vec(),
            selector: map.get("selector")?.as_bytes().to_vec(),
            when_full: map.get("when_full")?.as_atom()?.text().into_owned(),
            max_consumers: number(map, "max_consumers")?,
            max_attempts: number(map, "max_attempts")?,
            buffer: number(map, "buffer")?,
            buffer_bytes: number(map, "buffer_bytes").unwrap_or(BUFFER_BYTES),
            warn_at: number(map, "warn_at")?,
            heartbeat_ms: number(map, "heartbeat")?,
        })
    }

    /// What it selects.
    ///
    /// # Errors
    /// [`InvalidSelector`].
    pub(crate) fn selector(&self) -> Result<Selector, InvalidSelector> {
        let unreadable = |_| InvalidSelector {
            reason: "unreadable",
            text: "it cannot be read".into(),
        };
        Selector::parse(
            Term::parse(&self.kind).map_err(unreadable)?,
            Term::parse(&self.selector).map_err(unreadable)?,
        )
    }

    /// How its group of consumers behaves.
    pub(crate) fn options(&self) -> Options {
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let when_full = WHEN_FULL
            .into_iter()
            .find(|(name, _)| *name == self.when_full);
        Options {
            consumers: size(self.max_consumers),
            buffer: size(self.buffer),
            bytes: size(self.buffer_bytes),
            when_full: when_full.map_or(WhenFull::Block, |(_, when_full)| when_full),
            warn_at: (self.warn_at > 0).then(|| size(self.warn_at)),
            max_attempts: (self.max_attempts > 0)
                .then(|| u32::try_from(self.max_attempts).unwrap_or(u32::MAX)),
        }
    }
}
