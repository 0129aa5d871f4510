//! Changing records.

use super::Machine;
use crate::memtable::Bound;
use crate::{Outcome, Record, RecordOp, StoreError};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

impl Machine {
    /// Executes operations on records, all of them or, if it fails, none.
    pub(super) fn records(
        &mut self,
        clock_us: u64,
        batch: &Bytes,
        operations: &[RecordOp<'_>],
    ) -> Result<Outcome, StoreError> {
        let existed = self.existing(operations)?;
        let epoch_us = self.next_epoch(clock_us);
        let next_position = self.state.next_position;
        let counts = Arc::make_mut(&mut self.state.records);
        let mut content = self.published.active.write();
        let mut bytes = 0;
        for (operation, existed) in operations.iter().zip(&existed) {
            let (space, key, record) = match *operation {
                RecordOp::Put { space, key, value } => {
                    let record = Record {
                        value: batch.slice_ref(value),
                        epoch_us,
                        next_position,
                    };
                    (space, key, Some(record))
                }
                RecordOp::Delete { space, key } => (space, key, None),
            };
            let count = counts.entry(space).or_default();
            *count = (*count + u64::from(record.is_some())).saturating_sub(u64::from(*existed));
            bytes += content.put_record(space.row_key(key), self.tick, record);
        }
        counts.retain(|_, count| *count > 0);
        drop(content);
        self.published.active.charge(bytes);
        self.tick += 1;
        let existed = existed.iter().filter(|existed| **existed).count();
        Ok(Outcome::Recorded {
            epoch_us,
            next_position,
            existed: u32::try_from(existed).unwrap_or(u32::MAX),
        })
    }

    /// Whether each operation finds a record under its key, after the operations before it.
    fn existing(&self, operations: &[RecordOp<'_>]) -> Result<Vec<bool>, StoreError> {
        let mut left = HashMap::new();
        let mut existing = Vec::with_capacity(operations.len());
        for operation in operations {
            let (space, key, stays) = match *operation {
                RecordOp::Put { space, key, .. } => (space, key, true),
                RecordOp::Delete { space, key } => (space, key, false),
            };
            existing.push(match left.insert((space, key), stays) {
                Some(before) => before,
                None => self.published.has_record(&space.row_key(key), Bound::ALL)?,
            });
        }
        Ok(existing)
    }
}
