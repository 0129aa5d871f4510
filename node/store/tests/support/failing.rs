//! A disk whose medium fails when a test says so.

use esdb_disk::{Disk, File, RealDisk};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// The real disk, and errors that can be switched on. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct FailingDisk(Arc<Failing>);

#[derive(Debug, Default)]
pub struct Failing {
    /// Reads that touch these offsets of a file fail.
    pub reads: parking_lot::Mutex<Range<u64>>,
    /// The read after so many others fails, and no further one.
    pub read: Countdown,
    /// The write after so many others fails, and no further one.
    pub write: Countdown,
    /// The sync after so many others fails, and no further one.
    pub sync: Countdown,
    /// Files cannot be opened.
    pub opens: AtomicBool,
}

/// Calls until one fails; 0: none does.
#[derive(Debug, Default)]
pub struct Countdown(AtomicU64);

impl Countdown {
    /// The `nth` call from now on fails.
    pub fn fail(&self, nth: u64) {
        self.0.store(nth, SeqCst);
    }

    /// Whether the failure has not come yet.
    pub fn waits(&self) -> bool {
        self.0.load(SeqCst) > 0
    }

    fn call(&self) -> io::Result<()> {
        let next = |left: u64| left.checked_sub(1);
        fail_if(self.0.fetch_update(SeqCst, SeqCst, next) == Ok(1))
    }
}

impl FailingDisk {
    pub fn failing(&self) -> &Failing {
        &self.0
    }

    pub fn mend(&self) {
        *self.0.reads.lock() = 0..0;
        self.0.read.fail(0);
        self.0.write.fail(0);
        self.0.sync.fail(0);
        self.0.opens.store(false, SeqCst);
    }

    fn file(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(FailingFile(self.clone(), file))
    }
}

/// "Input/output error", if it is so.
fn fail_if(fault: bool) -> io::Result<()> {
    match fault {
        true => Err(io::Error::from_raw_os_error(5)),
        false => Ok(()),
    }
}

impl Disk for FailingDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.file(RealDisk.create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        fail_if(self.0.opens.load(SeqCst))?;
        Ok(self.file(RealDisk.open(path)?))
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        RealDisk.read_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_dir(path)
    }
}

#[derive(Debug)]
struct FailingFile(FailingDisk, Arc<dyn File>);

impl File for FailingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.0.write.call()?;
        self.1.write_at(bytes, offset)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.0.read.call()?;
        let bad = self.0.0.reads.lock().clone();
        fail_if(offset < bad.end && bad.start < offset + buffer.len() as u64)?;
        self.1.read_at(buffer, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.1.len()
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.1.set_len(length)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.0.sync.call()?;
        self.1.sync_data()
    }
    fn try_lock(&self) -> io::Result<bool> {
        self.1.try_lock()
    }
    fn unlock(&self) -> io::Result<()> {
        self.1.unlock()
    }
}
