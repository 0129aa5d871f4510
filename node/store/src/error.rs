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
    /// The file is another store's.
    #[error(
        "{path} belongs to the store {}, but this directory holds the store {}; the files of two \
         stores were mixed: put each back where it was",
        hex(found),
        hex(expected)
    )]
    OtherStore {
        /// The file.
        path: PathBuf,
        /// The store the file names.
        found: [u8; 16],
        /// The store of this directory.
        expected: [u8; 16],
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
    /// The operating system refused to read or write the database's file. Names file and place.
    #[error("disk error: {0}")]
    Disk(#[source] std::io::Error),
    /// The database beneath refused.
    #[error("the database failed: {0}")]
    Database(Box<redb::Error>),
    /// An entry before could not be applied as a whole, so none after it may be; or the database
    /// could not be opened again after a disk error.
    #[error("the store stopped: {0}")]
    Stopped(String),
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl StoreError {
    /// Damage in `table` at `key`.
    pub(crate) fn damaged(table: &'static str, key: &[u8], what: &'static str) -> Self {
        let key = hex(key);
        StoreError::Damaged { table, key, what }
    }

    /// Whether there was no room on the disk, or none for a file of that length.
    pub fn is_full(&self) -> bool {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(
            self.system().map(std::io::Error::kind),
            Some(StorageFull | QuotaExceeded | FileTooLarge)
        )
    }

    /// Whether it may pass by itself: room comes back, and so do open files.
    pub(crate) fn may_pass(&self) -> bool {
        const TOO_MANY_OPEN_FILES: [Option<i32>; 2] = [Some(23), Some(24)];
        let number = self.system().map(std::io::Error::raw_os_error);
        self.is_full() || number.is_some_and(|number| TOO_MANY_OPEN_FILES.contains(&number))
    }

    /// What the operating system said, if it was asked.
    fn system(&self) -> Option<&std::io::Error> {
        match self {
            StoreError::Disk(error) | StoreError::Directory { source: error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => StoreError::Disk(error),
            // Whoever met the first one was told which it was.
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
                let text = "an earlier one, named in the store's status; try again";
                StoreError::Disk(std::io::Error::other(text))
            }
            error => StoreError::Database(Box::new(error)),
        }
    }
}

/// Lets `?` take any of the database's errors.
macro_rules! from_database {
    ($($error:ty),+) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )+};
}

from_database!(
    redb::DatabaseError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::CursorError
);
