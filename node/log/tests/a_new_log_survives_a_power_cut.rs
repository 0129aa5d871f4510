//! A power cut takes every name that its directory was not synced for. An acknowledged entry of a log
//! that was just created is there all the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{append, assert_holds, open, open_on};
use esdb_log::{Disk, File, RealDisk};
use parking_lot::Mutex;

/// The real disk, and the names on it that are not durable yet. Clones are the same disk.
#[derive(Debug, Clone, Default)]
struct Forgetful(Arc<Mutex<BTreeSet<PathBuf>>>);

impl Forgetful {
    fn named(&self, path: &Path) {
        self.0.lock().insert(path.to_owned());
    }

    fn cut_power(&self) {
        for path in std::mem::take(&mut *self.0.lock()) {
            // Those within a directory that is gone went with it.
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        }
    }
}

impl Disk for Forgetful {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if !path.exists() {
            self.named(path);
        }
        RealDisk.create_dir(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.named(path);
        RealDisk.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        RealDisk.open(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        RealDisk.read_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.lock().remove(from);
        self.named(to);
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.lock().remove(path);
        RealDisk.remove(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.lock().retain(|name| name.parent() != Some(path));
        RealDisk.sync_dir(path)
    }
}

#[test]
fn in_a_directory_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, log) = (Forgetful::default(), dir.path().join("log"));
    let (mut wal, _) = open_on(Arc::new(disk.clone()), &log).unwrap();
    // Over several segments.
    for index in 0..12 {
        append(&mut wal, index..index + 1, 1000);
    }
    disk.cut_power();
    drop(wal);
    let (wal, cut) = open_on(Arc::new(disk), &log).unwrap();
    assert_eq!(cut, None);
    assert_holds(&wal, 0..12, 1000);
}

#[test]
fn an_unfinished_creation_begins_anew() {
    for left in ["segment.new", "meta.new"] {
        for bytes in [&[][..], &[0; 4096]] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(left), bytes).unwrap();
            let (mut wal, _) = open(dir.path()).unwrap();
            append(&mut wal, 0..3, 100);
            drop(wal);
            let (wal, _) = open(dir.path()).unwrap();
            assert_holds(&wal, 0..3, 100);
            assert!(!dir.path().join(left).exists(), "{left} is left");
        }
    }
}
