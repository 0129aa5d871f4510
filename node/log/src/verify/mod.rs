//! Checks a store's files while nobody has them open: the database, the log, whether they fit
//! together, and what else lies in the directory. Nothing is written.
//!
//! # Layout
//! - this file: the directory
//! - `log`: the write-ahead log; `segment`: the records of one segment

mod log;
mod segment;

use std::path::Path;

pub use esdb_store::verify::Checkpoint;
pub use esdb_store::verify::report::{Damage, Report};
pub use log::Log;

use crate::lock::{self, Lock, LockError};
use esdb_disk::Disk;

/// Name of the log's directory in a store's.
pub const LOG: &str = "log";
/// Files of a store's directory, those that a crash can leave half made, and its identity, which is
/// not this crate's.
const FILES: [&str; 4] = [lock::NAME, LOG, "state.redb", "STORE"];
const HALF_MADE: [&str; 2] = ["state.new", "STORE.new"];

/// What the check found out.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Of the database.
    pub checkpoint: Checkpoint,
    /// Of the log.
    pub log: Log,
}

/// Checks the store in `dir`. What is wrong goes to `report`, each place on its own.
///
/// # Errors
/// [`LockError`] if a server has the store open, or the lock cannot be looked at; nothing was checked.
pub fn store(
    disk: &dyn Disk,
    dir: &Path,
    report: &mut dyn FnMut(Report),
) -> Result<Checked, LockError> {
    let _lock = Lock::look(disk, dir)?;
    let names = match disk.read_dir(dir) {
        Ok(names) => names,
        Err(error) => {
            let damage = Damage::of_file(dir, format!("cannot be listed: {error}"));
            report(Report::Damage(damage));
            return Ok(Checked::default());
        }
    };
    others(dir, &names, &FILES, &HALF_MADE, report);
    // Its creation makes the database first, and gives it its name when it is complete.
    if !names.iter().any(|name| name == "state.redb" || name == LOG) {
        let what = "holds no events: its creation was cut short, and the next start begins anew";
        report(Report::note(dir, what));
        return Ok(Checked::default());
    }
    let checkpoint = esdb_store::verify::verify(disk, dir, report);
    let log = log::check(disk, &dir.join(LOG), &checkpoint, report);
    Ok(Checked { checkpoint, log })
}

/// Tells of files that are no `files` of a directory.
fn others(
    dir: &Path,
    names: &[String],
    files: &[&str],
    half_made: &[&str],
    report: &mut dyn FnMut(Report),
) {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    for name in names {
        let path = dir.join(name);
        if half_made.contains(&name) {
            let what = "was left half made by a crash; the next start makes it anew";
            report(Report::note(&path, what));
        } else if !files.contains(&name) {
            report(Report::note(
                &path,
                "is no file of a store, and is not looked at",
            ));
        }
    }
}
