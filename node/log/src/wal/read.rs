//! Reading entries by index: the recent ones from memory, others from their segment.

use std::ops::Range;

use bytes::Bytes;

use super::error::LogFailure;
use super::record;
use super::segment::Segment;
use super::{Entry, Wal};

/// Most bytes read from a segment at once.
const CHUNK: u64 = 1 << 20;

impl Wal {
    /// The entries of `range` that the log has, in order, at least one if there is one, and no more
    /// once their payloads exceed `max_bytes`. Those read from disk have passed their checksums.
    pub fn read(&self, range: Range<u64>, max_bytes: usize) -> Result<Vec<Entry>, LogFailure> {
        let end = range.end.min(self.next_index());
        let mut next = range.start.max(self.first_index());
        let (mut entries, mut bytes) = (Vec::new(), 0usize);
        let recent = self.recent.front().map_or(u64::MAX, |entry| entry.at.index);
        while next < end && (bytes < max_bytes || entries.is_empty()) {
            if next >= recent {
                let Some(entry) = self.recent.get((next - recent) as usize) else {
                    break;
                };
                bytes = bytes.saturating_add(entry.payload.len());
                entries.push(entry.clone());
                next += 1;
                continue;
            }
            let after = self
                .segments
                .partition_point(|segment| segment.first_index <= next);
            let Some(segment) = after.checked_sub(1).and_then(|nth| self.segments.get(nth)) else {
                break;
            };
            let stop = end.min(recent).min(segment.next_index());
            let before = entries.len();
            for entry in read_chunk(segment, next..stop).map_err(|e| self.stopped_by("read", &e))? {
                if bytes >= max_bytes && !entries.is_empty() {
                    break;
                }
                bytes = bytes.saturating_add(entry.payload.len());
                entries.push(entry);
            }
            if entries.len() == before {
                break;
            }
            next += (entries.len() - before) as u64;
        }
        Ok(entries)
    }

    /// Keeps `entries`, and drops the oldest durable ones beyond the bound.
    pub(super) fn remember(&mut self, entries: Vec<Entry>) {
        self.recent_bytes += entries
            .iter()
            .map(|entry| entry.payload.len())
            .sum::<usize>();
        self.recent.extend(entries);
        let durable = self.progress.durable_next();
        while self.recent_bytes > self.options.recent_bytes
            && self
                .recent
                .front()
                .is_some_and(|entry| entry.at.index < durable)
        {
            let gone = self.recent.pop_front();
            self.recent_bytes -= gone.map_or(0, |entry| entry.payload.len());
        }
    }

    /// Drops the entries from `index` on.
    pub(super) fn forget_recent(&mut self, index: u64) {
        while self
            .recent
            .back()
            .is_some_and(|entry| entry.at.index >= index)
        {
            let gone = self.recent.pop_back();
            self.recent_bytes -= gone.map_or(0, |entry| entry.payload.len());
        }
    }
}

/// Reads as many records of `range` as lie in one chunk, at least one.
fn read_chunk(segment: &Segment, range: Range<u64>) -> Result<Vec<Entry>, String> {
    let start = segment.offset(range.start);
    let mut stop = range.start + 1;
    while stop < range.end && segment.offset(stop + 1) - start <= CHUNK {
        stop += 1;
    }
    let mut bytes = vec![0; (segment.offset(stop) - start) as usize];
    let path = segment.path.display();
    segment
        .file
        .read_at(&mut bytes, start)
        .map_err(|e| format!("{path}: {e}"))?;
    let bytes = Bytes::from(bytes);
    let entry = |index: u64| {
        let offset = (segment.offset(index) - start) as usize;
        let record = record::get(&bytes, offset, segment.epoch);
        record.filter(|record| record.entry.at.index == index).map(|record| record.entry).ok_or_else(|| {
            let at = segment.offset(index);
            format!("{path}: the record of entry {index} at offset {at} was valid and is damaged now")
        })
    };
    (range.start..stop).map(entry).collect()
}
