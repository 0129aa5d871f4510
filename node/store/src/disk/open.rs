//! Opening the database file, or creating it.

use super::backend::Backend;
use super::health::Health;
use super::{Disk, Source};
use crate::guard::guard;
use crate::meta::{self, HEADER, STATE, State};
use crate::pages::tree::Order;
use crate::pages::{BadPage, PageFile};
use crate::tables::{BLOCKS, EVENTS, IN_META, META, POSTINGS, RECORDS, RUNS, STREAMS};
use crate::{Options, StoreError};
use esdb_disk::{Disk as Files, File};
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableHandle,
};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::Arc;

/// The database's file in the store's directory.
pub(crate) const FILE: &str = "state.redb";
/// Its name until it has all that a store needs: a crash may leave a file there that is no database
/// yet, and the next opening begins anew.
const UNFINISHED: &str = "state.new";

/// An open database. Closing it reads and writes pages of its own.
#[derive(Debug)]
pub(crate) struct Handle {
    database: Option<Database>,
    source: Arc<Source>,
}

impl Handle {
    fn new(database: Database, source: Source) -> Self {
        let (database, source) = (Some(database), Arc::new(source));
        Self { database, source }
    }

    /// The database.
    pub fn get(&self) -> Result<&Database, StoreError> {
        self.database
            .as_ref()
            .ok_or_else(|| StoreError::DamagedPage("it was closed".to_owned()))
    }

    /// What its last transaction left.
    pub fn read(&self) -> Result<Disk, StoreError> {
        Disk::begin(&self.get()?.begin_read()?, &self.source)
    }

