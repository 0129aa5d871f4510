//! Walking over the rows of a table, and telling what is wrong with them.

use super::report::{Damage, Report};
use crate::StoreError;
use crate::pages::PageFile;
use crate::pages::tree::{Order, Row, Tree};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Bytes between two reports of progress.
const STEP: u64 = 4 << 20;

/// A table that this version knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub name: &'static str,
    pub order: Order,
    /// The key for people.
    pub show: fn(&[u8]) -> String,
}

impl Known {
    /// Table and key for people.
    pub fn place(&self, key: &[u8]) -> String {
        format!("table {}, {}", self.name, (self.show)(key))
    }
}

/// What is wrong with a row.
#[derive(Debug)]
pub(super) struct Wrong(pub String);

impl From<StoreError> for Wrong {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { what, .. } => Wrong(what.to_owned()),
            other => Wrong(other.to_string()),
        }
    }
}

impl From<&str> for Wrong {
    fn from(what: &str) -> Self {
        Wrong(what.to_owned())
    }
}

/// What the check of a row comes to.
pub(super) type Verdict = Result<(), Wrong>;
/// Checks a row: key, value.
pub(super) type CheckRow<'r> = &'r mut dyn FnMut(&[u8], &[u8]) -> Verdict;

/// What the check works on.
pub(super) struct Checker<'a> {
    pages: &'a PageFile,
    path: PathBuf,
    report: &'a mut dyn FnMut(Report),
    tables: BTreeMap<String, Tree>,
    internal: BTreeMap<String, Tree>,
    told: u64,
}

impl<'a> Checker<'a> {
    pub fn new(pages: &'a PageFile, path: PathBuf, report: &'a mut dyn FnMut(Report)) -> Self {
        if pages.in_use {
            let what = "was not closed: what its last checkpoint left is checked".to_owned();
            let path = path.clone();
            report(Report::Note { path, what });
        }
        let mut bad = |bad| {
            let place = "the list of the tables".to_owned();
            report(Report::Damage(Damage::of_page(&path, bad, Some(place))));
        };
        let (tables, internal) = (pages.tables(&mut bad), pages.own_tables(&mut bad));
        let by_name = |tables: Vec<crate::pages::NamedTable>| {
            let named = tables.into_iter().map(|table| (table.name, table.tree));
            named.collect()
        };
        Self {
            pages,
            path,
            report,
            tables: by_name(tables),
            internal: by_name(internal),
            told: 0,
        }
    }

    /// Tells of damage at a place.
    pub fn damage(&mut self, place: String, what: impl Into<String>) {
        let damage = Damage {
            place: Some(place),
            ..Damage::of_file(&self.path, what)
        };
        (self.report)(Report::Damage(damage));
    }

    /// Tells that a table was read, but not compared with the events.
    pub fn not_compared(&mut self, table: &Known) {
        let what = format!(
            "table {} was not compared with the events, since not all of both could be read",
            table.name
        );
        let path = self.path.clone();
        (self.report)(Report::Note { path, what });
    }

    /// Visits the rows of a table, in order. `row` says what is wrong with a row. True if the table is
    /// whole.
    pub fn rows(&mut self, table: &Known, row: CheckRow<'_>) -> bool {
        match self.tables.get(table.name).cloned() {
            Some(tree) => {
                let name = format!("table {}", table.name);
                self.walk(&tree, &name, table.order, &|key| table.place(key), row)
            }
            None => {
                self.damage(format!("table {}", table.name), "it is missing");
                false
            }
        }
    }

    /// Checks the pages of the tables that the database keeps for itself, and says which tables are
    /// not `known`.
    pub fn check_the_rest(&mut self, known: &[&str]) {
        for (name, tree) in std::mem::take(&mut self.internal) {
            let name = format!("the database's own table {name}");
            let show = |_: &[u8]| name.clone();
            self.walk(&tree, &name, Order::Unknown, &show, &mut |_, _| Ok(()));
        }
        for name in std::mem::take(&mut self.tables).into_keys() {
            if !known.contains(&&*name) {
                self.damage(format!("table {name}"), "this version has no such table");
            }
        }
    }

    fn walk(
        &mut self,
        tree: &Tree,
        name: &str,
        order: Order,
        place: &dyn Fn(&[u8]) -> String,
        row: CheckRow<'_>,
    ) -> bool {
        let (pages, path) = (self.pages, &self.path);
        let (mut whole, mut told) = (true, self.told);
        let report = std::cell::RefCell::new(&mut *self.report);
        let damaged = std::cell::Cell::new(false);
        let mut visit = |found: Row<'_>| {
            if let Err(Wrong(what)) = row(found.key, found.value) {
                damaged.set(true);
                (report.borrow_mut())(Report::Damage(Damage {
                    path: path.clone(),
                    offset: Some(found.page),
                    place: Some(place(found.key)),
                    what,
                }));
            }
            if pages.read() >= told + STEP {
                told = pages.read();
                (report.borrow_mut())(Report::Progress {
                    path: path.clone(),
                    done: told.min(pages.length()),
                    total: pages.length(),
                });
            }
        };
        let mut bad = |bad: crate::pages::BadPage| {
            damaged.set(true);
            let place = match &bad.keys {
                (Some(above), Some(upto)) => format!("{} up to {}", place(above), place(upto)),
                (Some(above), None) => format!("{} and what follows", place(above)),
                (None, Some(upto)) => format!("up to {}", place(upto)),
                (None, None) => format!("all of {name}"),
            };
            (report.borrow_mut())(Report::Damage(Damage::of_page(path, bad, Some(place))));
        };
        pages.walk(tree, order, &mut visit, &mut bad);
        whole &= !damaged.get();
        self.told = told;
        whole
    }
}
