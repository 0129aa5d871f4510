//! One record of a segment: 48 bytes of header, the payload, zeros up to a multiple of 8.
//!
//! | offset | bytes | what (little endian) |
//! |---|---|---|
//! | 0 | 4 | payload length |
//! | 4 | 4 | CRC-32 of the payload |
//! | 8 | 8 | term |
//! | 16 | 8 | node |
//! | 24 | 8 | index |
//! | 32 | 8 | `durable_below` |
//! | 40 | 1 | kind: 1 blank, 2 batch, 3 membership |
//! | 41 | 3 | zero |
//! | 44 | 4 | CRC-32 of bytes 0..44 followed by the segment's epoch |
//!
//! The header has its own checksum, so that a search for records past a damaged one costs one short
//! checksum a step, however long the lengths it meets claim to be. The payload's checksum lies under
//! it, and the epoch (random, never shown to clients) in it: no payload can hold bytes that pass for
//! a record, and no record of another segment passes for one of this.

use bytes::Bytes;

use super::{Entry, Kind, Position};

/// Bytes of a record's header.
pub const HEADER: usize = 48;
/// Records begin at multiples of this.
pub const ALIGN: usize = 8;
/// Longest payload: a length beyond it is not believed.
pub const MAX_PAYLOAD: usize = 1 << 30;

/// A record as found on disk.
#[derive(Debug, Clone)]
pub struct Record {
    /// What was logged.
    pub entry: Entry,
    /// Every entry with a lower index was durable before this record was written.
    pub durable_below: u64,
    /// Bytes it occupies, with padding.
    pub size: usize,
}

/// Bytes a record with a payload of `length` bytes occupies.
pub const fn size(length: usize) -> usize {
    HEADER + length.next_multiple_of(ALIGN)
}

/// Appends the record of `entry` to `out`.
pub fn put(out: &mut Vec<u8>, entry: &Entry, durable_below: u64, epoch: u64) {
    let mut header = [0u8; HEADER - 4];
    let fields = [entry.at.term, entry.at.node, entry.at.index, durable_below];
    let words = [entry.payload.len() as u32, crc32fast::hash(&entry.payload)];
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    let bytes = bytes.chain(fields.iter().flat_map(|field| field.to_le_bytes()));
    for (slot, byte) in header.iter_mut().zip(bytes.chain([entry.kind as u8])) {
        *slot = byte;
    }
    out.extend_from_slice(&header);
    out.extend_from_slice(&header_checksum(&header, epoch).to_le_bytes());
    out.extend_from_slice(&entry.payload);
    out.resize(out.len().next_multiple_of(ALIGN), 0);
}

/// The record that begins at `offset` of `segment`, or None if there is no whole, valid one of this
/// epoch. `segment` holds the segment's bytes from its beginning.
pub fn get(segment: &Bytes, offset: usize, epoch: u64) -> Option<Record> {
    let header = segment.get(offset..offset.checked_add(HEADER)?)?;
    let (fields, checksum) = header.split_at_checked(HEADER - 4)?;
    if u32_at(checksum, 0)? != header_checksum(fields, epoch) {
        return None;
    }
    let length = u32_at(fields, 0)? as usize;
    let start = offset + HEADER;
    let end = start.checked_add(length)?;
    let payload = segment.get(start..end)?;
    if length > MAX_PAYLOAD || crc32fast::hash(payload) != u32_at(fields, 4)? {
        return None;
    }
    let at = Position {
        term: u64_at(fields, 8)?,
        node: u64_at(fields, 16)?,
        index: u64_at(fields, 24)?,
    };
    let kind = Kind::from_byte(*fields.get(40)?)?;
    let entry = Entry {
        at,
        kind,
        payload: segment.slice(start..end),
    };
    Some(Record {
        entry,
        durable_below: u64_at(fields, 32)?,
        size: size(length),
    })
}

fn header_checksum(fields: &[u8], epoch: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(fields);
    hasher.update(&epoch.to_le_bytes());
    hasher.finalize()
}

/// Little-endian u32 at `offset`.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(offset..)?.first_chunk().copied()?,
    ))
}

/// Little-endian u64 at `offset`.
pub fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(
        bytes.get(offset..)?.first_chunk().copied()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(payload: &'static [u8]) -> Entry {
        let at = Position {
            term: 3,
            node: 1,
            index: 77,
        };
        Entry {
            at,
            kind: Kind::Batch,
            payload: Bytes::from_static(payload),
        }
    }

    #[test]
    fn a_record_comes_back() {
        let mut out = vec![0; 64];
        put(&mut out, &entry(b"thirteen byte"), 70, 0xfeed);
        assert_eq!(out.len(), 64 + 48 + 16);
        let record = get(&Bytes::from(out), 64, 0xfeed).unwrap();
        assert_eq!(record.entry, entry(b"thirteen byte"));
        assert_eq!((record.durable_below, record.size), (70, 64));
    }

    #[test]
    fn any_flipped_bit_another_epoch_and_any_cut_are_seen() {
        let mut out = Vec::new();
        put(&mut out, &entry(b"payload!"), 70, 1);
        assert!(get(&Bytes::from(out.clone()), 0, 2).is_none());
        for bit in 0..out.len() * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(get(&Bytes::from(bad), 0, 1).is_none(), "bit {bit}");
        }
        for length in 0..out.len() {
            assert!(get(&Bytes::copy_from_slice(&out[..length]), 0, 1).is_none());
        }
    }
}
