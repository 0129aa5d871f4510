//! Checks a store's database while nobody has it open: every checksum, and every index against the
//! events, in both directions. Nothing is written.
//!
//! The events are walked once. Of each, the books keep where it stands, what its stream must look
//! like, and one number for each table that leads to events: the sum of the hashes of all that the
//! table must say of it. Each of these tables is then walked and its hashes are taken off again, so
//! that whatever is missing, superfluous or wrong leaves a number that is not 0, at a known position;
//! for those positions both sides are read once more. That takes 16 bytes an event, and nothing is
//! looked up.
//!
//! # Layout
//! - one file a table, with one function that checks it: `events` fills the books; `streams`, `runs`,
//!   `postings`, `blocks`, `meta` are compared with them; `records` stands for itself
//! - `books`: what the events say; `index`: comparing a table that leads to events
//! - `checker`: walking a table; [`report`]: what is told of it

mod blocks;
mod books;
mod checker;
mod events;
mod index;
mod meta;
mod postings;
mod records;
pub mod report;
mod runs;
mod streams;

use crate::disk::open::FILE;
use crate::pages::PageFile;
use crate::{LogPosition, StoreError, batch};
use books::Books;
use checker::{Checker, Known};
use esdb_disk::Disk;
use report::{Damage, Report};
use std::path::Path;

/// All tables.
const TABLES: [Known; 7] = [
    events::TABLE,
    streams::TABLE,
    runs::INDEX.table,
    postings::INDEX.table,
    blocks::TABLE,
    records::TABLE,
    meta::TABLE,
];

/// What the check of a database found out, as far as it could be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The store's UUID.
    pub uuid: Option<[u8; 16]>,
    /// The last entry of the log that is in the database, if that could be read.
    pub applied: Option<Option<LogPosition>>,
    /// Events that were read.
    pub events: u64,
    /// Streams that these events belong to.
    pub streams: u64,
}

/// Checks the database of the store in `dir`, which nobody may have open. What is wrong goes to
/// `report`, each place on its own.
pub fn verify(files: &dyn Disk, dir: &Path, report: &mut dyn FnMut(Report)) -> Checkpoint {
    let path = dir.join(FILE);
    let opened = match files.open(&path) {
        Ok(file) => PageFile::open(file).map_err(|bad| Damage::of_page(&path, bad, None)),
        Err(error) => Err(Damage::of_file(&path, format!("cannot be opened: {error}"))),
    };
    match opened {
        Ok(pages) => check(&mut Checker::new(&pages, path, report)),
        Err(damage) => {
            report(Report::Damage(damage));
            Checkpoint::default()
        }
    }
}

/// Checks every table: a table that is added gets a line here.
fn check(checker: &mut Checker<'_>) -> Checkpoint {
    let (header, state) = meta::check(checker);
    let mut books = Books::default();
    events::check(checker, &mut books);
    streams::check(checker, &books);
    runs::check(checker, &mut books);
    postings::check(checker, &mut books);
    blocks::check(checker, &books);
    if let Some(state) = &state {
        meta::compare(checker, &books, state);
    }
    // The format before had none.
    if header.is_none_or(|header| !header.outdated) {
        records::check(checker, state.as_ref());
    }
    checker.check_the_rest(&TABLES.map(|table| table.name));
    Checkpoint {
        uuid: header.map(|header| header.uuid),
        applied: state.map(|state| state.applied.last),
        events: books.events(),
        streams: books.streams.len() as u64,
    }
}

/// Checks that a log entry's payload is a batch, as [`batch::Builder`] writes it.
///
/// # Errors
/// [`StoreError::Batch`].
pub fn batch(payload: &[u8]) -> Result<(), StoreError> {
    batch::parse(payload).map(drop)
}
