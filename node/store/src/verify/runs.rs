//! The runs: by stream and version to each event, with what the retry window keeps of it.

use super::books::Books;
use super::checker::{Checker, Known};
use super::index::Index;
use crate::codec::Reader;
use crate::pages::tree::Order;
use crate::run::MAX_RUN;
use crate::tables::{IN_RUNS, RunRow};

pub(super) const INDEX: Index = Index {
    table: Known {
        name: IN_RUNS.0,
        order: Order::Numbers(&[8, 8]),
        show: |key| {
            let (number, version) = key_of(key);
            format!("stream number {number}, version {version}")
        },
    },
    ledger: |books| &mut books.runs,
    of_event: |row, body, visit| visit(&claim(row.number, row.version, body.retry_hash())),
    of_row: |key, value, visit| {
        let (number, version) = key_of(key);
        let run = RunRow::open(number, version, value)?;
        if run.count > u64::from(MAX_RUN) {
            return Err("it holds more events than a run may".into());
        }
        for (at, hash) in (0..).zip(run.retry_hashes()) {
            visit(run.first_position + at, &claim(number, version + at, hash));
        }
        Ok(())
    },
    show: |claim| {
        let mut reader = Reader(claim);
        let mut next = || reader.u64().unwrap_or_default();
        let (number, version, hash) = (next(), next(), next());
        format!("stream number {number}, version {version}, retry hash {hash:016x}")
    },
};

fn key_of(key: &[u8]) -> (u64, u64) {
    let both = Order::numbers(&[8, 8], key);
    ((both >> 64) as u64, both as u64)
}

fn claim(number: u64, version: u64, retry_hash: u64) -> [u8; 24] {
    let mut claim = [0; 24];
    let fields = [number, version, retry_hash].map(u64::to_le_bytes);
    let bytes = fields.as_flattened();
    claim.copy_from_slice(bytes);
    claim
}

/// Checks the runs against the events.
pub(super) fn check(checker: &mut Checker<'_>, books: &mut Books) {
    INDEX.check(checker, books, &mut |_, _| Ok(()));
}
