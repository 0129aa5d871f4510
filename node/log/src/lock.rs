//! One server for one directory: a locked file.
//!
//! The lock is the operating system's: it goes with the process, however that ends, so that nothing
//! has to be cleaned up after a crash.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use esdb_disk::{Disk, File};

/// Name of the file.
pub const NAME: &str = "LOCK";

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: Arc<dyn File>,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Someone has it.
    #[error(
        "{} is locked: another server{} uses this directory. Stop it first, or give this one a \
         directory of its own",
        path.display(), holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The locked file.
        path: PathBuf,
        /// The process that wrote its number into it.
        holder: Option<u32>,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Lock {
    /// Locks the directory `dir` for somebody who only looks, and changes nothing. `None` if nobody has
    /// ever used it.
    pub fn look(disk: &dyn Disk, dir: &Path) -> Result<Option<Self>, LockError> {
        let path = dir.join(NAME);
        let failed = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        match disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(source)),
            Ok(file) => match file.try_lock().map_err(failed)? {
                true => Ok(Some(Self { _file: file })),
                false => {
                    let holder = holder(&*file);
                    Err(LockError::InUse { path, holder })
                }
            },
        }
    }

    /// Locks the directory `dir`.
    pub fn take(disk: &dyn Disk, dir: &Path) -> Result<Self, LockError> {
        let path = dir.join(NAME);
        let failed = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let file = open(disk, &path).map_err(failed)?;
        if !file.try_lock().map_err(failed)? {
            let holder = holder(&*file);
            return Err(LockError::InUse { path, holder });
        }
        let number = format!("{}\n", std::process::id());
        file.set_len(0).map_err(failed)?;
        file.write_at(number.as_bytes(), 0).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Opens the file, or makes it; another server may do so at the same moment.
fn open(disk: &dyn Disk, path: &Path) -> io::Result<Arc<dyn File>> {
    match disk.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match disk.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => disk.open(path),
            created => created,
        },
        opened => opened,
    }
}

/// The process whose number the file holds.
fn holder(file: &dyn File) -> Option<u32> {
    let mut text = vec![0; file.len().ok()?.min(32) as usize];
    file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text).ok()?.trim().parse().ok()
}
