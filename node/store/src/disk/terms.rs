//! Positions of a term on disk.

use super::Disk;
use crate::StoreError;
use crate::postings::{open, position_of, row_key};

impl Disk {
    /// The row of positions of a term that holds the first one at `from` or after it, without what
    /// it holds before; empty if there is none.
    pub fn positions(&self, term: &[u8], from: u64) -> Result<Vec<u64>, StoreError> {
        let at = row_key(term, from);
        let start = term.to_vec();
        if let Some(row) = self.postings.range::<&[u8]>(&*start..=&*at)?.next_back() {
            let (key, value) = row?;
            if let Some(first) = position_of(term, key.value()) {
                let mut positions = open(key.value(), first, value.value())?;
                positions.drain(..positions.partition_point(|position| *position < from));
                if !positions.is_empty() {
                    return Ok(positions);
                }
            }
        }
        let end = row_key(term, u64::MAX);
        if let Some(row) = self.postings.range::<&[u8]>(&*at..=&*end)?.next() {
            let (key, value) = row?;
            if let Some(first) = position_of(term, key.value()) {
                return open(key.value(), first, value.value());
            }
        }
        Ok(Vec::new())
    }
}
