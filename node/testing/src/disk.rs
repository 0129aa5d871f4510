//! A disk in memory that keeps a trace of what was done to it.

use crate::content::Content;
use esdb_disk::{Disk, File};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One call, as it took effect.
#[derive(Debug, Clone)]
pub enum Step {
    /// A directory was made.
    CreateDir(PathBuf),
    /// A file was made, with this number.
    Create(PathBuf, usize),
    /// A name was changed.
    Rename(PathBuf, PathBuf),
    /// A name was removed.
    Remove(PathBuf),
    /// The names in a directory were made durable.
    SyncDir(PathBuf),
    /// Bytes were written to a file.
    Write(usize, u64, Arc<[u8]>),
    /// A file got this length.
    SetLen(usize, u64),
    /// The bytes of a file were made durable.
    Sync(usize),
    /// That failed: the system has given the bytes up, and still shows them to whoever reads.
    SyncFailed(usize),
    /// No call: whoever uses the disk notes how far it is.
    Note(Note),
}

/// How far a user of the disk is: numbers of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// So many were handed in.
    Submitted(usize),
    /// So many were acknowledged.
    Acknowledged(usize),
}

/// What a disk holds.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pub(crate) directories: BTreeSet<PathBuf>,
    pub(crate) names: BTreeMap<PathBuf, usize>,
    /// By file number.
    pub(crate) files: Vec<Content>,
}

impl Image {
    /// A disk with nothing but this directory.
    pub fn with_directory(path: &Path) -> Self {
        Self {
            directories: path.ancestors().map(Path::to_owned).collect(),
            ..Self::default()
        }
    }

    /// Renames a directory, with all that is in it.
    pub(crate) fn move_directory(&mut self, from: &Path, to: &Path) {
        let moved = |path: &Path| match path.strip_prefix(from) {
            Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
            Ok(rest) => to.join(rest),
            Err(_) => path.to_owned(),
        };
        self.directories = self.directories.iter().map(|path| moved(path)).collect();
        let names = std::mem::take(&mut self.names).into_iter();
        self.names = names.map(|(path, file)| (moved(&path), file)).collect();
    }

    /// Writes everything to a real directory, for a look at it.
    pub fn dump(&self, from: &Path, to: &Path) -> io::Result<()> {
        for (name, file) in &self.names {
            let Ok(name) = name.strip_prefix(from) else {
                continue;
            };
            let path = to.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(to))?;
            std::fs::write(path, self.files[*file].to_vec())?;
        }
        Ok(())
    }
}

/// A disk in memory. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    image: Image,
    locked: BTreeSet<usize>,
    trace: Option<Vec<Step>>,
    fails_to_sync: bool,
}

impl State {
    fn note(&mut self, step: impl FnOnce() -> Step) {
        if let Some(trace) = &mut self.trace {
            trace.push(step());
        }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        let file = self.image.names.get(path);
        file.copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn directory(&self, path: &Path) -> io::Result<()> {
        let there = self.image.directories.contains(path);
        there
            .then_some(())
            .ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl MemoryDisk {
    /// A disk that keeps a trace from now on.
    pub fn traced(image: Image) -> Self {
        let disk = Self::from(image);
        disk.0.lock().trace = Some(Vec::new());
        disk
    }

    /// Puts a note into the trace.
    pub fn note(&self, note: Note) {
        self.0.lock().note(|| Step::Note(note));
    }

    /// The next sync of a file fails.
    pub fn fail_next_sync(&self) {
        self.0.lock().fails_to_sync = true;
    }

    /// What was done so far.
    pub fn trace(&self) -> Vec<Step> {
        self.0.lock().trace.clone().unwrap_or_default()
    }

    /// What it holds now.
    pub fn image(&self) -> Image {
        self.0.lock().image.clone()
    }

    fn handle(&self, number: usize) -> Arc<dyn File> {
        let (disk, locked) = (self.clone(), Mutex::new(false));
        Arc::new(MemoryFile {
            disk,
            number,
            locked,
        })
    }
}

impl From<Image> for MemoryDisk {
    fn from(image: Image) -> Self {
        Self(Arc::new(Mutex::new(State {
            image,
            ..State::default()
        })))
    }
}

impl Disk for MemoryDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let missing: Vec<_> = path
            .ancestors()
            .filter(|path| state.directory(path).is_err())
            .map(Path::to_owned)
            .collect();
        for path in missing.into_iter().rev() {
            state.image.directories.insert(path.clone());
            state.note(|| Step::CreateDir(path));
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.0.lock();
        state.directory(path.parent().unwrap_or(path))?;
        if state.image.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let number = state.image.files.len();
        state.image.files.push(Content::default());
        state.image.names.insert(path.to_owned(), number);
        state.note(|| Step::Create(path.to_owned(), number));
        Ok(self.handle(number))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let number = self.0.lock().file(path)?;
        Ok(self.handle(number))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.0.lock();
        state.directory(path)?;
        let all = state.image.names.keys().chain(&state.image.directories);
        let here = all.filter(|name| name.parent() == Some(path));
        let names = here.filter_map(|name| name.file_name());
        Ok(names
            .map(|name| name.to_string_lossy().into_owned())
            .collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.directory(from).is_ok() {
            state.image.move_directory(from, to);
        } else {
            let file = state.file(from)?;
            state.image.names.remove(from);
            state.image.names.insert(to.to_owned(), file);
        }
        state.note(|| Step::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.file(path)?;
        state.image.names.remove(path);
        state.note(|| Step::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.directory(path)?;
        state.note(|| Step::SyncDir(path.to_owned()));
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    number: usize,
    /// This handle has the file's lock.
    locked: Mutex<bool>,
}

impl File for MemoryFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.image.files[self.number].write(offset, bytes);
        state.note(|| Step::Write(self.number, offset, bytes.into()));
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.0.lock();
        let whole = state.image.files[self.number].read(offset, buffer);
        whole
            .then_some(())
            .ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().image.files[self.number].len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.image.files[self.number].set_len(length);
        state.note(|| Step::SetLen(self.number, length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        if std::mem::take(&mut state.fails_to_sync) {
            state.note(|| Step::SyncFailed(self.number));
            return Err(io::Error::other("the disk failed"));
        }
        state.note(|| Step::Sync(self.number));
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut locked = self.locked.lock();
        *locked = *locked || self.disk.0.lock().locked.insert(self.number);
        Ok(*locked)
    }

    fn unlock(&self) -> io::Result<()> {
        if std::mem::take(&mut *self.locked.lock()) {
            self.disk.0.lock().locked.remove(&self.number);
        }
        Ok(())
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let _ = self.unlock();
    }
}
