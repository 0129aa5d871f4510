//! The real file system, for looking only.

use crate::{Disk, File, RealFile};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The real file system, of which nothing can be changed: files are opened for reading, and every
/// call that would change something fails with [`io::ErrorKind::ReadOnlyFilesystem`].
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOnlyDisk;

fn refuse<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for ReadOnlyDisk {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        refuse()
    }

    fn create(&self, _: &Path) -> io::Result<Arc<dyn File>> {
        refuse()
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile(fs::File::open(path)?)))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        crate::RealDisk.read_dir(path)
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        refuse()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        refuse()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        refuse()
    }
}
