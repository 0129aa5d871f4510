//! What the tests share: terms to be written down, and events made of them.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use esdb_etf::{Term, put};
use esdb_store::RecordedEvent;
use esdb_subscription::{InvalidSelector, Selector};

/// A term.
#[derive(Debug, Clone, PartialEq)]
pub enum T {
    Atom(&'static str),
    Bin(String),
    Int(i64),
    /// 2^64 times the first, and the second.
    Big(i8, u64),
    Float(f64),
    List(Vec<T>),
    Tuple(Vec<T>),
    Map(Vec<(T, T)>),
}

pub fn atom(name: &'static str) -> T {
    T::Atom(name)
}

pub fn bin(text: &str) -> T {
    T::Bin(text.to_owned())
}

pub fn map<const N: usize>(pairs: [(T, T); N]) -> T {
    T::Map(pairs.into())
}

pub fn op(name: &'static str, operand: T) -> T {
    T::Tuple(vec![T::Atom(name), operand])
}

impl T {
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out, false);
        out
    }

    /// Another spelling: wide numbers and atoms, lists as strings, maps from behind.
    pub fn respelled(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out, true);
        out
    }

    fn put(&self, out: &mut Vec<u8>, other: bool) {
        match self {
            T::Atom(name) if other => {
                out.extend([100, 0, name.len() as u8]);
                out.extend(name.bytes());
            }
            T::Atom(name) => put::atom(out, name),
            T::Bin(text) => put::binary(out, text.as_bytes()),
            T::Int(n) if other => {
                out.extend([110, 9, u8::from(*n < 0)]);
                out.extend(n.unsigned_abs().to_le_bytes());
                out.push(0);
            }
            T::Int(n) => put::integer(out, *n),
            T::Big(high, low) => {
                let n = i128::from(*high) * (1 << 64)
                    + i128::from(*low) * if *high < 0 { -1 } else { 1 };
                out.extend([110, 16, u8::from(n < 0)]);
                out.extend(n.unsigned_abs().to_le_bytes());
            }
            T::Float(f) if other => {
                let mut text = format!("{f:.20e}").into_bytes();
                text.resize(31, 0);
                out.push(99);
                out.extend(text);
            }
            T::Float(f) => put::float(out, *f),
            T::List(items) => {
                let byte = |item: &T| match item {
                    T::Int(n) => u8::try_from(*n).ok(),
                    _ => None,
                };
                match items.iter().map(byte).collect::<Option<Vec<u8>>>() {
                    Some(bytes) if other => {
                        out.extend([107, 0, bytes.len() as u8]);
                        out.extend(bytes);
                    }
                    _ if items.is_empty() => put::nil(out),
                    _ => {
                        put::list(out, items.len());
                        items.iter().for_each(|item| item.put(out, other));
                        put::nil(out);
                    }
                }
            }
            T::Tuple(items) => {
                put::tuple(out, items.len());
                items.iter().for_each(|item| item.put(out, other));
            }
            T::Map(pairs) => {
                put::map(out, pairs.len());
                let mut pairs: Vec<_> = pairs.iter().collect();
                if other {
                    pairs.reverse();
                }
                for (key, value) in pairs {
                    key.put(out, other);
                    value.put(out, other);
                }
            }
        }
    }
}

pub fn parse(kind: &'static str, selector: &T) -> Result<Selector, InvalidSelector> {
    let (kind, selector) = (atom(kind).bytes(), selector.bytes());
    Selector::parse(Term::parse(&kind).unwrap(), Term::parse(&selector).unwrap())
}

/// An event with its own bytes.
#[derive(Debug, Clone)]
pub struct Event {
    pub stream: String,
    pub version: u64,
    pub event_type: Vec<u8>,
    pub data: Vec<u8>,
    pub metadata: Vec<u8>,
    pub tags: Vec<u8>,
}

impl Event {
    pub fn new(stream: &str, event_type: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            version: 7,
            event_type: bin(event_type).bytes(),
            data: map([]).bytes(),
            metadata: map([]).bytes(),
            tags: atom("undefined").bytes(),
        }
    }

    pub fn data(mut self, data: &T) -> Self {
        self.data = data.bytes();
        self
    }

    pub fn metadata(mut self, metadata: &T) -> Self {
        self.metadata = metadata.bytes();
        self
    }

    pub fn tags(mut self, tags: &[&str]) -> Self {
        self.tags = T::List(tags.iter().map(|tag| bin(tag)).collect()).bytes();
        self
    }

    pub fn recorded(&self) -> RecordedEvent<'_> {
        RecordedEvent {
            position: 41,
            stream: self.stream.as_bytes(),
            version: self.version,
            epoch_us: 1_700_000_000_123_456,
            id: b"m\x00\x00\x00\x02e1",
            event_type: &self.event_type,
            data: &self.data,
            metadata: &self.metadata,
            tags: &self.tags,
            data_content_type: b"m\x00\x00\x00\x10application/json",
            metadata_content_type: b"m\x00\x00\x00\x10application/json",
        }
    }
}
