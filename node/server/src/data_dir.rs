//! Which stores a data directory holds, and who uses it.
//!
//! `DIR/LOCK` is locked by the server that uses the directory. Each store has a directory under
//! `DIR/stores`, whose file `NAME` holds the store's exact name; the directory's own name is only
//! a readable form of it.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A data directory that this process alone uses.
pub(crate) struct DataDir {
    stores: PathBuf,
    /// Locked as long as it is open; the system unlocks it when the process ends, however it ends.
    _lock: File,
}

impl DataDir {
    /// Takes the directory, and makes it if there is none.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let stores = path.join("stores");
        fs::create_dir_all(&stores)
            .with_context(|| format!("the data directory {} cannot be made", path.display()))?;
        let lock_path = path.join("LOCK");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .with_context(|| format!("{} cannot be opened", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(DataDir {
                stores,
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => bail!(
                "the data directory {} is in use by another rs-esdb; stop that one or give \
                 another --data-dir",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("{} cannot be locked", lock_path.display()))
            }
        }
    }

    /// The directory of every store that is there or named in `wanted`, by the store's name.
    pub(crate) fn stores(&self, wanted: &[String]) -> Result<BTreeMap<String, PathBuf>> {
        let mut stores = self.existing()?;
        for name in wanted {
            if !stores.contains_key(name) {
                stores.insert(name.clone(), self.create(name)?);
            }
        }
        Ok(stores)
    }

    fn existing(&self) -> Result<BTreeMap<String, PathBuf>> {
        let mut stores = BTreeMap::new();
        for entry in fs::read_dir(&self.stores)? {
            let directory = entry?.path();
            match fs::read_to_string(directory.join("NAME")) {
                Ok(name) => stores.insert(name, directory),
                // Its creation was cut short before the store could hold anything.
                Err(_) if is_empty(&directory) => continue,
                Err(error) => {
                    let what = format!("{} holds no readable NAME", directory.display());
                    return Err(error).context(what);
                }
            };
        }
        Ok(stores)
    }

    fn create(&self, name: &str) -> Result<PathBuf> {
        let directory = self.stores.join(directory_name(name));
        fs::create_dir_all(&directory)
            .with_context(|| format!("{} cannot be made", directory.display()))?;
        let temporary = directory.join("NAME.new");
        let mut file = File::create(&temporary)?;
        file.write_all(name.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, directory.join("NAME"))?;
        File::open(&directory)?.sync_all()?;
        File::open(&self.stores)?.sync_all()?;
        Ok(directory)
    }
}

/// Whether there is nothing in it but what [`DataDir::create`] leaves when it is cut short.
fn is_empty(directory: &Path) -> bool {
    let names = |entries: fs::ReadDir| {
        entries
            .filter_map(|entry| entry.ok())
            .all(|entry| entry.file_name() == "NAME.new")
    };
    fs::read_dir(directory).is_ok_and(names)
}

/// A file name for a store: lower-case letters, digits, `_` and `-` stand for themselves, other bytes
/// as `%` and two digits, so that names that differ only in case stay apart on every file system. A
/// long name is cut and told apart by a checksum.
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
        let dir = tempfile::tempdir().expect("a temporary directory");
        let names = ["orders".to_owned(), "a/b".to_owned(), "Orders".to_owned()];
        let made = DataDir::open(dir.path()).unwrap().stores(&names).unwrap();
        let found = DataDir::open(dir.path()).unwrap().stores(&[]).unwrap();
        assert_eq!(made, found);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_second_user_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = DataDir::open(dir.path()).unwrap();
        let error = DataDir::open(dir.path())
            .err()
            .expect("refused")
            .to_string();
        assert!(error.contains("in use by another rs-esdb"), "{error}");
        drop(first);
        DataDir::open(dir.path()).expect("free again");
    }
}
