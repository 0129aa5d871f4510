//! Commands: what a log entry asks the store to do.
//!
//! `format` (1), `kind`. For streams: LEB128 length and bytes of the name; then, for an append, the
//! expectation (one byte, eight for its number), the number of events (four bytes) and the events.
//! For records: the number of operations (four bytes); of each a byte (1 put, 2 delete), the space,
//! LEB128 length and bytes of the key, and, for a put, of the value. Integers are little-endian. The format byte changes when the meaning of any other byte does.

use crate::codec::{Reader, put_counted};
use crate::{NewEvent, RecordOp, Space, body, body::Body};

const FORMAT: u8 = 1;
const APPEND: u8 = 1;
const DELETE: u8 = 2;
const RECORDS: u8 = 3;

const PUT: u8 = 1;
const REMOVE: u8 = 2;

/// What an append expects of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Any,
    /// That there is no such stream.
    NoStream,
    /// That there is such a stream.
    Exists,
    /// That this is its last version.
    Exactly(u64),
    /// That this is its last version; 0 is also met by a stream that does not exist.
    ExactlyOrEmpty(u64),
}

impl Expected {
    /// Whether a stream with this last version (`None`: no such stream) is what was expected.
    pub(crate) fn is_met_by(self, current: Option<u64>) -> bool {
        match self {
            Expected::Any => true,
            Expected::NoStream => current.is_none(),
            Expected::Exists => current.is_some(),
            Expected::Exactly(version) => current == Some(version),
            Expected::ExactlyOrEmpty(version) => {
                current == Some(version) || (version == 0 && current.is_none())
            }
        }
    }

    fn encode(self) -> (u8, u64) {
        match self {
            Expected::Any => (0, 0),
            Expected::NoStream => (1, 0),
            Expected::Exists => (2, 0),
            Expected::Exactly(version) => (3, version),
            Expected::ExactlyOrEmpty(version) => (4, version),
        }
    }

    fn decode(tag: u8, version: u64) -> Option<Self> {
        match (tag, version) {
            (0, 0) => Some(Expected::Any),
            (1, 0) => Some(Expected::NoStream),
            (2, 0) => Some(Expected::Exists),
            (3, version) => Some(Expected::Exactly(version)),
            (4, version) => Some(Expected::ExactlyOrEmpty(version)),
            _ => None,
        }
    }
}

/// Writes an append of `events` to `stream`: all of them, one after the other, or none.
pub fn append(out: &mut Vec<u8>, stream: &[u8], expected: Expected, events: &[NewEvent<'_>]) {
    let mut append = Append::begin(out, stream, expected);
    events.iter().for_each(|event| append.event(event));
    append.end();
}

/// An append that is being written, event by event.
#[derive(Debug)]
#[must_use]
pub struct Append<'a> {
    out: &'a mut Vec<u8>,
    /// Where their number stands.
    at: usize,
    count: u32,
}

impl<'a> Append<'a> {
    /// Bytes that an event takes beside its fields, if none of them has more than 127.
    pub const OVERHEAD: usize = 4 + 1 + 7;

    /// Begins an append to `stream`.
    pub fn begin(out: &'a mut Vec<u8>, stream: &[u8], expected: Expected) -> Self {
        out.extend_from_slice(&[FORMAT, APPEND]);
        put_counted(out, stream);
        let (tag, version) = expected.encode();
        out.push(tag);
        out.extend_from_slice(&version.to_le_bytes());
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        Append { out, at, count: 0 }
    }

    /// Adds an event.
    pub fn event(&mut self, event: &NewEvent<'_>) {
        body::put(self.out, event);
        self.count = self.count.saturating_add(1);
    }

    /// The append is complete.
    pub fn end(self) {
        if let Some(count) = self.out.get_mut(self.at..self.at + 4) {
            count.copy_from_slice(&self.count.to_le_bytes());
        }
    }
}

/// Writes a deletion of `stream`: the end of its incarnation.
pub fn delete(out: &mut Vec<u8>, stream: &[u8]) {
    out.extend_from_slice(&[FORMAT, DELETE]);
    put_counted(out, stream);
}

/// Writes changes of records: all of them at once, as if one after the other.
pub fn records(out: &mut Vec<u8>, operations: &[RecordOp<'_>]) {
    out.extend_from_slice(&[FORMAT, RECORDS]);
    let count = u32::try_from(operations.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    for operation in operations {
        match *operation {
            RecordOp::Put { space, key, value } => {
                out.extend_from_slice(&[PUT, space.0]);
                put_counted(out, key);
                put_counted(out, value);
            }
            RecordOp::Delete { space, key } => {
                out.extend_from_slice(&[REMOVE, space.0]);
                put_counted(out, key);
            }
        }
    }
}

fn operation<'a>(reader: &mut Reader<'a>) -> Option<RecordOp<'a>> {
    let kind = reader.u8()?;
    let space = Space(reader.u8()?);
    let key = reader.counted()?;
    match kind {
        PUT => Some(RecordOp::Put {
            space,
            key,
            value: reader.counted()?,
        }),
        REMOVE => Some(RecordOp::Delete { space, key }),
        _ => None,
    }
}

/// A command, read.
#[derive(Debug)]
pub(crate) enum Command<'a> {
    /// `bodies` holds `count` events, each with its length before it; every one has been parsed.
    Append {
        stream: &'a [u8],
        expected: Expected,
        count: u32,
        bodies: &'a [u8],
    },
    /// Ends the stream.
    Delete { stream: &'a [u8] },
    /// Changes records.
    Records { operations: Vec<RecordOp<'a>> },
}

impl<'a> Command<'a> {
    /// The command that `bytes` holds; `None` if it is none that this version knows.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        reader.u8().filter(|format| *format == FORMAT)?;
        match reader.u8()? {
            APPEND => {
                let stream = reader.counted()?;
                let expected = Expected::decode(reader.u8()?, reader.u64()?)?;
                let count = reader.u32()?;
                let bodies = reader.0;
                for _ in 0..count {
                    Body::parse(reader.framed()?)?;
                }
                reader.end()?;
                Some(Command::Append {
                    stream,
                    expected,
                    count,
                    bodies,
                })
            }
            DELETE => {
                let stream = reader.counted()?;
                reader.end().map(|()| Command::Delete { stream })
            }
            RECORDS => {
                let count = reader.u32()?;
                let mut operations = Vec::new();
                for _ in 0..count {
                    operations.push(operation(&mut reader)?);
                }
                reader.end().map(|()| Command::Records { operations })
            }
            _ => None,
        }
    }
}
