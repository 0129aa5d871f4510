//! What a check tells.

use crate::pages::BadPage;
use std::fmt;
use std::path::{Path, PathBuf};

/// Something that a check has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Bytes are not what was written.
    Damage(Damage),
    /// Nothing is wrong, but an operator should know.
    Note {
        /// The file or directory.
        path: PathBuf,
        /// What there is to know.
        what: String,
    },
    /// How far the check of a file is, in bytes.
    Progress {
        /// The file.
        path: PathBuf,
        /// Bytes that were checked.
        done: u64,
        /// Bytes that there are.
        total: u64,
    },
}

impl Report {
    /// A note about a file or directory.
    pub fn note(path: &Path, what: impl Into<String>) -> Self {
        Report::Note {
            path: path.to_owned(),
            what: what.into(),
        }
    }
}

/// A place that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in the file, in bytes; that of a page, if it is on one.
    pub offset: Option<u64>,
    /// Table and key, or the log's entry, if these are known.
    pub place: Option<String>,
    /// What does not hold.
    pub what: String,
}

impl Damage {
    /// Damage to a file as a whole.
    pub fn of_file(path: &Path, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            offset: None,
            place: None,
            what: what.into(),
        }
    }

    pub(super) fn of_page(path: &Path, bad: BadPage, place: Option<String>) -> Self {
        Self {
            path: path.to_owned(),
            offset: Some(bad.offset),
            place,
            what: bad.what,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(offset) = self.offset {
            write!(f, ": offset {offset}")?;
        }
        if let Some(place) = &self.place {
            write!(f, ": {place}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Bytes as text where they are one, else in hexadecimal.
pub(super) fn show(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => format!("{text:?}"),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
