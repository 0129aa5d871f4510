//! The database, and how it gets over a full disk.
//!
//! After an error of the file system the database refuses everything, reads too, until it is opened
//! again. When the disk was full, that is done here, at once: what was committed is durable, and what
//! was not is still in memory. After any other error it stays as it is, since nobody knows then what
//! the disk holds.

use crate::disk::{Disk, open};
use crate::guard::guard;
use crate::published::Frozen;
use crate::{Options, StoreError, checkpoint};
use redb::ReadableDatabase;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The database of a store.
#[derive(Debug)]
pub(crate) struct Base {
    files: Arc<dyn esdb_disk::Disk>,
    dir: PathBuf,
    options: Options,
    uuid: [u8; 16],
    database: open::Handle,
    disk: Arc<Disk>,
}

impl Base {
    /// Opens the database in `dir`, or creates it.
    pub fn open(
        files: Arc<dyn esdb_disk::Disk>,
        dir: &Path,
        options: Options,
    ) -> Result<Self, StoreError> {
        let (database, uuid) = guard(|| open::open(&*files, dir, options))?;
        let disk = read(&database)?;
        Ok(Self {
            files,
            dir: dir.to_owned(),
            options,
            uuid,
            database,
            disk,
        })
    }

    /// The store's UUID.
    pub fn uuid(&self) -> [u8; 16] {
        self.uuid
    }

    /// What the last checkpoint left.
    pub fn disk(&self) -> Arc<Disk> {
        self.disk.clone()
    }

    /// Writes a memtable, durably, and answers what is on disk then. When it fails, [`Base::disk`]
    /// is another one if the database was opened again.
    pub fn write(&mut self, frozen: &Frozen) -> Result<Arc<Disk>, StoreError> {
        if self.database.get().is_err() {
            self.reopen()?;
        }
        let written = guard(|| checkpoint::write(self.database.get()?, &self.disk, frozen));
        let written = written.and_then(|()| read(&self.database));
        match written {
            Ok(disk) => self.disk = disk,
            Err(error) => {
                if is_full(&error)
                    && let Err(again) = self.reopen()
                {
                    tracing::error!(error = %again, "the database could not be opened again");
                }
                return Err(error);
            }
        }
        Ok(self.disk())
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.database.close();
        let (database, _) = guard(|| open::open(&*self.files, &self.dir, self.options))?;
        self.database = database;
        let disk = read(&self.database)?;
        // A commit that failed when it was all but done may show now, and not after the next power
        // cut. It must not be built upon.
        if disk.state != self.disk.state {
            drop(disk);
            self.database.close();
            let text = "a checkpoint failed, and yet is there: start the server again";
            return Err(StoreError::Stopped(text.to_owned()));
        }
        self.disk = disk;
        Ok(())
    }
}

fn read(database: &open::Handle) -> Result<Arc<Disk>, StoreError> {
    guard(|| Ok(Arc::new(Disk::begin(&database.get()?.begin_read()?)?)))
}

/// Whether the file system had no room, or none for a file of that length.
fn is_full(error: &StoreError) -> bool {
    let StoreError::Database(error) = error else {
        return false;
    };
    let redb::Error::Io(error) = &**error else {
        return false;
    };
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}
