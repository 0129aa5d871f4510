//! Positions of a term on disk.

use super::Disk;
use crate::{StoreError, postings};

impl Disk {
    /// Positions of a term from `from` on, as many as their row holds; empty if there is none.
    pub fn positions(&self, term: &[u8], from: u64) -> Result<Vec<u64>, StoreError> {
        let row = postings::find(&self.postings, term, from)?;
        let mut positions = row.map(|(_, row)| row.positions).unwrap_or_default();
        positions.drain(..positions.partition_point(|position| *position < from));
        Ok(positions)
    }
}
