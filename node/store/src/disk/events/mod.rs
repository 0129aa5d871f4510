//! The events on disk by position, read from the pages of the database's file.
//!
//! The database itself would look up each page in its cache, read it by a call of its own, and give
//! up another one for it; docs/internals/decisions.md has what that costs. Here pages that lie one
//! after the other are read at once, into the reader's own memory, and only pages that lead to others
//! are kept. What is read is what one transaction shows: as long as that is held, the database writes
//! over none of its pages.
//!
//! # Layout
//! - this file: the table, and what its pages are read from
//! - [`branches`]: the pages that are kept
//! - [`descent`]: the way down to a page of events; [`reader`]: finding events there

mod branches;
mod descent;
mod reader;

use super::health::Health;
use crate::StoreError;
use crate::pages::tree::Tree;
use crate::pages::{BadPage, PageFile};
use crate::tables::EVENTS;
use branches::Branches;
use esdb_disk::File;
use redb::TableHandle;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

pub(crate) use reader::Reader;

/// The file of an open database.
#[derive(Debug)]
pub(crate) struct Source {
    file: Arc<dyn File>,
    path: Arc<Path>,
    health: Arc<Health>,
    branches: Branches,
    /// The database was closed: whoever opens it again does not know what is still being read.
    closed: AtomicBool,
}

impl Source {
    /// Of the file that a database works on, with room for `bytes` of pages that are kept.
    pub fn new(file: Arc<dyn File>, path: &Path, health: &Arc<Health>, bytes: usize) -> Self {
        Self {
            file,
            path: path.into(),
            health: health.clone(),
            branches: Branches::new(bytes),
            closed: AtomicBool::new(false),
        }
    }

    /// Refuses every read from now on.
    pub fn close(&self) {
        self.closed.store(true, SeqCst);
    }

    /// Fills `out` with what stood at `offset` when the transaction began.
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), StoreError> {
        let length = out.len();
        let read = self.file.read_at(out, offset);
        // What is read is overwritten at the earliest after this.
        if self.closed.load(SeqCst) {
            return Err(redb::Error::DatabaseClosed.into());
        }
        read.map_err(|error| {
            let what = format_args!("read {length} bytes at {offset}: {error}");
            self.unread(error.kind(), what)
        })
    }

    fn unread(&self, kind: io::ErrorKind, what: impl Display) -> StoreError {
        let text = format!("{}: {what}", self.path.display());
        self.health.tell(text.clone());
        StoreError::Disk(io::Error::new(kind, text))
    }

    /// The error that names the file and where in it `what` is.
    pub fn damaged(&self, offset: u64, what: &str) -> StoreError {
        StoreError::DamagedPage(format!("{}, offset {offset}: {what}", self.path.display()))
    }
}

/// The table of events as one checkpoint left it.
#[derive(Debug)]
pub(crate) struct Events {
    source: Arc<Source>,
    pages: PageFile,
    tree: Tree,
    /// Number of pages that lead from the root to an event's page; `UNKNOWN` until one was found.
    height: AtomicUsize,
}

const UNKNOWN: usize = usize::MAX;

impl Events {
    /// The table as the file shows it now.
    pub fn open(source: &Arc<Source>) -> Result<Self, StoreError> {
        let bad = |bad: BadPage| match bad.system {
            Some(kind) => source.unread(kind, format_args!("offset {}: {}", bad.offset, bad.what)),
            None => source.damaged(bad.offset, &bad.what),
        };
        let pages = PageFile::open(source.file.clone()).map_err(bad)?;
        let mut first = None;
        let tables = pages.tables(&mut |bad| first = first.take().or(Some(bad)));
        if let Some(found) = first {
            return Err(bad(found));
        }
        let events = tables
            .into_iter()
            .find(|table| table.name == EVENTS.name() && table.tree.key_size == Some(8));
        let Some(events) = events else {
            return Err(source.damaged(0, "it has no table of events"));
        };
        Ok(Self {
            source: source.clone(),
            pages,
            tree: events.tree,
            height: AtomicUsize::new(UNKNOWN),
        })
    }

    /// From now on, so many bytes of the pages that lead to events are kept.
    pub fn set_room(&self, bytes: usize) {
        self.source.branches.set_room(bytes);
    }

    /// Begins to read.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(self)
    }
}
