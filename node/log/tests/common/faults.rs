//! A disk that does what a test asks for: full, failing, or holding its breath.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use esdb_log::{Disk, File, RealDisk};
use parking_lot::{Condvar, Mutex};

/// The real disk, and faults that can be switched on while it is in use. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct FaultyDisk(Arc<Faults>);

#[derive(Debug, Default)]
pub struct Faults {
    /// No write may make a file longer.
    pub full: AtomicBool,
    /// If not 0: no write may make a file longer than this.
    pub room: AtomicU64,
    /// A new file of the log's notes finds no space.
    pub full_for_meta: AtomicBool,
    /// Writes fail with EIO after half of their bytes.
    pub short_writes: AtomicBool,
    /// Fsyncs of files fail with EIO.
    pub failing_syncs: AtomicBool,
    /// Fsyncs of files that were asked for.
    pub syncs: AtomicU64,
    /// Writes to the state's file fail with EIO from this offset on.
    pub state_fails_from: Mutex<Option<u64>>,
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    hold: bool,
    waiting: usize,
}

impl FaultyDisk {
    pub fn faults(&self) -> &Faults {
        &self.0
    }

    fn write(&self, file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.0.full.load(Ordering::SeqCst) && offset + bytes.len() as u64 > file.len()? {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let room = self.0.room.load(Ordering::SeqCst);
        let end = offset + bytes.len() as u64;
        if room > 0 && end > room && end > file.len()? {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        if self.0.short_writes.load(Ordering::SeqCst) {
            file.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(eio());
        }
        file.write_at(bytes, offset)
    }
}

impl Faults {
    pub fn set(&self, fault: &AtomicBool, on: bool) {
        fault.store(on, Ordering::SeqCst);
    }

    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::SeqCst)
    }

    /// From now on fsyncs of appends to a store's log wait.
    pub fn hold_syncs(&self) {
        self.held.lock().hold = true;
    }

    /// Returns when such an fsync waits: something is written, and not acknowledged.
    pub fn await_held_sync(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut held = self.held.lock();
        while held.waiting == 0 {
            assert!(
                !self.changed.wait_until(&mut held, deadline).timed_out(),
                "no fsync came"
            );
        }
    }

    /// Lets fsyncs go on.
    pub fn release_syncs(&self) {
        self.held.lock().hold = false;
        self.changed.notify_all();
    }

    fn sync(&self, of_append: bool) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        if of_append {
            let mut held = self.held.lock();
            held.waiting += 1;
            self.changed.notify_all();
            while held.hold {
                self.changed.wait(&mut held);
            }
            held.waiting -= 1;
        }
        if self.failing_syncs.load(Ordering::SeqCst) {
            Err(eio())
        } else {
            Ok(())
        }
    }
}

/// "Input/output error".
pub fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl Disk for FaultyDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        if of_the_state(path) {
            return Ok(Arc::new(StateFile(self.clone(), RealDisk.create(path)?)));
        }
        if path.ends_with("LOCK") {
            return RealDisk.create(path);
        }
        if path.ends_with("meta.new") && self.0.full_for_meta.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(Arc::new(FaultyFile::new(
            self,
            RealDisk.create(path)?,
            false,
        )))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        if of_the_state(path) {
            return Ok(Arc::new(StateFile(self.clone(), RealDisk.open(path)?)));
        }
        if path.ends_with("LOCK") {
            return RealDisk.open(path);
        }
        Ok(Arc::new(FaultyFile::new(self, RealDisk.open(path)?, true)))
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

/// The state's file has faults of its own.
#[derive(Debug)]
struct StateFile(FaultyDisk, Arc<dyn File>);

impl File for StateFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let bad = *self.0.faults().state_fails_from.lock();
        if bad.is_some_and(|from| offset + bytes.len() as u64 > from) {
            return Err(eio());
        }
        self.1.write_at(bytes, offset)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.read_at(buffer, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.1.len()
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.1.set_len(length)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.1.sync_data()
    }
    fn try_lock(&self) -> io::Result<bool> {
        self.1.try_lock()
    }
    fn unlock(&self) -> io::Result<()> {
        self.1.unlock()
    }
}

fn of_the_state(path: &Path) -> bool {
    path.ends_with("state.redb") || path.ends_with("state.new")
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    file: Arc<dyn File>,
    /// It has the header of a segment, so what is written behind that is an append.
    begun: AtomicBool,
    /// An append was written and not synced.
    appended: AtomicBool,
}

/// Length of a segment's header.
const HEADER: usize = 64;

impl FaultyFile {
    fn new(disk: &FaultyDisk, file: Arc<dyn File>, begun: bool) -> Self {
        let (begun, appended) = (AtomicBool::new(begun), AtomicBool::default());
        Self {
            disk: disk.clone(),
            file,
            begun,
            appended,
        }
    }
}

impl File for FaultyFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if offset == 0 && bytes.len() == HEADER {
            self.begun.store(true, Ordering::SeqCst);
        }
        if offset >= HEADER as u64 && self.begun.load(Ordering::SeqCst) {
            self.appended.store(true, Ordering::SeqCst);
        }
        self.disk.write(&*self.file, bytes, offset)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buffer, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }
    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
    fn sync_data(&self) -> io::Result<()> {
        self.disk
            .0
            .sync(self.appended.swap(false, Ordering::SeqCst))?;
        self.file.sync_data()
    }
}
