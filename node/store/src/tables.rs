//! The tables of the database, and the rows in them. docs/internals/on-disk-format.md says the
//! same to the byte.
//!
//! Every value begins with a checksum over table, key and the rest of the value, since the database
//! does not check pages when it reads them. Integers in values are little-endian or LEB128;
//! integers in byte-string keys are big-endian, so that keys sort as numbers do.

use crate::body::Body;
use crate::codec::{Reader, put_counted, put_varint};
use crate::{Record, StoreError};
use bytes::Bytes;
use redb::TableDefinition;
use twox_hash::XxHash3_64;

/// position → event.
pub(crate) const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
/// stream name → stream number and last version.
pub(crate) const STREAMS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("streams");
/// (stream number, first version) → first position, number of events, hashes for the retry window.
pub(crate) const RUNS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("runs");
/// term and first position → positions.
pub(crate) const POSTINGS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("postings");
/// (level, block) → number of events in the block of 256^level positions.
pub(crate) const BLOCKS: TableDefinition<'_, (u8, u64), &[u8]> = TableDefinition::new("blocks");
/// space and key → record.
pub(crate) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
/// name → header, state.
pub(crate) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// A table's name in errors, and the seed of its checksums.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table(pub &'static str, u64);

pub(crate) const IN_EVENTS: Table = Table("events", 1);
pub(crate) const IN_STREAMS: Table = Table("streams", 2);
pub(crate) const IN_RUNS: Table = Table("runs", 3);
pub(crate) const IN_POSTINGS: Table = Table("postings", 4);
pub(crate) const IN_BLOCKS: Table = Table("blocks", 5);
pub(crate) const IN_META: Table = Table("meta", 6);
pub(crate) const IN_RECORDS: Table = Table("records", 7);

impl Table {
    fn checksum(self, key: &[u8], value: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot_with_seed(self.1, key), value)
    }

    /// Makes `out` the value under `key` that `write` writes.
    pub fn seal(self, key: &[u8], out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        out.clear();
        out.extend_from_slice(&[0; 8]);
        write(out);
        if let Some((slot, value)) = out.split_first_chunk_mut::<8>() {
            *slot = self.checksum(key, value).to_le_bytes();
        }
    }

    /// What [`Table::seal`] wrote.
    pub fn open<'a>(self, key: &[u8], value: &'a [u8]) -> Result<Reader<'a>, StoreError> {
        match value.split_first_chunk() {
            Some((sum, rest)) if u64::from_le_bytes(*sum) == self.checksum(key, rest) => {
                Ok(Reader(rest))
            }
            _ => Err(self.damaged(key, "its checksum does not match")),
        }
    }

    /// The error that names this table and `key`.
    pub fn damaged(self, key: &[u8], what: &'static str) -> StoreError {
        StoreError::damaged(self.0, key, what)
    }
}

/// Bytes of a key that is a pair of numbers, as they enter checksums and errors.
pub(crate) fn pair_key(first: u64, second: u64) -> [u8; 16] {
    (u128::from(first) << 64 | u128::from(second)).to_be_bytes()
}

const MALFORMED: &str = "it cannot be read";

/// One event with its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventRow<'a> {
    pub number: u64,
    pub version: u64,
    pub epoch_us: u64,
    pub name: &'a [u8],
    pub raw: &'a [u8],
}

impl<'a> EventRow<'a> {
    pub fn seal(&self, position: u64, out: &mut Vec<u8>) {
        IN_EVENTS.seal(&position.to_be_bytes(), out, |out| {
            put_varint(out, self.number);
            put_varint(out, self.version);
            out.extend_from_slice(&self.epoch_us.to_le_bytes());
            put_counted(out, self.name);
            out.extend_from_slice(self.raw);
        });
    }

    pub fn open(position: u64, value: &'a [u8]) -> Result<(Self, Body<'a>), StoreError> {
        let key = position.to_be_bytes();
        let reader = IN_EVENTS.open(&key, value)?;
        Self::read(reader).ok_or_else(|| IN_EVENTS.damaged(&key, MALFORMED))
    }

    fn read(mut reader: Reader<'a>) -> Option<(Self, Body<'a>)> {
        let row = Self {
            number: reader.varint()?,
            version: reader.varint()?,
            epoch_us: reader.u64()?,
            name: reader.counted()?,
            raw: reader.0,
        };
        Some((row, Body::parse(row.raw)?))
    }
}

