//! Records on disk.

use super::Disk;
use crate::tables::RecordRow;
use crate::{Direction, Record, StoreError};
use std::ops::Bound;

/// A record under its key.
pub(crate) type KeyedRecord = (Vec<u8>, Record);

impl Disk {
    /// The record under a row's key.
    pub fn record(&self, row_key: &[u8]) -> Result<Option<Record>, StoreError> {
        let value = self.records.get(row_key)?;
        value
            .map(|value| RecordRow::open(row_key, value.value()))
            .transpose()
    }

    /// Whether there is a record, readable or not, under a row's key.
    pub fn has_record(&self, row_key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.records.get(row_key)?.is_some())
    }

    /// The records between two keys, which are in order, one after the other.
    pub fn records(
        &self,
        keys: (Bound<&[u8]>, Bound<&[u8]>),
        direction: Direction,
    ) -> Result<impl Iterator<Item = Result<KeyedRecord, StoreError>> + use<>, StoreError> {
        let mut rows = self.records.range::<&[u8]>(keys)?;
        Ok(std::iter::from_fn(move || {
            let row = match direction {
                Direction::Forward => rows.next(),
                Direction::Backward => rows.next_back(),
            };
            row.map(|row| {
                let (key, value) = row?;
                let record = RecordRow::open(key.value(), value.value())?;
                Ok((key.value().to_vec(), record))
            })
        }))
    }
}
