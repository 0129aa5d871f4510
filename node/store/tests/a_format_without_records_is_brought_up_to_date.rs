//! A database of format 1 had no records: it is opened, gets what it lacks, and from then on has a
//! number that the older version refuses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::Expected;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::path::Path;
use support::{Logged, collect, events, kept, put, records};
use twox_hash::XxHash3_64;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

fn format(dir: &Path) -> u32 {
    let database = Database::open(dir.join("state.redb")).unwrap();
    let table = database.begin_read().unwrap().open_table(META).unwrap();
    let header = table.get("header").unwrap().unwrap().value().to_vec();
    u32::from_le_bytes(header[8..12].try_into().unwrap())
}

/// Makes the database one of format 1.
fn downgrade(dir: &Path) {
    let database = Database::open(dir.join("state.redb")).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut table = write.open_table(META).unwrap();
        let mut header = table.get("header").unwrap().unwrap().value()[..28].to_vec();
        header[8..12].copy_from_slice(&1u32.to_le_bytes());
        let sum = XxHash3_64::oneshot(&header);
        header.extend(sum.to_le_bytes());
        table.insert("header", &header[..]).unwrap();
        let state = table.get("state").unwrap().unwrap().value().to_vec();
        // The number of spaces that hold records ends it: none.
        let (last, rest) = state[8..].split_last().unwrap();
        assert_eq!(*last, 0);
        let seed = XxHash3_64::oneshot_with_seed(6, b"state");
        let sum = XxHash3_64::oneshot_with_seed(seed, rest);
        table
            .insert("state", &[&sum.to_le_bytes(), rest].concat()[..])
            .unwrap();
    }
    write.delete_table(RECORDS).unwrap();
    write.commit().unwrap();
}

#[test]
fn with_everything_that_was_in_it() {
    let mut logged = Logged::new();
    logged.append("s", Expected::Any, &events("e", 5));
    logged.store.checkpoint().unwrap();
    let uuid = logged.store.uuid();
    let mut logged = logged.reopen_after(|dir| {
        assert_eq!(format(dir), 2);
        downgrade(dir);
        assert_eq!(format(dir), 1);
    });
    assert_eq!(logged.store.uuid(), uuid);
    let view = logged.store.view();
    assert_eq!(collect(|visit| view.read_all(0, 9, visit)).len(), 5);
    assert_eq!(kept(&view, 1).unwrap(), []);
    drop(view);
    logged.apply(&[records(&[put(1, "a", "1")])]);
    logged.store.checkpoint().unwrap();
    let logged = logged.reopen_after(|dir| assert_eq!(format(dir), 2));
    assert_eq!(kept(&logged.store.view(), 1).unwrap().len(), 1);
}
