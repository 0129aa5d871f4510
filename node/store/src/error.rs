//! What can go wrong in a store.

use std::path::PathBuf;

/// Why the store could not do what it was asked for. None of these is ever an answer to the
/// question asked: a read that fails does not mean that something is absent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory of the store cannot be created or used.
    #[error("the store's directory {path} cannot be used: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not a store's, or was written by another version.
    #[error("{path} is not a store this version can open: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// Bytes on disk are not what was written.
    #[error("table {table} is damaged at key {key}: {what}")]
    Damaged {
        /// The table, as in docs/internals/on-disk-format.md.
        table: &'static str,
        /// The key, in hexadecimal.
        key: String,
        /// What does not hold.
        what: &'static str,
    },
    /// A page of the database is damaged so that it cannot even be told which row is.
    #[error("a page of the database is damaged: {0}")]
    DamagedPage(String),
    /// A batch that is not what [`crate::batch::Builder`] writes; its log entry cannot be applied.
    #[error("the batch is malformed: {0}")]
    Batch(&'static str),
    /// The database beneath refused.
    #[error("the database failed: {0}")]
    Database(Box<redb::Error>),
    /// An entry before could not be applied as a whole, so none after it may be.
    #[error("the store stopped when it could not apply an entry: {0}")]
    Stopped(String),
}

impl StoreError {
    /// Damage in `table` at `key`.
    pub(crate) fn damaged(table: &'static str, key: &[u8], what: &'static str) -> Self {
        let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
        StoreError::Damaged { table, key, what }
    }
}

/// Lets `?` take any of the database's errors.
macro_rules! from_database {
    ($($error:ty),+) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                StoreError::Database(Box::new(error.into()))
            }
        }
    )+};
}

from_database!(
    redb::Error,
    redb::DatabaseError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::CursorError
);
