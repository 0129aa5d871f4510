//! A process that is killed at any step of a checkpoint, or of forgetting the log below it, leaves a
//! store that holds everything.
//!
//! Each step kills a process of its own: this test's binary, begun again for the other test below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::copy;
use common::store::call;
use esdb_log::{Disk, File, Options, RealDisk, Replica};
use esdb_testing::model::Model;
use esdb_testing::operation::{command, draw};

const DIRECTORY: &str = "RS_ESDB_KILL_IN";
const STEP: &str = "RS_ESDB_KILL_AT";
const SIGKILL: i32 = 9;

/// Small segments, so that a checkpoint lets go of some.
fn options(disk: Arc<dyn Disk>) -> Options {
    let mut options = Options {
        wal: common::SMALL,
        disk,
        ..Options::default()
    };
    options.store.cache_bytes = 1 << 20;
    options
}

fn open(dir: &Path) -> Replica {
    Replica::open(dir, options(Arc::new(RealDisk))).unwrap()
}

/// Fills a store with two halves of a history, and writes a checkpoint between the two.
fn fill(dir: &Path) -> Model {
    let mut model = Model::default();
    for (nth, half) in draw(&command(), 80, 7).chunks(40).enumerate() {
        let replica = open(dir);
        for command in half {
            let command = model.resolve(command.clone());
            call(&replica, command.encode()).unwrap();
            model.execute(&command, None);
        }
        if nth == 0 {
            replica.shutdown();
        }
    }
    model
}

#[test]
fn everything_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = fill(dir.path());
    model.learn_times_from(&open(dir.path()).view()).unwrap();
    model.check(&open(dir.path()).view()).unwrap();
    let mut steps: BTreeMap<String, usize> = BTreeMap::new();
    for step in 0.. {
        let image = tempfile::tempdir().unwrap();
        copy(dir.path(), image.path());
        let Some(name) = kill_at(step, image.path()) else {
            break;
        };
        let replica = open(image.path());
        let checked = model.check(&replica.view());
        checked.unwrap_or_else(|error| panic!("killed {name} (step {step}): {error}"));
        *steps.entry(name).or_default() += 1;
    }
    println!("{steps:#?}");
    for name in [
        "before write of state.redb",
        "within write of state.redb",
        "before sync of state.redb",
        "before create of meta.new",
        "within write of meta.new",
        "before sync of meta.new",
        "before rename of meta.new",
        "before sync of log",
        "before removal of a segment",
    ] {
        assert!(steps.contains_key(name), "no process was killed {name}");
    }
}

/// Runs the other test and has it killed at this step, whose name it tells; `None` if there are not
/// so many steps.
fn kill_at(step: usize, dir: &Path) -> Option<String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "in_a_process_of_its_own",
            "--ignored",
            "--nocapture",
        ])
        .env(DIRECTORY, dir)
        .env(STEP, step.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return None;
    }
    assert_eq!(output.status.signal(), Some(SIGKILL), "step {step}: {text}");
    let name = text.lines().find_map(|line| line.split_once("killed "));
    Some(name.expect("it says where").1.to_owned())
}

#[test]
#[ignore = "begun by the other test, to be killed"]
fn in_a_process_of_its_own() {
    let (dir, step) = (
        std::env::var(DIRECTORY).unwrap(),
        std::env::var(STEP).unwrap(),
    );
    let disk = DeadlyDisk::default();
    let replica = Replica::open(&PathBuf::from(dir), options(Arc::new(disk.clone()))).unwrap();
    disk.0
        .kill_at
        .store(step.parse().unwrap(), Ordering::SeqCst);
    disk.0.armed.store(true, Ordering::SeqCst);
    // Writes a checkpoint of what was replayed, and lets go of the log.
    replica.shutdown();
}

/// The real disk, until a step at which it kills the process. Clones are the same disk.
#[derive(Debug, Clone, Default)]
struct DeadlyDisk(Arc<Deadly>);

#[derive(Debug, Default)]
struct Deadly {
    armed: AtomicBool,
    steps: AtomicUsize,
    kill_at: AtomicUsize,
}

impl DeadlyDisk {
    /// A step begins.
    fn step(&self, what: &str, path: &Path) {
        if self.reached() {
            let name = path.file_name().unwrap().to_string_lossy();
            let name = if name.ends_with(".wal") {
                "a segment"
            } else {
                &*name
            };
            kill(&format!("{what} of {name}"));
        }
    }

    fn reached(&self) -> bool {
        self.0.armed.load(Ordering::SeqCst)
            && self.0.steps.fetch_add(1, Ordering::SeqCst) == self.0.kill_at.load(Ordering::SeqCst)
    }

    fn file(&self, path: &Path, file: Arc<dyn File>) -> Arc<dyn File> {
        let (disk, path) = (self.clone(), path.to_owned());
        Arc::new(DeadlyFile { disk, path, file })
    }
}

fn kill(step: &str) -> ! {
    println!("killed {step}");
    let process = std::process::id().to_string();
    Command::new("kill")
        .args(["-9", &process])
        .status()
        .unwrap();
    panic!("still alive")
}

impl Disk for DeadlyDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.step("before create", path);
        Ok(self.file(path, RealDisk.create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.file(path, RealDisk.open(path)?))
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        RealDisk.read_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("before rename", from);
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step("before removal", path);
        RealDisk.remove(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step("before sync", path);
        RealDisk.sync_dir(path)
    }
}

#[derive(Debug)]
struct DeadlyFile {
    disk: DeadlyDisk,
    path: PathBuf,
    file: Arc<dyn File>,
}

impl File for DeadlyFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.step("before write", &self.path);
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        self.file.write_at(half, offset)?;
        self.disk.step("within write", &self.path);
        self.file.write_at(rest, offset + half.len() as u64)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buffer, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.step("before change of the length", &self.path);
        self.file.set_len(length)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.disk.step("before sync", &self.path);
        self.file.sync_data()
    }
    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }
    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}