/// Where a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub number: u64,
    pub last_version: u64,
}

impl Head {
    pub fn seal(self, name: &[u8], out: &mut Vec<u8>) {
        IN_STREAMS.seal(name, out, |out| {
            out.extend_from_slice(&self.number.to_le_bytes());
            out.extend_from_slice(&self.last_version.to_le_bytes());
        });
    }

    pub fn open(name: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let mut reader = IN_STREAMS.open(name, value)?;
        let head = (|| {
            let head = Self {
                number: reader.u64()?,
                last_version: reader.u64()?,
            };
            reader.end().map(|()| head)
        })();
        head.ok_or_else(|| IN_STREAMS.damaged(name, MALFORMED))
    }
}

/// Where a run's events are. `hashes` is empty or eight bytes for each event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunRow<'a> {
    pub first_version: u64,
    pub first_position: u64,
    pub count: u64,
    pub hashes: &'a [u8],
}

impl<'a> RunRow<'a> {
    pub fn seal(number: u64, version: u64, position: u64, hashes: &[u64], out: &mut Vec<u8>) {
        IN_RUNS.seal(&pair_key(number, version), out, |out| {
            out.extend_from_slice(&position.to_le_bytes());
            put_varint(out, hashes.len() as u64);
            if hashes.iter().any(|hash| *hash != 0) {
                out.extend(hashes.iter().flat_map(|hash| hash.to_le_bytes()));
            }
        });
    }

    pub fn open(number: u64, version: u64, value: &'a [u8]) -> Result<Self, StoreError> {
        let key = pair_key(number, version);
        let mut reader = IN_RUNS.open(&key, value)?;
        let row = (|| {
            let first_position = reader.u64()?;
            let count = reader.varint().filter(|count| *count > 0)?;
            let hashes = reader.0;
            let expected = usize::try_from(count).ok()?.checked_mul(8)?;
            first_position.checked_add(count)?;
            version.checked_add(count)?;
            let row = Self {
                first_version: version,
                first_position,
                count,
                hashes,
            };
            (hashes.is_empty() || hashes.len() == expected).then_some(row)
        })();
        row.ok_or_else(|| IN_RUNS.damaged(&key, MALFORMED))
    }

    /// First version after the run.
    pub fn end_version(&self) -> u64 {
        self.first_version + self.count
    }

    /// What the retry window keeps of each event.
    pub fn retry_hashes(&self) -> impl Iterator<Item = u64> {
        let mut reader = Reader(self.hashes);
        (0..self.count).map(move |_| reader.u64().unwrap_or(0))
    }
}

/// The value of a record's row.
#[derive(Debug)]
pub(crate) struct RecordRow;

impl RecordRow {
    pub fn seal(row_key: &[u8], record: &Record, out: &mut Vec<u8>) {
        IN_RECORDS.seal(row_key, out, |out| {
            out.extend_from_slice(&record.epoch_us.to_le_bytes());
            out.extend_from_slice(&record.next_position.to_le_bytes());
            out.extend_from_slice(&record.value);
        });
    }

    pub fn open(row_key: &[u8], value: &[u8]) -> Result<Record, StoreError> {
        let mut reader = IN_RECORDS.open(row_key, value)?;
        let record = (|| {
            Some(Record {
                epoch_us: reader.u64()?,
                next_position: reader.u64()?,
                value: Bytes::copy_from_slice(reader.0),
            })
        })();
        record.ok_or_else(|| IN_RECORDS.damaged(row_key, MALFORMED))
    }
}

/// The value of a block: how many events it holds.
pub(crate) fn seal_block(level: u8, block: u64, count: u64, out: &mut Vec<u8>) {
    IN_BLOCKS.seal(&pair_key(level.into(), block), out, |out| {
        out.extend_from_slice(&count.to_le_bytes());
    });
}

/// What [`seal_block`] wrote.
pub(crate) fn open_block(level: u8, block: u64, value: &[u8]) -> Result<u64, StoreError> {
    let key = pair_key(level.into(), block);
    let mut reader = IN_BLOCKS.open(&key, value)?;
    reader
        .u64()
        .ok_or_else(|| IN_BLOCKS.damaged(&key, MALFORMED))
}
