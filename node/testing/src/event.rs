//! Events made of small terms.

use esdb_store::{Expected, NewEvent, RecordedEvent, command};

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

const METADATA: &[u8] = b"\x74\x00\x00\x00\x00";
const DATA_CONTENT_TYPE: &[u8] = b"\x6d\x00\x00\x00\x04json";
const METADATA_CONTENT_TYPE: &[u8] = b"\x6d\x00\x00\x00\x04term";

/// An event with its own bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// A term.
    pub id: Vec<u8>,
    /// The client named the event.
    pub given: bool,
    /// A term.
    pub event_type: Vec<u8>,
    /// A term.
    pub data: Vec<u8>,
    /// A term.
    pub tags: Vec<u8>,
    /// What stands in `tags`.
    pub tag_names: Vec<String>,
}

impl Event {
    /// An event whose fields are these texts, as binaries.
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

    /// The same, with an id that the client did not give.
    pub fn unnamed(mut self) -> Self {
        self.given = false;
        self
    }

    /// As a command takes it.
    pub fn as_new(&self) -> NewEvent<'_> {
        NewEvent {
            id: &self.id,
            id_given: self.given,
            event_type: &self.event_type,
            data: &self.data,
            metadata: METADATA,
            tags: &self.tags,
            data_content_type: DATA_CONTENT_TYPE,
            metadata_content_type: METADATA_CONTENT_TYPE,
        }
    }
}

/// `count` events with names of their own, from `prefix`.
pub fn events(prefix: &str, count: usize) -> Vec<Event> {
    (0..count)
        .map(|n| Event::new(&format!("{prefix}-{n}"), "thing", &format!("{n}"), &[]))
        .collect()
}

/// The command that appends `events`.
pub fn append(stream: &str, expected: Expected, events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    let events: Vec<_> = events.iter().map(Event::as_new).collect();
    command::append(&mut out, stream.as_bytes(), expected, &events);
    out
}

/// The command that deletes `stream`.
pub fn delete(stream: &str) -> Vec<u8> {
    let mut out = Vec::new();
    command::delete(&mut out, stream.as_bytes());
    out
}

/// An event as the tests compare it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its stream.
    pub stream: String,
    /// Its place in the stream.
    pub version: u64,
    /// Its place in the store.
    pub position: u64,
    /// When it was recorded: microseconds since 1970.
    pub epoch_us: u64,
    /// A term.
    pub id: Vec<u8>,
    /// A term.
    pub event_type: Vec<u8>,
    /// A term.
    pub data: Vec<u8>,
    /// A term.
    pub tags: Vec<u8>,
}

impl From<RecordedEvent<'_>> for Seen {
    fn from(event: RecordedEvent<'_>) -> Self {
        assert!(has_constant_fields(&event), "{event:?}");
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

impl Seen {
    /// Whether a read that shows `event` shows this.
    pub fn is(&self, event: &RecordedEvent<'_>) -> bool {
        let numbers = (event.version, event.position, event.epoch_us);
        let terms = (event.id, event.event_type, event.data, event.tags);
        numbers == (self.version, self.position, self.epoch_us)
            && event.stream == self.stream.as_bytes()
            && terms == (&*self.id, &*self.event_type, &*self.data, &*self.tags)
            && has_constant_fields(event)
    }
}

/// Every event of the tests has the same of these.
fn has_constant_fields(event: &RecordedEvent<'_>) -> bool {
    (
        event.metadata,
        event.data_content_type,
        event.metadata_content_type,
    ) == (METADATA, DATA_CONTENT_TYPE, METADATA_CONTENT_TYPE)
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
