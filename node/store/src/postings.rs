//! Terms (event types and tags), and rows of the positions of the events that bear them.
//!
//! A row holds up to [`MAX_CHUNK`] ascending positions of one term: the first in its key, the rest
//! as differences. So a term's name costs next to nothing per event, and neither an append nor a
//! query has to translate names into numbers.

use crate::StoreError;
use crate::codec::put_varint;
use crate::tables::IN_POSTINGS;

/// Most positions of a row.
pub(crate) const MAX_CHUNK: usize = 512;

/// What a term is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TermKind {
    /// An event type: a raw term.
    Type = 1,
    /// The bytes of a tag.
    Tag = 2,
}

/// Makes `out` the key of a term: kind, length (four bytes, big-endian), bytes. No term's key is
/// the beginning of another's.
pub(crate) fn term_key(kind: TermKind, bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.push(kind as u8);
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The key of a row: the term's and its first position.
pub(crate) fn row_key(term: &[u8], position: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(term.len() + 8);
    key.extend_from_slice(term);
    key.extend_from_slice(&position.to_be_bytes());
    key
}

/// The first position, if the key of a row is one of the term's.
pub(crate) fn position_of(term: &[u8], key: &[u8]) -> Option<u64> {
    let position = key.strip_prefix(term)?;
    position.try_into().ok().map(u64::from_be_bytes)
}

/// Makes `out` the row that holds `positions`, whose first is in `key`.
pub(crate) fn seal(key: &[u8], positions: &[u64], out: &mut Vec<u8>) {
    IN_POSTINGS.seal(key, out, |out| {
        put_varint(out, positions.len() as u64);
        for pair in positions.windows(2) {
            if let [before, after] = pair {
                put_varint(out, after - before);
            }
        }
    });
}

/// The positions of the row under `key`, whose first is `first`.
pub(crate) fn open(key: &[u8], first: u64, value: &[u8]) -> Result<Vec<u64>, StoreError> {
    let mut reader = IN_POSTINGS.open(key, value)?;
    let positions = (|| {
        let count = reader
            .varint()
            .and_then(|count| usize::try_from(count).ok())?;
        let mut positions = Vec::with_capacity(count.min(MAX_CHUNK));
        let mut last = first;
        positions.push(first);
        for _ in 1..count {
            last = last.checked_add(reader.varint().filter(|step| *step > 0)?)?;
            positions.push(last);
        }
        reader.end().map(|()| positions)
    })();
    positions.ok_or_else(|| IN_POSTINGS.damaged(key, "it cannot be read"))
}
