//! What a store costs: a node has room for a thousand of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::store::append_one;
use esdb_log::{Disk, File, Options, RealDisk, Replica};

/// The real disk, and how often something on it was synced, of which so many succeed.
#[derive(Debug, Clone)]
struct CountingDisk(Arc<AtomicU64>, u64);

impl Default for CountingDisk {
    fn default() -> Self {
        Self(Arc::default(), u64::MAX)
    }
}

impl CountingDisk {
    fn syncs(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn sync(&self) -> io::Result<()> {
        match self.0.fetch_add(1, Ordering::SeqCst) < self.1 {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(5)),
        }
    }

    fn counted(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(CountingFile(self.clone(), file))
    }
}

impl Disk for CountingDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        RealDisk.create(path).map(|file| self.counted(file))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        RealDisk.open(path).map(|file| self.counted(file))
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
        self.sync()?;
        RealDisk.sync_dir(path)
    }
}

#[derive(Debug)]
struct CountingFile(CountingDisk, Arc<dyn File>);

impl File for CountingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
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
        self.0.sync()?;
        self.1.sync_data()
    }
    fn try_lock(&self) -> io::Result<bool> {
        self.1.try_lock()
    }
    fn unlock(&self) -> io::Result<()> {
        self.1.unlock()
    }
}

fn open(disk: &CountingDisk, dir: &Path) -> Replica {
    let options = Options {
        disk: Arc::new(disk.clone()),
        ..Options::default()
    };
    Replica::open(dir, options).unwrap()
}

/// An fsync takes as long as the disk is slow, so creating a store takes as long as its fsyncs.
#[test]
fn creating_one_takes_ten_fsyncs_and_opening_it_four() {
    let dir = tempfile::tempdir().unwrap();
    let disk = CountingDisk::default();
    let replica = open(&disk, dir.path());
    let created = disk.syncs();
    assert!(created <= 10, "{created} fsyncs");
    assert_eq!(append_one(&replica, "s", b"x"), 0);
    assert_eq!(disk.syncs(), created + 1, "one append, one fsync");
    replica.shutdown();
    drop(replica);
    let closed = disk.syncs();
    let replica = open(&disk, dir.path());
    // What a killed process may have left: names, and the newest segment. The database notes that it
    // is open.
    assert_eq!(disk.syncs(), closed + 4);
    drop(replica);
}

#[test]
fn a_creation_that_failed_anywhere_is_completed_by_the_next() {
    for syncs in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let failing = CountingDisk(Arc::default(), syncs);
        let options = Options {
            disk: Arc::new(failing),
            ..Options::default()
        };
        Replica::open(dir.path(), options).expect_err("it cannot be durable");
        let replica = open(&CountingDisk::default(), dir.path());
        assert_eq!(append_one(&replica, "s", b"x"), 0, "after {syncs} syncs");
    }
}

/// The files of an idle store, and the memory that its pages take.
#[test]
fn an_idle_one_has_less_than_a_mebibyte_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let replica = open(&CountingDisk::default(), dir.path());
    append_one(&replica, "s", &[7; 1000]);
    assert!(taken(dir.path()) < 1 << 20, "open: {}", taken(dir.path()));
    replica.shutdown();
    drop(replica);
    assert!(taken(dir.path()) < 1 << 20, "closed: {}", taken(dir.path()));
}

/// Bytes that the files of a directory take on disk.
fn taken(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let bytes = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => taken(&entry.path()),
        false => entry.metadata().unwrap().blocks() * 512,
    });
    bytes.sum()
}
