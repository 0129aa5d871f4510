//! Reading a segment at start: which records are there, and whether what follows them is nothing, a
//! torn tail, or damage.
//!
//! An append is one write of one or more records and one fsync. A crash during it may leave any part
//! of that write on disk, in any order: records of one append may be missing while later ones are
//! whole. So a bad record alone says nothing. But each record says up to where the log was durable
//! when it was written (`durable_below`): if any valid record of the segment lies behind the bad one
//! and says that the bad one's entry had been durable, or if a later segment exists (one is begun
//! only when everything before is durable), then bytes that were safe have changed. That is damage,
//! and never cut away. Otherwise the bad record was still being written, was never acknowledged, and
//! is cut. Where nothing is left behind the last good record, the file `end` is the witness ([`super::end`]).

use std::ops::Range;

use bytes::Bytes;

use super::error::WalError;
use super::record::{self, ALIGN, HEADER, Record};
use super::segment::Segment;

/// What was cut off at the end of the log when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// Bytes from the first bad record to the last byte that was not zero; 0 if nothing arrived.
    pub bytes: u64,
    /// Index of the last entry that is left, if the log has any.
    pub last_index: Option<u64>,
}

/// What lies behind the last good record of a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Rest {
    /// Only zeros.
    Zeros,
    /// An append that was never completed: this many bytes up to the last that is not zero.
    Torn(u64),
}

/// The whole segment.
pub fn load(segment: &Segment) -> Result<Bytes, WalError> {
    let mut bytes = vec![0; segment.size as usize];
    let read = segment.file.read_at(&mut bytes, 0);
    read.map_err(|e| WalError::io(&segment.path, "read", e))?;
    Ok(Bytes::from(bytes))
}

/// Walks over the good records of a freshly opened segment, up to entry `stop` (exclusive), and
/// returns the last.
pub fn walk(segment: &mut Segment, bytes: &Bytes, stop: u64) -> Option<Record> {
    let mut last = None;
    while segment.next_index() < stop {
        let next = record::get(bytes, segment.end as usize, segment.epoch);
        let Some(record) = next.filter(|r| r.entry.at.index == segment.next_index()) else {
            break;
        };
        segment.push(record.size);
        last = Some(record);
    }
    last
}

/// Judges what follows the good records of the newest segment.
pub fn rest(segment: &Segment, bytes: &Bytes) -> Result<Rest, WalError> {
    judge(bytes, segment.epoch, segment.end, segment.next_index()).ok_or_else(|| damaged(segment))
}

/// Judges what follows good records in the newest segment: from `offset` on, where the entry `index`
/// should begin. `None`: it was durable, and is damaged.
pub fn judge(segment: &Bytes, epoch: u64, offset: u64, index: u64) -> Option<Rest> {
    let start = offset as usize;
    let tail = segment.get(start..).unwrap_or_default();
    let Some(last) = last_used(tail) else {
        return Some(Rest::Zeros);
    };
    for step in (0..=last).step_by(ALIGN) {
        // Most of a tail is zeros or payload: look only where a header could be. All of it, since a
        // blank's begins with zeros; none is zeros up to its kind.
        if tail.get(step..step + HEADER) == Some([0; HEADER].as_slice()) {
            continue;
        }
        if let Some(record) = record::get(segment, start + step, epoch)
            && (record.durable_below > index || step == 0)
        {
            return None;
        }
    }
    Some(Rest::Torn(last as u64 + 1))
}

/// Offset of the last byte that is not zero. Whole blocks are compared: a new segment is 64 MiB of
/// zeros.
fn last_used(bytes: &[u8]) -> Option<usize> {
    const BLOCK: [u8; 4096] = [0; 4096];
    let blocks = bytes.chunks(BLOCK.len()).enumerate();
    let (nth, block) = blocks
        .rev()
        .find(|(_, block)| Some(*block) != BLOCK.get(..block.len()))?;
    Some(nth * BLOCK.len() + block.iter().rposition(|&byte| byte != 0)?)
}

/// The error that names entries that were durable and are gone from the end of a segment.
pub fn lost(segment: &Segment, entries: Range<u64>) -> WalError {
    WalError::Lost {
        path: segment.path.clone(),
        offset: segment.end,
        first: entries.start,
        last: entries.end.saturating_sub(1),
    }
}

/// The error that names the first bad record of a segment.
pub fn damaged(segment: &Segment) -> WalError {
    let (offset, index) = (segment.end, segment.next_index());
    WalError::Damaged {
        path: segment.path.clone(),
        offset,
        index,
    }
}
