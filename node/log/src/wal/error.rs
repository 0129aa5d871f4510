//! Why a log can not be opened, and why it stopped.

use std::io;
use std::path::{Path, PathBuf};

/// Why a log can not be opened. Nothing was changed on disk.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The operating system refused.
    #[error("{}: {action}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what its name says, or of a later version.
    #[error(
        "{}: {reason}; if it was put there by hand, move it away; if this directory was written by a \
         later version, start that one; otherwise restore the store from a backup",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file belongs to another store.
    #[error(
        "{}: belongs to the store {}, but this directory holds the store {}; the directories of two \
         stores were mixed: put each file back where it was",
        path.display(), hex(found), hex(expected)
    )]
    OtherStore {
        /// The file.
        path: PathBuf,
        /// The store the file names.
        found: [u8; 16],
        /// The store of this directory.
        expected: [u8; 16],
    },
    /// Bytes that were durable are damaged: not a torn tail, since valid records follow.
    #[error(
        "{}: damaged at offset {offset}: the record of entry {index} is not valid, yet what was \
         written after it is; acknowledged entries would be lost by going on. Restore this directory \
         from a backup; to look at what is left, work on a copy of it",
        path.display()
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Offset of the bad record in bytes.
        offset: u64,
        /// Index of the entry that should be there.
        index: u64,
    },
    /// The log ends before entries that were durable.
    #[error(
        "{}: the log ends at offset {offset}, but entries {first} to {last} were durable, as the file \
         `end` beside it tells. Restore this directory from a backup. To go on without these entries, \
         for good, move `end` away",
        path.display()
    )]
    Lost {
        /// The newest segment.
        path: PathBuf,
        /// Where its last good record ends, in bytes.
        offset: u64,
        /// Index of the first entry that is gone.
        first: u64,
        /// Index of the last entry that is known to be gone.
        last: u64,
    },
    /// A segment, or the entries between two, are not there.
    #[error(
        "{}: {what}; put the missing file back, or restore this directory from a backup",
        path.display()
    )]
    Missing {
        /// The file that is missing, or the first one after the gap.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
}

impl WalError {
    /// Wraps an error of the operating system.
    pub fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            action,
            source,
        }
    }
}

/// Why an operation on an open log was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogFailure {
    /// No space for more entries. The log is as it was: the same call may succeed later.
    #[error("no space left for the log: {0}")]
    Full(String),
    /// The log can not be written any more, and says why for ever: what a failed write or fsync left
    /// on disk is unknown until the log is opened again.
    #[error("the log stopped: {0}")]
    Stopped(String),
    /// The caller broke a rule of the log (a hole, say). Nothing was changed.
    #[error("{0}")]
    Misuse(String),
}

/// True for the errors that more space would cure, or a smaller file.
pub fn is_out_of_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
