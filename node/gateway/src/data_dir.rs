//! Which stores a data directory holds, and who uses it.
//!
//! `DIR/LOCK` is locked by the server that uses the directory. Each store has a directory under
//! `DIR/stores`, whose file `STORE` tells the store's exact name and the options it was created
//! with; the directory's own name is only a readable form of it. What is being deleted lies under
//! `DIR/removed`.

use crate::identity::{self, Identity};
use esdb_log::lock::{Lock, LockError};
use esdb_log::replica::open::LOG;
use esdb_log::{Disk, OpenError, RealDisk, Replica};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A data directory that this process alone uses.
#[derive(Debug)]
pub struct DataDir {
    disk: Arc<dyn Disk>,
    stores: PathBuf,
    removed: PathBuf,
    /// Name of what is removed next: `removed` was emptied when the directory was opened.
    next_removed: AtomicU64,
    _lock: Lock,
}

/// A store as the data directory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreDir {
    /// Where its files are.
    pub path: PathBuf,
    /// The options it was created with: a raw term, as the client gave it.
    pub options: Vec<u8>,
    /// What its other files must say that they belong to; `None` if it was created by a version that
    /// did not note it.
    pub uuid: Option<[u8; 16]>,
}

impl StoreDir {
    /// Opens the store that is there, or was just made. Blocks.
    ///
    /// # Errors
    /// [`OpenError`], also if the directory holds another store's files.
    pub fn open(&self, mut options: esdb_log::Options) -> Result<Replica, OpenError> {
        options.store.uuid = self.uuid;
        Replica::open(&self.path, options)
    }
}

/// What a data directory holds.
#[derive(Debug, Default)]
pub struct Stores {
    /// The stores, by name.
    pub stores: BTreeMap<String, StoreDir>,
    /// Directories that cannot be told to be one store's, and why.
    pub refused: Vec<(PathBuf, DataDirError)>,
}

impl Stores {
    fn add(&mut self, path: PathBuf, identity: Identity) {
        let Identity {
            uuid,
            name,
            options,
        } = identity;
        let store = StoreDir {
            path,
            options,
            uuid,
        };
        // To serve either would be to lose what the other one has.
        match self.stores.get(&name) {
            Some(other) => {
                let paths = [other.path.clone(), store.path.clone()];
                let error = DataDirError::Twice { name, paths };
                self.refused.push((store.path, error));
            }
            None => drop(self.stores.insert(name, store)),
        }
    }

    /// Takes out the first directory of each name that has more than one.
    fn refuse_copies(&mut self) {
        let copies = self.refused.iter().filter_map(|(_, error)| match error {
            DataDirError::Twice { name, paths } => Some((name.clone(), paths.clone())),
            _ => None,
        });
        for (name, paths) in copies.collect::<Vec<_>>() {
            if let Some(store) = self.stores.remove(&name) {
                let error = DataDirError::Twice { name, paths };
                self.refused.push((store.path, error));
            }
        }
    }
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Another server uses it.
    #[error(
        "the data directory {} is in use by another rs-esdb; stop that one or give another \
         --data-dir", .0.display()
    )]
    InUse(PathBuf),
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was worked on.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Two directories hold a store of one name.
    #[error(
        "{} and {} both hold the store {name}; move the one away that is the copy",
        paths[0].display(), paths[1].display()
    )]
    Twice {
        /// The store's name.
        name: String,
        /// The directories.
        paths: [PathBuf; 2],
    },
    /// A store's directory does not tell which store it is.
    #[error(
        "{}: {problem}; move the directory away to start without the store, or restore the file",
        path.display()
    )]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Names the path in an error of the system.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    move |error| DataDirError::Io {
        path: path.to_owned(),
        error,
    }
}

