//! The database, and how it gets over an error of the disk.
//!
//! After an error of the file system the database refuses everything, reads too, until it is opened
//! again. That is done here: what was committed is durable, and what was not is still in memory and
//! in the log. A page that cannot be read costs those who need it, and nobody else. When the database
//! cannot be opened again, and not for want of room, it stays closed and the store stops.

use crate::disk::health::Health;
use crate::disk::{Disk, open};
use crate::guard::guard;
use crate::meta::State;
use crate::published::Frozen;
use crate::{Options, StoreError, checkpoint};
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
    health: Arc<Health>,
    /// Why the database cannot be used any more.
    stopped: Option<String>,
}

impl Base {
    /// Opens the database in `dir`, or creates it.
    pub fn open(
        files: Arc<dyn esdb_disk::Disk>,
        dir: &Path,
        options: Options,
    ) -> Result<Self, StoreError> {
        let health = Arc::default();
        let (database, uuid) = guard(|| open::open(&*files, dir, options, &health))?;
        let disk = read(&database)?;
        Ok(Self {
            files,
            dir: dir.to_owned(),
            options,
            uuid,
            database,
            disk,
            health,
            stopped: None,
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

    /// What the operating system said against the database's file.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Why the database cannot be used any more, if that is so.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Closes the database for good; its file says so from then on.
    pub fn close(&mut self) {
        self.stopped
            .get_or_insert_with(|| "it was closed".to_owned());
        self.database.close();
    }

    /// Writes a memtable, durably, and answers what is on disk then. When it fails, [`Base::disk`]
    /// is another one if the database was opened again.
    pub fn write(&mut self, frozen: &Frozen) -> Result<Arc<Disk>, StoreError> {
        self.recover(None)?;
        let written = guard(|| checkpoint::write(self.database.get()?, &self.disk, frozen));
        let written = written.and_then(|()| {
            // It is durable: to go on from what was there before would write it twice.
            read(&self.database).inspect_err(|error| self.health.note(error.to_string()))
        });
        match written {
            Ok(disk) => self.disk = disk,
            Err(error) => {
                // What cannot be opened again tells so itself.
                let _ = self.recover(Some(&frozen.state));
                if self.disk.state != frozen.state {
                    return Err(error);
                }
            }
        }
        Ok(self.disk())
    }

    /// Opens the database again if it refuses everything since an error of the file system. The
    /// checkpoint that met the error may be there then: its pages were synced before the header that
    /// names it was written, and opening has just synced that header.
    pub fn recover(&mut self, written: Option<&State>) -> Result<(), StoreError> {
        if let Some(reason) = &self.stopped {
            return Err(StoreError::Stopped(reason.clone()));
        }
        if self.database.get().is_ok() && !self.health.failed() {
            return Ok(());
        }
        let reopened = self.reopen(written);
        match &reopened {
            Ok(()) => tracing::warn!(dir = %self.dir.display(), "opened the database again"),
            Err(error) => {
                self.health.note(error.to_string());
                if !error.may_pass() {
                    self.stopped = Some(error.to_string());
                }
            }
        }
        reopened
    }

    fn reopen(&mut self, written: Option<&State>) -> Result<(), StoreError> {
        self.database.close();
        self.health.begin_anew();
        let open = || open::open_existing(&*self.files, &self.dir, self.options, &self.health);
        let opened = guard(open);
        (self.database, _) = opened?;
        let disk = read(&self.database)?;
        if disk.state != self.disk.state && Some(&disk.state) != written {
            drop(disk);
            self.database.close();
            let text = "the database is not the one that was closed: start the server again";
            return Err(StoreError::Stopped(text.to_owned()));
        }
        self.disk = disk;
        Ok(())
    }
}

fn read(database: &open::Handle) -> Result<Arc<Disk>, StoreError> {
    guard(|| Ok(Arc::new(database.read()?)))
}
