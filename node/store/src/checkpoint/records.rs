//! Records that changed since the checkpoint before.

use super::Writer;
use crate::StoreError;
use crate::tables::{RECORDS, RecordRow};

impl Writer<'_> {
    pub(super) fn write_records(&mut self) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(RECORDS)?;
        for (key, changes) in &self.content.records {
            match changes.last().and_then(|change| change.record.as_ref()) {
                Some(record) => {
                    RecordRow::seal(key, record, &mut self.row);
                    table.insert(&**key, self.row.as_slice())?;
                }
                None => drop(table.remove(&**key)?),
            }
        }
        Ok(())
    }
}
