//! What the tests of the store share: events made of small terms, and a store with its log.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use esdb_store::{
    Direction, Expected, LogPosition, NewEvent, Options, Outcome, Record, RecordOp, RecordedEvent,
    Space, Store, StoreError, View, batch, command,
};
use std::ops::Bound;
use std::path::Path;

/// A binary term.
pub fn binary(bytes: &[u8]) -> Vec<u8> {
    let mut term = vec![109];
    term.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    term.extend_from_slice(bytes);
    term
}

/// A list of binary terms.
pub fn tags(names: &[&str]) -> Vec<u8> {
    if names.is_empty() {
        return b"\x77\x09undefined".to_vec();
    }
    let mut term = vec![108];
    term.extend_from_slice(&(names.len() as u32).to_be_bytes());
    names
        .iter()
        .for_each(|name| term.extend(binary(name.as_bytes())));
    term.push(106);
    term
}

/// An event with its own bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: Vec<u8>,
    pub given: bool,
    pub event_type: Vec<u8>,
    pub data: Vec<u8>,
    pub tags: Vec<u8>,
    pub tag_names: Vec<String>,
}

impl Event {
    pub fn new(id: &str, event_type: &str, data: &str, tag_names: &[&str]) -> Self {
        Self {
            id: binary(id.as_bytes()),
            given: true,
            event_type: binary(event_type.as_bytes()),
            data: binary(data.as_bytes()),
            tags: tags(tag_names),
            tag_names: tag_names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    pub fn unnamed(mut self) -> Self {
        self.given = false;
        self
    }

    pub fn as_new(&self) -> NewEvent<'_> {
        NewEvent {
            id: &self.id,
            id_given: self.given,
            event_type: &self.event_type,
            data: &self.data,
            metadata: b"\x74\x00\x00\x00\x00",
            tags: &self.tags,
            data_content_type: b"\x6d\x00\x00\x00\x04json",
            metadata_content_type: b"\x6d\x00\x00\x00\x04term",
        }
    }
}

/// `count` events with names of their own, from `prefix`.
pub fn events(prefix: &str, count: usize) -> Vec<Event> {
    (0..count)
        .map(|n| Event::new(&format!("{prefix}-{n}"), "thing", &format!("{n}"), &[]))
        .collect()
}

pub fn append(stream: &str, expected: Expected, events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    let events: Vec<_> = events.iter().map(Event::as_new).collect();
    command::append(&mut out, stream.as_bytes(), expected, &events);
    out
}

pub fn delete(stream: &str) -> Vec<u8> {
    let mut out = Vec::new();
    command::delete(&mut out, stream.as_bytes());
    out
}

pub fn put<'a>(space: u8, key: &'a str, value: &'a str) -> RecordOp<'a> {
    RecordOp::Put {
        space: Space(space),
        key: key.as_bytes(),
        value: value.as_bytes(),
    }
}

pub fn remove(space: u8, key: &str) -> RecordOp<'_> {
    RecordOp::Delete {
        space: Space(space),
        key: key.as_bytes(),
    }
}

pub fn records(operations: &[RecordOp<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    command::records(&mut out, operations);
    out
}

/// A record, and its key.
pub type Kept = (String, Record);

/// The records of a space, in order, first one way and then the other.
pub fn kept(view: &View, space: u8) -> Result<Vec<Kept>, StoreError> {
    let list = |direction| {
        let mut records = Vec::new();
        let mut visit = |key: &[u8], record: &Record| {
            records.push((String::from_utf8(key.to_vec()).unwrap(), record.clone()));
            true
        };
        view.records(Space(space), b"", Bound::Unbounded, direction, &mut visit)?;
        Ok::<_, StoreError>(records)
    };
    let (forward, mut backward) = (list(Direction::Forward)?, list(Direction::Backward)?);
    backward.reverse();
    assert_eq!(forward, backward);
    assert_eq!(forward.len() as u64, view.count_records(Space(space)));
    for (key, record) in &forward {
        assert_eq!(
            view.record(Space(space), key.as_bytes())?.as_ref(),
            Some(record)
        );
    }
    Ok(forward)
}

/// A store, the log that feeds it, and the directory in which it lies.
pub struct Logged {
    pub dir: tempfile::TempDir,
    pub store: Store,
    pub log: Vec<(LogPosition, bytes::Bytes)>,
    pub clock: u64,
}

pub fn open(dir: &Path) -> Store {
    Store::open(
        dir,
        Options {
            cache_bytes: 4 << 20,
            ..Options::default()
        },
    )
    .unwrap()
}

impl Logged {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        Self {
            dir,
            store,
            log: Vec::new(),
            clock: 1_000_000,
        }
    }

    /// Applies commands as one entry.
    pub fn apply(&mut self, commands: &[Vec<u8>]) -> Vec<Outcome> {
        let mut builder = batch::Builder::new(self.clock);
        commands.iter().for_each(|command| builder.push(command));
        let at = LogPosition {
            term: 1,
            node: 1,
            index: self.log.len() as u64 + 1,
        };
        let batch = builder.finish();
        self.log.push((at, batch.clone()));
        self.store.apply(at, batch).unwrap()
    }

    pub fn append(&mut self, stream: &str, expected: Expected, events: &[Event]) -> Outcome {
        self.apply(&[append(stream, expected, events)])[0]
    }

    pub fn delete(&mut self, stream: &str) -> Outcome {
        self.apply(&[delete(stream)])[0]
    }

    /// Closes the store, opens it again, and applies what it does not hold from the log.
    pub fn reopen(self) -> Self {
        self.reopen_after(|_| {})
    }

    /// As [`Logged::reopen`], with something done to the directory between.
    pub fn reopen_after(self, between: impl FnOnce(&Path)) -> Self {
        let Self {
            dir,
            store,
            log,
            clock,
        } = self;
        drop(store);
        between(dir.path());
        let store = open(dir.path());
        let held = store.applied().last.map_or(0, |last| last.index);
        for (at, batch) in log.iter().filter(|(at, _)| at.index > held) {
            store.apply(*at, batch.clone()).unwrap();
        }
        Self {
            dir,
            store,
            log,
            clock,
        }
    }
}

/// An event as the tests compare it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub stream: String,
    pub version: u64,
    pub position: u64,
    pub epoch_us: u64,
    pub id: Vec<u8>,
    pub event_type: Vec<u8>,
    pub data: Vec<u8>,
    pub tags: Vec<u8>,
}

impl From<RecordedEvent<'_>> for Seen {
    fn from(event: RecordedEvent<'_>) -> Self {
        assert_eq!(event.metadata, b"\x74\x00\x00\x00\x00");
        assert_eq!(event.data_content_type, b"\x6d\x00\x00\x00\x04json");
        assert_eq!(event.metadata_content_type, b"\x6d\x00\x00\x00\x04term");
        Self {
            stream: String::from_utf8(event.stream.to_vec()).unwrap(),
            version: event.version,
            position: event.position,
            epoch_us: event.epoch_us,
            id: event.id.to_vec(),
            event_type: event.event_type.to_vec(),
            data: event.data.to_vec(),
            tags: event.tags.to_vec(),
        }
    }
}

/// Collects what a read visits, and checks that it counts that.
pub fn collect<C: Into<Option<usize>>>(
    read: impl FnOnce(&mut dyn FnMut(RecordedEvent<'_>)) -> Result<C, esdb_store::StoreError>,
) -> Vec<Seen> {
    let mut seen = Vec::new();
    let count = read(&mut |event| seen.push(event.into())).unwrap().into();
    assert_eq!(count.unwrap_or(0), seen.len());
    seen
}
