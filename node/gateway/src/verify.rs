//! Checks a data directory, or one store's, while no server uses it. Nothing is written.

use crate::data_dir::{self, DataDirError};
use crate::identity;
use esdb_log::lock::{Lock, LockError};
use esdb_log::verify::{self, Checked, Damage, Report};
use esdb_log::{Disk, ReadOnlyDisk};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A server uses it.
    #[error(transparent)]
    InUse(#[from] LockError),
    /// The directory is neither a data directory nor a store's.
    #[error(
        "{} is neither a data directory (it has no directory stores) nor a store's (it has no file \
         STORE, state.redb or log)", .0.display()
    )]
    NoStore(PathBuf),
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was worked on.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// A store that was checked.
#[derive(Debug, Clone)]
pub struct CheckedStore {
    /// Where its files are.
    pub path: PathBuf,
    /// Its name, if that could be told.
    pub name: Option<String>,
    /// Number of damaged places that were reported.
    pub damages: u64,
    /// What was found out besides.
    pub checked: Checked,
}

/// Checks all stores in `path`, or the one that it is. What is wrong goes to `report`, each place on
/// its own.
///
/// # Errors
/// [`VerifyError`]; nothing is checked if a server uses the directory or one of the stores.
pub fn verify(
    path: &Path,
    report: &mut dyn FnMut(Report),
) -> Result<Vec<CheckedStore>, VerifyError> {
    let names = list(path)?;
    let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&&**name));
    if !has(&["stores"]) {
        return match has(&["STORE", "state.redb", "log"]) {
            true => Ok(vec![store(path, report)?]),
            false => Err(VerifyError::NoStore(path.to_owned())),
        };
    }
    let _lock = Lock::look(&ReadOnlyDisk, path)?;
    let stores = path.join("stores");
    let mut paths: Vec<PathBuf> = list(&stores)?
        .iter()
        .map(|name| stores.join(name))
        .collect();
    paths.sort();
    // Before the first line about any of them.
    for path in &paths {
        Lock::look(&ReadOnlyDisk, path)?;
    }
    for name in names
        .iter()
        .filter(|name| !["LOCK", "stores", "removed"].contains(&&***name))
    {
        let what = "is no file of a data directory, and is not looked at";
        report(Report::note(&path.join(name), what));
    }
    let mut checked = Vec::new();
    for path in paths {
        checked.push(store(&path, report)?);
    }
    tell_copies(&mut checked, report);
    Ok(checked)
}

/// Two directories that hold a store of one name: a server serves neither.
fn tell_copies(checked: &mut [CheckedStore], report: &mut dyn FnMut(Report)) {
    let mut first = BTreeMap::<String, PathBuf>::new();
    for store in checked {
        let Some(name) = store.name.clone() else {
            continue;
        };
        let what = match first.get(&name) {
            Some(other) => format!("holds the store {name}, as does {}", other.display()),
            None => {
                first.insert(name, store.path.clone());
                continue;
            }
        };
        store.damages += 1;
        report(Report::Damage(Damage::of_file(&store.path, what)));
    }
}

fn list(path: &Path) -> Result<Vec<String>, VerifyError> {
    ReadOnlyDisk
        .read_dir(path)
        .map_err(|error| VerifyError::Io {
            path: path.to_owned(),
            error,
        })
}

/// Checks the store in a directory: its identity, its files, and whether they are of one store.
fn store(path: &Path, report: &mut dyn FnMut(Report)) -> Result<CheckedStore, VerifyError> {
    let mut damages = 0;
    let mut counting = |told: Report| {
        damages += u64::from(matches!(told, Report::Damage(_)));
        report(told);
    };
    if identity::creation_was_cut_short(&ReadOnlyDisk, path) {
        let what = "its creation was cut short: the next start does not serve it";
        counting(Report::note(path, what));
        return Ok(CheckedStore {
            path: path.to_owned(),
            name: None,
            damages: 0,
            checked: Checked::default(),
        });
    }
    let identity = match identity::read(&ReadOnlyDisk, path) {
        Ok(identity) => Some(identity),
        Err(error) => {
            counting(Report::Damage(damage_of(path, error)));
            None
        }
    };
    let checked = verify::store(&ReadOnlyDisk, path, &mut counting)?;
    let uuids = identity.as_ref().and_then(|identity| identity.uuid);
    if let Some((named, found)) = uuids.zip(checked.checkpoint.uuid)
        && named != found
    {
        let [named, found] = [named, found].map(|uuid| uuid::Uuid::from_bytes(uuid).simple());
        let what = format!("names the store {named}, but state.redb is that of the store {found}");
        counting(Report::Damage(Damage::of_file(&path.join("STORE"), what)));
    }
    Ok(CheckedStore {
        path: path.to_owned(),
        name: identity.map(|identity| identity.name),
        damages,
        checked,
    })
}

fn damage_of(directory: &Path, error: DataDirError) -> Damage {
    match error {
        DataDirError::Identity { path, problem } => Damage::of_file(&path, problem),
        data_dir::DataDirError::Io { path, error } => {
            Damage::of_file(&path, format!("cannot be read: {error}"))
        }
        other => Damage::of_file(directory, other.to_string()),
    }
}