impl DataDir {
    /// Takes the directory, and makes it if there is none.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        Self::open_on(Arc::new(RealDisk), path)
    }

    /// [`DataDir::open`] on another disk than the real one.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn open_on(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, DataDirError> {
        let (stores, removed) = (path.join("stores"), path.join("removed"));
        make(&*disk, &stores)?;
        let lock = Lock::take(&*disk, path).map_err(|error| match error {
            LockError::InUse { .. } => DataDirError::InUse(path.to_owned()),
            LockError::Io { path, source } => at(&path)(source),
        })?;
        match fs::remove_dir_all(&removed) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&removed)(error))?,
            _ => {}
        }
        // To remove a store makes room on a full disk, so it must not need any. If there is none for
        // this now, it is made then.
        let _ = disk.create_dir(&removed);
        Ok(DataDir {
            disk,
            stores,
            removed,
            next_removed: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// Every store that is there. One that cannot be told from another is none.
    ///
    /// # Errors
    /// [`DataDirError::Io`] if they cannot be listed.
    pub fn stores(&self) -> Result<Stores, DataDirError> {
        let mut found = Stores::default();
        let names = self.disk.read_dir(&self.stores);
        let mut names = names.map_err(at(&self.stores))?;
        names.sort();
        for path in names.iter().map(|name| self.stores.join(name)) {
            if identity::creation_was_cut_short(&*self.disk, &path) {
                continue;
            }
            match self.identify(&path) {
                Ok(identity) => found.add(path, identity),
                Err(error) => found.refused.push((path, error)),
            }
        }
        found.refuse_copies();
        Ok(found)
    }

    /// Which store a directory holds.
    fn identify(&self, path: &Path) -> Result<Identity, DataDirError> {
        let identity = identity::read(&*self.disk, path)?;
        // Whoever made it may have been killed before the file's name was durable: without it, what is
        // built upon it now would be nobody's.
        let names = self.disk.read_dir(path).map_err(at(path))?;
        if !names.iter().any(|name| name == LOG) {
            sync(&*self.disk, path)?;
        }
        Ok(identity)
    }

    /// Makes the directory of a store that is not there. When that fails nothing is left of it.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn create(&self, name: &str, options: &[u8]) -> Result<StoreDir, DataDirError> {
        let path = self.stores.join(directory_name(name));
        let disk = &*self.disk;
        disk.create_dir(&path).map_err(at(&path))?;
        if !identity::creation_was_cut_short(disk, &path) {
            let problem = "there is a store in this directory already, which is not served";
            return Err(DataDirError::Identity { path, problem });
        }
        let uuid = uuid::Uuid::now_v7().into_bytes();
        let written = identity::write(disk, &path, uuid, name, options);
        match written.and_then(|()| sync(disk, &self.stores)) {
            Ok(()) => Ok(StoreDir {
                path,
                options: options.to_vec(),
                uuid: Some(uuid),
            }),
            Err(error) => {
                self.discard(&path);
                Err(error)
            }
        }
    }

    /// Takes back what [`DataDir::create`] made, because the store could not be created in it.
    pub fn discard(&self, store: &Path) {
        match self.remove(store) {
            // If that fails, the next start deletes it.
            Ok(aside) => drop(fs::remove_dir_all(aside)),
            Err(error) => tracing::error!(%error, "a store that could not be created remains"),
        }
    }

    /// Takes a store out of the directory, durably; returns where its files are now, for the caller to
    /// delete them. A server that starts deletes what is left of them. When that fails, the store is
    /// where it was.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn remove(&self, store: &Path) -> Result<PathBuf, DataDirError> {
        let (disk, removed) = (&*self.disk, &self.removed);
        disk.create_dir(removed).map_err(at(removed))?;
        let number = self.next_removed.fetch_add(1, Relaxed);
        let aside = removed.join(number.to_string());
        disk.rename(store, &aside).map_err(at(store))?;
        match sync(disk, &self.stores) {
            Err(error) if disk.rename(&aside, store).is_ok() => Err(error),
            _ => Ok(aside),
        }
    }
}

