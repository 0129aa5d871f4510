//! The two rows that say what the database is (`header`) and how far it has come (`state`).

use crate::codec::{Reader, put_counted, put_varint};
use crate::outcome::{Applied, LogPosition};
use crate::tables::IN_META;
use crate::{Space, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// First bytes of the header.
pub(crate) const MAGIC: &[u8; 8] = b"rsesdb\x01\n";
/// Version of all that stands in the tables.
pub(crate) const FORMAT: u32 = 2;
/// The version before: without records.
const WITHOUT_RECORDS: u32 = 1;
/// Key of the header.
pub(crate) const HEADER: &str = "header";
/// Key of the state.
pub(crate) const STATE: &str = "state";

/// The header's value. It stays outside the checksum scheme of its format, so that any version can
/// tell which version wrote it.
pub(crate) fn header(uuid: [u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(28);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&uuid);
    let sum = twox_hash::XxHash3_64::oneshot(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// What a header says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    /// The store's UUID.
    pub uuid: [u8; 16],
    /// Whether the tables are to be brought to this version.
    pub outdated: bool,
}

/// What the header says, or what is wrong with it.
pub(crate) fn parse_header(value: &[u8]) -> Result<Header, String> {
    let mut reader = Reader(value);
    if reader.bytes(MAGIC.len()) != Some(MAGIC) {
        return Err("its header does not begin as a store's does".to_owned());
    }
    let outdated = match reader.u32() {
        Some(FORMAT) => false,
        Some(WITHOUT_RECORDS) => true,
        Some(other) => {
            return Err(format!(
                "its format is {other}, this version knows {WITHOUT_RECORDS} and {FORMAT}"
            ));
        }
        None => return Err("its header is cut short".to_owned()),
    };
    let uuid = reader.bytes(16).and_then(|uuid| uuid.try_into().ok());
    let sum = reader.u64().filter(|_| reader.end().is_some());
    let body = value.get(..28).map(twox_hash::XxHash3_64::oneshot);
    match uuid {
        Some(uuid) if sum.is_some() && sum == body => Ok(Header { uuid, outdated }),
        _ => Err("the checksum of its header does not match".to_owned()),
    }
}

/// How far the store has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub applied: Applied,
    pub next_position: u64,
    pub next_number: u64,
    pub last_epoch_us: u64,
    /// Events and streams that exist.
    pub events: u64,
    pub streams: u64,
    /// Records that exist, by space; none is 0.
    pub records: Arc<BTreeMap<Space, u64>>,
}

fn put_log_position(out: &mut Vec<u8>, position: Option<LogPosition>) {
    match position {
        None => out.push(0),
        Some(LogPosition { term, node, index }) => {
            out.push(1);
            for number in [term, node, index] {
                put_varint(out, number);
            }
        }
    }
}

fn log_position(reader: &mut Reader<'_>) -> Option<Option<LogPosition>> {
    match reader.u8()? {
        0 => Some(None),
        1 => Some(Some(LogPosition {
            term: reader.varint()?,
            node: reader.varint()?,
            index: reader.varint()?,
        })),
        _ => None,
    }
}

impl State {
    pub fn seal(&self, out: &mut Vec<u8>) {
        IN_META.seal(STATE.as_bytes(), out, |out| {
            for number in [
                self.next_position,
                self.next_number,
                self.last_epoch_us,
                self.events,
                self.streams,
            ] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            put_log_position(out, self.applied.last);
            match &self.applied.membership {
                None => out.push(0),
                Some((at, membership)) => {
                    out.push(1);
                    put_log_position(out, *at);
                    put_counted(out, membership);
                }
            }
            put_varint(out, self.records.len() as u64);
            for (space, count) in &*self.records {
                out.push(space.0);
                out.extend_from_slice(&count.to_le_bytes());
            }
        });
    }

    pub fn open(value: &[u8]) -> Result<Self, StoreError> {
        Self::open_as(value, records)
    }

    /// Opens the state that a version without records wrote.
    pub fn open_outdated(value: &[u8]) -> Result<Self, StoreError> {
        Self::open_as(value, |_| Some(BTreeMap::new()))
    }

    fn open_as(value: &[u8], records: ReadRecords) -> Result<Self, StoreError> {
        let reader = IN_META.open(STATE.as_bytes(), value)?;
        Self::read(reader, records)
            .ok_or_else(|| IN_META.damaged(STATE.as_bytes(), "it cannot be read"))
    }

    fn read(mut reader: Reader<'_>, records: ReadRecords) -> Option<Self> {
        let next_position = reader.u64()?;
        let next_number = reader.u64()?;
        let last_epoch_us = reader.u64()?;
        let events = reader.u64()?;
        let streams = reader.u64()?;
        let last = log_position(&mut reader)?;
        let membership = match reader.u8()? {
            0 => None,
            1 => Some((log_position(&mut reader)?, reader.counted()?.to_vec())),
            _ => return None,
        };
        let records = Arc::new(records(&mut reader)?);
        reader.end()?;
        let applied = Applied { last, membership };
        Some(Self {
            applied,
            next_position,
            next_number,
            last_epoch_us,
            events,
            streams,
            records,
        })
    }
}

/// Reads how many records there are.
type ReadRecords = fn(&mut Reader<'_>) -> Option<BTreeMap<Space, u64>>;

fn records(reader: &mut Reader<'_>) -> Option<BTreeMap<Space, u64>> {
    let spaces = reader.varint()?;
    (0..spaces)
        .map(|_| Some((Space(reader.u8()?), reader.u64()?)))
        .collect()
}
