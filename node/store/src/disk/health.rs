//! What the operating system last said against the database's file.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// How the database's file has behaved since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failed: AtomicBool,
    last: Mutex<Option<String>>,
}

impl Health {
    /// Notes an error: the database refuses everything from then on.
    pub fn note(&self, error: String) {
        self.tell(error);
        self.failed.store(true, SeqCst);
    }

    /// Notes an error that the database did not meet.
    pub fn tell(&self, error: String) {
        tracing::error!(error, "the database's file failed");
        *self.last.lock() = Some(error);
    }

    /// The database was opened again, or is about to be.
    pub fn begin_anew(&self) {
        self.failed.store(false, SeqCst);
    }

    /// Whether there was an error since the database was opened.
    pub fn failed(&self) -> bool {
        self.failed.load(SeqCst)
    }

    /// The last error since the store was opened: file, what was tried, what the system said.
    pub fn last(&self) -> Option<String> {
        self.last.lock().clone()
    }
}
