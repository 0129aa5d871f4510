//! The two rows that say what the database is (`header`) and how far it has come (`state`).

use crate::StoreError;
use crate::codec::{Reader, put_counted, put_varint};
use crate::outcome::{Applied, LogPosition};
use crate::tables::IN_META;

/// First bytes of the header.
pub(crate) const MAGIC: &[u8; 8] = b"rsesdb\x01\n";
/// Version of all that stands in the tables.
pub(crate) const FORMAT: u32 = 1;
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

/// The store's UUID, or what is wrong with the header.
pub(crate) fn parse_header(value: &[u8]) -> Result<[u8; 16], String> {
    let mut reader = Reader(value);
    if reader.bytes(MAGIC.len()) != Some(MAGIC) {
        return Err("its header does not begin as a store's does".to_owned());
    }
    match reader.u32() {
        Some(FORMAT) => {}
        Some(other) => {
            return Err(format!(
                "its format is {other}, this version knows {FORMAT}"
            ));
        }
        None => return Err("its header is cut short".to_owned()),
    }
    let uuid = reader.bytes(16).and_then(|uuid| uuid.try_into().ok());
    let sum = reader.u64().filter(|_| reader.end().is_some());
    let body = value.get(..28).map(twox_hash::XxHash3_64::oneshot);
    match uuid {
        Some(uuid) if sum.is_some() && sum == body => Ok(uuid),
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
        });
    }

    pub fn open(value: &[u8]) -> Result<Self, StoreError> {
        let reader = IN_META.open(STATE.as_bytes(), value)?;
        Self::read(reader).ok_or_else(|| IN_META.damaged(STATE.as_bytes(), "it cannot be read"))
    }

    fn read(mut reader: Reader<'_>) -> Option<Self> {
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
        reader.end()?;
        let applied = Applied { last, membership };
        Some(Self {
            applied,
            next_position,
            next_number,
            last_epoch_us,
            events,
            streams,
        })
    }
}
