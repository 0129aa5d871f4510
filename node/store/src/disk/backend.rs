//! The database's file, as the database asks for it.

use super::health::Health;
use esdb_disk::File;
use redb::{BackendError, StorageBackend};
use std::fmt::Display;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// A file that the database works on.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    file: Arc<dyn File>,
    path: Arc<Path>,
    health: Arc<Health>,
    /// Nothing is synced: if the system fell now, the whole file would be made anew.
    unfinished: Arc<AtomicBool>,
}

impl Backend {
    /// A file that holds a database. Its errors are noted, and name `path`.
    pub fn new(file: Arc<dyn File>, path: &Path, health: &Arc<Health>) -> Self {
        Self {
            file,
            path: path.into(),
            health: health.clone(),
            unfinished: Arc::default(),
        }
    }

    /// A file that is to hold one. Nothing in it is durable before [`Backend::finish`].
    pub fn unfinished(file: Arc<dyn File>, path: &Path, health: &Arc<Health>) -> Self {
        let backend = Self::new(file, path, health);
        backend.unfinished.store(true, SeqCst);
        backend
    }

    /// Makes what was written so far durable, and from now on what the database wants to be.
    pub fn finish(&self) -> io::Result<()> {
        self.unfinished.store(false, SeqCst);
        self.told("sync", self.file.sync_data())
    }

    /// The result, or an error of its kind that says what was tried where.
    fn told<T>(&self, tried: impl Display, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let text = format!("{}: {tried}: {error}", self.path.display());
            self.health.note(text.clone());
            io::Error::new(error.kind(), text)
        })
    }
}

/// Only the whole file is locked: more than one process never uses it.
fn whole(start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
    match (start, end) {
        (Bound::Unbounded | Bound::Included(0), Bound::Unbounded) => Ok(()),
        _ => Err(BackendError::Unsupported),
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.told("measure", self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let length = out.len();
        let read = self.file.read_at(out, offset);
        self.told(format_args!("read {length} bytes at {offset}"), read)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let tried = format_args!("set the length to {length}");
        self.told(tried, self.file.set_len(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.unfinished.load(SeqCst) {
            true => Ok(()),
            false => self.told("sync", self.file.sync_data()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let tried = format_args!("write {} bytes at {offset}", data.len());
        self.told(tried, self.file.write_at(data, offset))
    }

    fn close(&self) -> io::Result<()> {
        self.file.unlock()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        whole(start, end)?;
        Ok(self.file.try_lock()?)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        whole(start, end)?;
        Ok(self.file.unlock()?)
    }
}
