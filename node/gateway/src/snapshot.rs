//! Snapshots: the states of aggregates that clients keep, so that they need not read every event.
//!
//! One is found by its stream and version. The source that clients also name is kept, but it does
//! not tell snapshots apart: the published servers ignore it, and clients read what another wrote.

use crate::new_event::MAX_NAME;
use crate::refusal::Refusal;
use esdb_etf::{Kind, Term, put};
use esdb_store::{Record, StoreError, key, usual};

/// First byte of a snapshot's record.
const FORMAT: u8 = 1;

/// How keys of a stream's snapshots begin.
pub(crate) fn prefix(stream: &[u8]) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(stream.len() + 10);
    key::put_text(&mut prefix, stream);
    prefix
}

/// The key of a snapshot.
pub(crate) fn key(stream: &[u8], version: u64) -> Vec<u8> {
    let mut key = prefix(stream);
    key::put_number(&mut key, version);
    key
}

/// The record of a snapshot: its source, and what the client gave, byte by byte: at most `most`.
///
/// # Errors
/// [`Refusal`] if the snapshot is too large, or a map in it has a key twice.
pub(crate) fn value(source: &[u8], given: Term<'_>, most: usize) -> Result<Vec<u8>, Refusal> {
    let bytes = given.as_bytes();
    if bytes.len() > most {
        return Err(Refusal::TooLarge(format!(
            "the snapshot has {} bytes, the most is {most}",
            bytes.len()
        )));
    }
    given
        .check_keys()
        .map_err(|error| Refusal::argument("snapshot", error.to_string()))?;
    let mut value = Vec::with_capacity(1 + source.len() + bytes.len());
    value.push(FORMAT);
    value.extend_from_slice(source);
    value.extend_from_slice(bytes);
    Ok(value)
}

/// The term of a source: a binary, or an atom.
///
/// # Errors
/// [`Refusal`] for anything else, and for what is too long to be a name.
pub(crate) fn source(term: Term<'_>) -> Result<&[u8], Refusal> {
    let refused = |problem| Err(Refusal::argument("source", problem));
    match term.kind() {
        Kind::Atom | Kind::Binary if term.as_bytes().len() <= MAX_NAME => Ok(term.as_bytes()),
        Kind::Atom | Kind::Binary => refused(format!("it is longer than {MAX_NAME} bytes")),
        kind => refused(format!("it is a {kind:?}; give a binary or an atom")),
    }
}

/// A snapshot, read.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot<'a> {
    stream: Vec<u8>,
    version: u64,
    /// The term of its source.
    pub(crate) source: &'a [u8],
    given: Term<'a>,
    /// When it was recorded.
    pub(crate) epoch_us: u64,
}

impl<'a> Snapshot<'a> {
    /// The snapshot in a record.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the record holds none.
    pub(crate) fn open(key: &[u8], record: &'a Record) -> Result<Self, StoreError> {
        Self::parse(key, record).ok_or_else(|| StoreError::Damaged {
            table: "records",
            key: key.iter().map(|byte| format!("{byte:02x}")).collect(),
            what: "it is no snapshot that this version can read",
        })
    }

    fn parse(key: &[u8], record: &'a Record) -> Option<Self> {
        let mut key = key;
        let stream = key::take_text(&mut key)?;
        let version = key::take_number(&mut key).filter(|_| key.is_empty())?;
        let (format, terms) = record.value.split_first()?;
        let (source, rest) = Term::take(terms).ok().filter(|_| *format == FORMAT)?;
        Some(Snapshot {
            stream,
            version,
            source: source.as_bytes(),
            given: Term::parse(rest).ok()?,
            epoch_us: record.epoch_us,
        })
    }

    /// Writes the snapshot as a record, for a client whose `#event{}` has so many elements, or as a map.
    pub(crate) fn put_as(&self, record: Option<usize>, out: &mut Vec<u8>) {
        match record {
            Some(event_arity) => self.put_record(event_arity, out),
            None => self.put(out),
        }
    }

    /// Writes `#snapshot{}` as the published servers keep it: the data is what the client gave, wrapped or
    /// not. The integrity fields came with those of the events.
    fn put_record(&self, event_arity: usize, out: &mut Vec<u8>) {
        let integrity_fields = if event_arity > 12 { 2 } else { 0 };
        put::tuple(out, 6 + integrity_fields);
        put::atom(out, "snapshot");
        put::binary(out, &self.stream);
        put::unsigned(out, self.version);
        out.extend_from_slice(self.given.as_bytes());
        out.extend_from_slice(usual::METADATA);
        put::unsigned(out, self.epoch_us / 1000);
        for _ in 0..integrity_fields {
            put::atom(out, "undefined");
        }
    }

    /// Writes `#{stream_id, version, data, metadata, timestamp}`.
    fn put(&self, out: &mut Vec<u8>) {
        let parts = self.parts();
        put::map(out, 5);
        self.put_place(out);
        put::atom(out, "data");
        out.extend_from_slice(parts.data);
        parts.put_rest(out);
    }

    /// Writes the same without `data`.
    pub(crate) fn put_summary(&self, out: &mut Vec<u8>) {
        put::map(out, 4);
        self.put_place(out);
        self.parts().put_rest(out);
    }

    fn put_place(&self, out: &mut Vec<u8>) {
        put::atom(out, "stream_id");
        put::binary(out, &self.stream);
        put::atom(out, "version");
        put::unsigned(out, self.version);
    }

    /// Adapters wrap the state: what they give is `#{data, metadata, timestamp}`, and what they want
    /// to read is what is in there. Anything else is the state itself.
    fn parts(&self) -> Parts<'a> {
        let recorded_at = Timestamp::Recorded(self.epoch_us / 1000);
        match wrapped(self.given) {
            Some((data, metadata, timestamp)) => Parts {
                data: data.as_bytes(),
                metadata: metadata.as_bytes(),
                timestamp: timestamp.map_or(recorded_at, |at| Timestamp::Given(at.as_bytes())),
            },
            None => Parts {
                data: self.given.as_bytes(),
                metadata: usual::METADATA,
                timestamp: recorded_at,
            },
        }
    }
}

struct Parts<'a> {
    data: &'a [u8],
    metadata: &'a [u8],
    timestamp: Timestamp<'a>,
}

/// When the snapshot was made, in milliseconds since 1970.
enum Timestamp<'a> {
    /// As the client says, a term.
    Given(&'a [u8]),
    /// As the store says.
    Recorded(u64),
}

impl Parts<'_> {
    fn put_rest(&self, out: &mut Vec<u8>) {
        put::atom(out, "metadata");
        out.extend_from_slice(self.metadata);
        put::atom(out, "timestamp");
        match self.timestamp {
            Timestamp::Given(term) => out.extend_from_slice(term),
            Timestamp::Recorded(at) => put::unsigned(out, at),
        }
    }
}

/// Data, metadata and time stamp of a map that has the first two of these keys, and no others. A
/// state that happens to have a key `data` among others is no such map.
fn wrapped(given: Term<'_>) -> Option<(Term<'_>, Term<'_>, Option<Term<'_>>)> {
    let (mut data, mut metadata, mut timestamp) = (None, None, None);
    for (key, value) in given.as_map()? {
        match &*key.as_atom()?.text() {
            "data" => data = Some(value),
            "metadata" => metadata = Some(value),
            "timestamp" => timestamp = Some(value),
            _ => return None,
        }
    }
    Some((data?, metadata?, timestamp))
}
