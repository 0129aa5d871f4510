//! What a power cut may leave of a trace.
//!
//! What was synced is there. Of what was not, anything may be there: each write whole, in part or not
//! at all, whatever became of the writes before and after it; each change of a name, as long as its
//! directory was not synced. (docs/internals/on-disk-format.md, what is assumed of the disk.)

use crate::content::Content;
use crate::disk::{Image, Note, Step};
use proptest::prelude::{Rng, RngExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Pieces that a disk writes whole, usually.
const SECTOR: u64 = 512;

/// A walk along a trace. At each point it tells what a power cut may leave.
#[derive(Debug, Clone, Default)]
pub struct Walk {
    /// What the programs see.
    current: Image,
    /// What is safe.
    durable: Image,
    /// Changes to files that are not safe, oldest first.
    data: Vec<(usize, Change)>,
    /// Changes to names that are not safe, oldest first.
    names: Vec<Naming>,
    /// Commands handed in so far.
    pub submitted: usize,
    /// Commands acknowledged so far.
    pub acknowledged: usize,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Arc<[u8]>),
    SetLen(u64),
}

#[derive(Debug, Clone)]
enum Naming {
    Directory(PathBuf),
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Remove(PathBuf),
    Move(PathBuf, PathBuf),
}

impl Naming {
    fn directory(&self) -> Option<&Path> {
        match self {
            Naming::Directory(path)
            | Naming::Create(path, _)
            | Naming::Rename(_, path, _)
            | Naming::Remove(path)
            | Naming::Move(path, _) => path.parent(),
        }
    }

    fn apply(&self, image: &mut Image) {
        match self {
            Naming::Directory(path) => drop(image.directories.insert(path.clone())),
            Naming::Create(path, file) => drop(image.names.insert(path.clone(), *file)),
            Naming::Remove(path) => drop(image.names.remove(path)),
            Naming::Move(from, to) => image.move_directory(from, to),
            Naming::Rename(from, to, file) => {
                if image.names.get(from) == Some(file) {
                    image.names.remove(from);
                }
                image.names.insert(to.clone(), *file);
            }
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Content) {
        match self {
            Change::Write(offset, bytes) => content.write(*offset, bytes),
            Change::SetLen(length) => content.set_len(*length),
        }
    }

    /// Applies some of it.
    fn tear(&self, content: &mut Content, rng: &mut impl Rng) {
        let Change::Write(offset, bytes) = self else {
            return;
        };
        let (mut at, end) = (*offset, offset + bytes.len() as u64);
        // Some disks tear anywhere.
        let piece = if rng.random_ratio(1, 4) {
            1 + rng.random_range(0..SECTOR)
        } else {
            SECTOR
        };
        while at < end {
            let next = ((at / piece + 1) * piece).min(end);
            if rng.random() {
                let here = (at - offset) as usize..(next - offset) as usize;
                content.write(at, &bytes[here]);
            }
            at = next;
        }
        // The length may be safe before the bytes are.
        if end > content.len() && rng.random() {
            content.set_len(end);
        }
    }
}

impl Walk {
    /// A walk that begins with a disk that holds this, safely.
    pub fn from(image: Image) -> Self {
        Self {
            current: image.clone(),
            durable: image,
            ..Self::default()
        }
    }

    /// Takes the next step of the trace.
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::CreateDir(path) => self.rename(Naming::Directory(path.clone())),
            Step::Create(path, file) => {
                for image in [&mut self.current, &mut self.durable] {
                    image.files.resize(file + 1, Content::default());
                }
                self.rename(Naming::Create(path.clone(), *file));
            }
            Step::Rename(from, to) if self.current.directories.contains(from) => {
                self.rename(Naming::Move(from.clone(), to.clone()));
            }
            Step::Rename(from, to) => {
                let file = self.current.names[from];
                self.rename(Naming::Rename(from.clone(), to.clone(), file));
            }
            Step::Remove(path) => self.rename(Naming::Remove(path.clone())),
            Step::Write(file, offset, bytes) => {
                self.change(*file, Change::Write(*offset, Arc::clone(bytes)));
            }
            Step::SetLen(file, length) => self.change(*file, Change::SetLen(*length)),
            Step::Sync(file) => {
                // Only what waits for it: what a failed sync has given up does not come back.
                let durable = &mut self.durable.files[*file];
                self.data.retain(|(of, change)| {
                    let synced = of == file;
                    if synced {
                        change.apply(durable);
                    }
                    !synced
                });
            }
            Step::SyncFailed(file) => self.data.retain(|(of, _)| of != file),
            Step::SyncDir(path) => {
                let durable = &mut self.durable;
                self.names.retain(|naming| {
                    let synced = naming.directory() == Some(path);
                    if synced {
                        naming.apply(durable);
                    }
                    !synced
                });
            }
            Step::Note(Note::Submitted(count)) => self.submitted = *count,
            Step::Note(Note::Acknowledged(count)) => self.acknowledged = *count,
        }
    }

    fn rename(&mut self, naming: Naming) {
        naming.apply(&mut self.current);
        self.names.push(naming);
    }

    fn change(&mut self, file: usize, change: Change) {
        change.apply(&mut self.current.files[file]);
        self.data.push((file, change));
    }

    /// Whether a name was changed and its directory not synced since.
    pub fn names_are_unsafe(&self) -> bool {
        !self.names.is_empty()
    }

    /// Everything that was done is there.
    pub fn kept(&self) -> Image {
        self.current.clone()
    }

    /// Nothing is there that was not synced.
    pub fn lost(&self) -> Image {
        without_orphans(self.durable.clone())
    }

    /// Anything may be there of what was not synced.
    pub fn torn(&self, rng: &mut impl Rng) -> Image {
        let mut image = self.durable.clone();
        // How much of it: each image has its own odds.
        let (keep, tear) = (rng.random_range(0..=10), rng.random_range(0..=10));
        for naming in &self.names {
            if rng.random_ratio(keep, 10) {
                naming.apply(&mut image);
            }
        }
        for (file, change) in &self.data {
            let content = &mut image.files[*file];
            if rng.random_ratio(keep, 10) {
                change.apply(content);
            } else if rng.random_ratio(tear, 10) {
                change.tear(content, rng);
            }
        }
        without_orphans(image)
    }
}

/// A directory that is gone took its files with it.
fn without_orphans(mut image: Image) -> Image {
    let whole = |path: &Path, directories: &std::collections::BTreeSet<PathBuf>| {
        let mut above = path.ancestors().skip(1);
        above.all(|path| path.as_os_str().is_empty() || directories.contains(path))
    };
    let directories = image.directories.clone();
    image.directories.retain(|path| whole(path, &directories));
    let directories = image.directories.clone();
    image.names.retain(|path, _| whole(path, &directories));
    image
}