/// Makes a directory, and those above it that are missing. Their names and those in it are durable
/// then: also what was there, since whoever did that may have been killed before it was.
fn make(disk: &dyn Disk, path: &Path) -> Result<(), DataDirError> {
    let above = path
        .ancestors()
        .filter(|above| !above.as_os_str().is_empty());
    let missing = |above: &&Path| disk.read_dir(above).is_err();
    let missing = above.clone().take_while(missing).count();
    let places: Vec<&Path> = above.take(missing.max(2) + 1).collect();
    disk.create_dir(path).map_err(at(path))?;
    for place in places {
        match sync(disk, place) {
            // Another's directory, which has held ours for long.
            Err(DataDirError::Io { error, .. })
                if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Makes the names in a directory durable.
pub(crate) fn sync(disk: &dyn Disk, directory: &Path) -> Result<(), DataDirError> {
    disk.sync_dir(directory).map_err(at(directory))
}

/// A file name for a store: lower-case letters, digits, `_` and `-` stand for themselves, other bytes
/// as `%` and two digits, so that names that differ only in case stay apart on every file system. A
/// long name is cut and told apart by a hash.
fn directory_name(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02x}")),
        }
    }
    if encoded.len() <= 200 {
        return encoded;
    }
    let hash = twox_hash::XxHash3_64::oneshot(name.as_bytes());
    format!("{}~{hash:016x}", encoded.get(..180).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_file_names_get_one() {
        assert_eq!(directory_name("my_store-1"), "my_store-1");
        assert_eq!(directory_name("../Etc"), "%2e%2e%2f%45tc");
        let (long, other) = ("ä".repeat(255), "ä".repeat(254));
        assert!(directory_name(&long).len() < 255);
        assert_ne!(directory_name(&long), directory_name(&other));
    }

    #[test]
    fn stores_are_found_again_by_their_exact_names() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(dir.path()).unwrap();
        let names = ["orders", "a/b", "Orders"];
        let made: Vec<_> = names
            .iter()
            .map(|n| data_dir.create(n, &[106]).unwrap())
            .collect();
        drop(data_dir);
        let found = DataDir::open(dir.path()).unwrap().stores().unwrap().stores;
        assert_eq!(found.len(), 3);
        names
            .iter()
            .zip(made)
            .for_each(|(name, made)| assert_eq!(found[*name], made));
    }

    #[test]
    fn a_damaged_identity_is_no_other_store() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(dir.path()).unwrap();
        let file = data_dir
            .create("orders", &[106])
            .unwrap()
            .path
            .join("STORE");
        data_dir.create("other", &[106]).unwrap();
        let whole = fs::read(&file).unwrap();
        let check = |what: &str| {
            let Stores { stores, refused } = data_dir.stores().unwrap();
            assert!(stores.keys().eq(["other"]), "{what}");
            assert!(
                refused.len() == 1 && refused[0].0.ends_with("orders"),
                "{what}"
            );
        };
        for byte in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[byte] ^= 1;
            fs::write(&file, &damaged).unwrap();
            check(&format!("byte {byte}"));
            fs::write(&file, &whole[..byte]).unwrap();
            check(&format!("cut at {byte}"));
        }
    }

    #[test]
    fn what_is_removed_is_gone_and_its_files_with_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(dir.path()).unwrap();
        let store = data_dir.create("orders", &[106]).unwrap();
        let aside = data_dir.remove(&store.path).unwrap();
        assert!(aside.exists() && data_dir.stores().unwrap().stores.is_empty());
        drop(data_dir);
        DataDir::open(dir.path()).unwrap();
        assert!(!aside.exists());
    }

    #[test]
    fn many_are_removed_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(dir.path()).unwrap();
        let create = |n: usize| data_dir.create(&format!("store{n}"), &[106]).unwrap().path;
        let stores: Vec<_> = (0..64).map(create).collect();
        std::thread::scope(|scope| {
            for some in stores.chunks(8) {
                let remove = |store: &PathBuf| drop(data_dir.remove(store).unwrap());
                scope.spawn(move || some.iter().for_each(remove));
            }
        });
        assert!(data_dir.stores().unwrap().stores.is_empty());
    }

    #[test]
    fn a_copy_of_a_store_is_not_taken_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(dir.path()).unwrap();
        let store = data_dir.create("orders", &[106]).unwrap();
        let copy = store.path.with_file_name("backup");
        fs::create_dir(&copy).unwrap();
        fs::copy(store.path.join("STORE"), copy.join("STORE")).unwrap();
        data_dir.create("other", &[106]).unwrap();
        let Stores { stores, refused } = data_dir.stores().unwrap();
        assert!(stores.keys().eq(["other"]));
        assert_eq!(refused.len(), 2);
        let both = [copy, store.path];
        for (path, error) in refused {
            assert!(both.contains(&path));
            let named = matches!(&error, DataDirError::Twice { paths, .. } if *paths == both);
            assert!(named, "{error}");
        }
        data_dir
            .create("backup", &[106])
            .expect_err("would rename what the copy holds");
    }

    #[test]
    fn what_could_not_be_created_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(dir.path()).unwrap();
        let store = data_dir.create("orders", &[106]).unwrap();
        data_dir.discard(&store.path);
        assert!(data_dir.stores().unwrap().stores.is_empty() && !store.path.exists());
        // The identity cannot be written where there is a directory of its name.
        fs::create_dir_all(store.path.join("STORE.new")).unwrap();
        data_dir.create("orders", &[106]).expect_err("no identity");
        assert!(!store.path.exists());
        data_dir.create("orders", &[106]).unwrap();
    }

    #[test]
    fn a_second_user_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        assert!(matches!(
            DataDir::open(dir.path()),
            Err(DataDirError::InUse(_))
        ));
        drop(first);
        DataDir::open(dir.path()).unwrap();
    }
}