    /// Closes the database.
    pub fn close(&mut self) {
        self.source.close();
        let database = self.database.take();
        let closed = guard(|| {
            drop(database);
            Ok(())
        });
        if let Err(error) = closed {
            tracing::error!(%error, "the database could not be closed as it should");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens the database in `dir`, or creates it, and answers the store's UUID.
pub(crate) fn open(
    files: &dyn Files,
    dir: &Path,
    options: Options,
    health: &Arc<Health>,
) -> Result<(Handle, [u8; 16]), StoreError> {
    let in_dir = |source| StoreError::Directory {
        path: dir.to_owned(),
        source,
    };
    files.create_dir(dir).map_err(in_dir)?;
    let names = files.read_dir(dir).map_err(in_dir)?;
    match names.iter().any(|name| name == FILE) {
        true => open_existing(files, dir, options, health),
        false => begin(files, dir, &names, options, health),
    }
}

fn builder(options: Options) -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(options.cache_bytes - for_events(options));
    builder
}

/// Bytes of the cache for the pages that lead to events: the database's own has half of the cache, but
/// no less than checkpoints need, and no more than it has a use for, since the system's page cache
/// stands behind it.
pub(crate) fn for_events(options: Options) -> usize {
    options
        .cache_bytes
        .saturating_sub((options.cache_bytes / 2).clamp(64 << 10, 1 << 20))
}

/// As [`open`], for a database that must be there.
pub(crate) fn open_existing(
    files: &dyn Files,
    dir: &Path,
    options: Options,
    health: &Arc<Health>,
) -> Result<(Handle, [u8; 16]), StoreError> {
    let path = dir.join(FILE);
    let in_dir = |source| StoreError::Directory {
        path: dir.to_owned(),
        source,
    };
    let format = |reason| StoreError::Format {
        path: path.clone(),
        reason,
    };
    // Whoever gave it its name may have been killed before the name was durable.
    files.sync_dir(dir).map_err(in_dir)?;
    let file = files.open(&path).map_err(in_dir)?;
    if file.is_empty().map_err(in_dir)? {
        return Err(format("it is empty".to_owned()));
    }
    let source = Source::new(file.clone(), &path, health, for_events(options));
    check_own_tables(&file, &source)?;
    let opened = builder(options).create_with_backend(Backend::new(file, &path, health));
    let database = opened.map_err(|error| match error {
        DatabaseError::UpgradeRequired(_) | DatabaseError::Storage(StorageError::Corrupted(_)) => {
            format(error.to_string())
        }
        DatabaseError::Storage(StorageError::Io(io))
            if io.kind() == std::io::ErrorKind::InvalidData =>
        {
            format("it is no database file".to_owned())
        }
        error => error.into(),
    })?;
    let read = database.begin_read()?;
    let tables: Vec<_> = read
        .list_tables()?
        .map(|table| table.name().to_owned())
        .collect();
    if !tables.iter().any(|table| table == META.name()) {
        return Err(format("it has no table meta".to_owned()));
    }
    let header = match read.open_table(META)?.get(HEADER)? {
        Some(value) => meta::parse_header(value.value()).map_err(format)?,
        None => return Err(format("it has no header".to_owned())),
    };
    drop(read);
    if let Some(expected) = options.uuid.filter(|uuid| *uuid != header.uuid) {
        return Err(StoreError::OtherStore {
            path,
            found: header.uuid,
            expected,
        });
    }
    if header.outdated {
        upgrade(&database, header.uuid)?;
    }
    Ok((Handle::new(database, source), header.uuid))
}

/// Looks at the tables that the database keeps for itself: over a damaged page of theirs it would end
/// the process, where it only panics over others. What else is wrong with the file it tells itself.
fn check_own_tables(file: &Arc<dyn File>, source: &Source) -> Result<(), StoreError> {
    let Ok(pages) = PageFile::open(file.clone()) else {
        return Ok(());
    };
    let mut first = None;
    let mut bad = |bad: BadPage| first = first.take().or(Some(bad));
    for table in pages.own_tables(&mut bad) {
        pages.walk(&table.tree, Order::Unknown, &mut |_| {}, &mut bad);
    }
    match first.filter(|bad| bad.system.is_none()) {
        Some(bad) => Err(source.damaged(bad.offset, &bad.what)),
        None => Ok(()),
    }
}

/// Makes a database without records one that has none yet. From here on the version that wrote it
/// refuses it: it would drop the commands that change records.
fn upgrade(database: &Database, uuid: [u8; 16]) -> Result<(), StoreError> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    {
        let mut table = transaction.open_table(META)?;
        let state = match table.get(STATE)? {
            Some(value) => State::open_outdated(value.value())?,
            None => return Err(IN_META.damaged(STATE.as_bytes(), "it is missing")),
        };
        let mut row = Vec::new();
        state.seal(&mut row);
        table.insert(HEADER, meta::header(uuid).as_slice())?;
        table.insert(STATE, row.as_slice())?;
        transaction.open_table(RECORDS)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Creates the database in `dir`: under its name it is complete or not there.
fn begin(
    files: &dyn Files,
    dir: &Path,
    names: &[String],
    options: Options,
    health: &Arc<Health>,
) -> Result<(Handle, [u8; 16]), StoreError> {
    let in_dir = |source| StoreError::Directory {
        path: dir.to_owned(),
        source,
    };
    let unfinished = dir.join(UNFINISHED);
    if names.iter().any(|name| name == UNFINISHED) {
        files.remove(&unfinished).map_err(in_dir)?;
    }
    let file = files.create(&unfinished).map_err(in_dir)?;
    let path = dir.join(FILE);
    let source = Source::new(file.clone(), &path, health, for_events(options));
    let backend = Backend::unfinished(file, &path, health);
    let uuid = options.uuid.unwrap_or_else(random_uuid);
    let database = builder(options).create_with_backend(backend.clone())?;
    create(&database, uuid)?;
    backend.finish().map_err(in_dir)?;
    files.rename(&unfinished, &path).map_err(in_dir)?;
    // The file's name must be as durable as what is in it.
    files.sync_dir(dir).map_err(in_dir)?;
    Ok((Handle::new(database, source), uuid))
}

/// Writes header, state and empty tables.
fn create(database: &Database, uuid: [u8; 16]) -> Result<(), StoreError> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    {
        let mut state = Vec::new();
        State::default().seal(&mut state);
        let mut table = transaction.open_table(META)?;
        table.insert(HEADER, meta::header(uuid).as_slice())?;
        table.insert(STATE, state.as_slice())?;
        transaction.open_table(EVENTS)?;
        transaction.open_table(STREAMS)?;
        transaction.open_table(RUNS)?;
        transaction.open_table(POSTINGS)?;
        transaction.open_table(BLOCKS)?;
        transaction.open_table(RECORDS)?;
    }
    transaction.commit()?;
    Ok(())
}

/// A version 4 UUID. Hasher keys come from the operating system's random numbers, and each hasher
/// of one process gets keys of its own; nothing secret hangs on it.
fn random_uuid() -> [u8; 16] {
    let nonce = (std::process::id(), std::time::SystemTime::now());
    let [high, low] = [
        RandomState::new().hash_one(nonce),
        RandomState::new().hash_one(nonce),
    ];
    let number = u128::from(high) << 64 | u128::from(low);
    let versioned = number & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    versioned.to_be_bytes()
}
