//! What a subscription is, as it is written down.

use super::flow::Flow;
use crate::generation::Generation;
use esdb_etf::{Pid, Term, put};
use esdb_subscription::subscription_id;

/// The durable part of a subscription that its owner gives. Its record is a map with the field names
/// as keys, `generation` being 0 for the older clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// Raw term, an atom: as the client spelt it.
    pub(crate) kind: Vec<u8>,
    /// Raw term.
    pub(crate) selector: Vec<u8>,
    /// The name's bytes.
    pub(crate) name: Vec<u8>,
    /// Raw term: where it was to begin.
    pub(crate) start_from: Vec<u8>,
    /// When it was created, in milliseconds since 1970.
    pub(crate) created_at: u64,
    /// Most processes that share the events of a subscription without a subscriber of its own; 0 for
    /// all there are.
    pub(crate) pool_size: u64,
    /// What kind of client it is of.
    pub(crate) generation: Generation,
    /// Raw pid; empty if it has none.
    pub(crate) subscriber: Vec<u8>,
    /// The flow control that was asked for.
    pub(crate) flow: Option<Flow>,
}

impl Definition {
    /// The record's value.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put::map(&mut out, 8 + self.flow.map_or(0, |_| Flow::PAIRS));
        put::atom(&mut out, "kind");
        out.extend_from_slice(&self.kind);
        put::atom(&mut out, "selector");
        out.extend_from_slice(&self.selector);
        put::atom(&mut out, "name");
        put::binary(&mut out, &self.name);
        put::atom(&mut out, "start_from");
        out.extend_from_slice(&self.start_from);
        put::atom(&mut out, "created_at");
        put::unsigned(&mut out, self.created_at);
        put::atom(&mut out, "pool_size");
        put::unsigned(&mut out, self.pool_size);
        put::atom(&mut out, "generation");
        put::unsigned(&mut out, self.generation as u64);
        put::atom(&mut out, "subscriber");
        self.put_subscriber(&mut out);
        if let Some(flow) = self.flow {
            flow.put(&mut out);
        }
        out
    }

    /// Appends the subscriber's pid, or `undefined`.
    pub(crate) fn put_subscriber(&self, out: &mut Vec<u8>) {
        match self.subscriber.is_empty() {
            true => put::atom(out, "undefined"),
            false => out.extend_from_slice(&self.subscriber),
        }
    }

    /// What [`Definition::encode`] wrote.
    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let map = Term::parse(value).ok()?.as_map()?;
        let raw = |key: &str| map.get(key).map(|term| term.as_bytes().to_vec());
        let number = |key: &str| map.get(key)?.as_u64();
        let generation = usize::try_from(number("generation")?).ok()?;
        let subscriber = map.get("subscriber")?;
        Some(Definition {
            kind: raw("kind")?,
            selector: raw("selector")?,
            name: map.get("name")?.as_binary()?.to_vec(),
            start_from: raw("start_from")?,
            created_at: number("created_at")?,
            pool_size: number("pool_size")?,
            generation: *Generation::ALL.get(generation)?,
            subscriber: match subscriber.as_pid() {
                Some(_) => subscriber.as_bytes().to_vec(),
                None => Vec::new(),
            },
            flow: Flow::parse(map).ok()?,
        })
    }

    /// The subscription's key: the published hash of type, selector and name.
    pub(crate) fn id(&self) -> String {
        let mut name = Vec::new();
        put::binary(&mut name, &self.name);
        let term = |raw| Term::parse(raw).ok();
        match (term(&self.kind), term(&self.selector), term(&name)) {
            (Some(kind), Some(selector), Some(name)) => subscription_id(kind, selector, name),
            _ => String::new(),
        }
    }

    /// The subscriber's pid.
    pub(crate) fn pid(&self) -> Option<Pid> {
        Term::parse(&self.subscriber).ok()?.as_pid()
    }
}
