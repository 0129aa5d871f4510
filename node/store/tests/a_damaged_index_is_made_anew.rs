//! A damaged or missing row of the positions of a tag keeps no checkpoint from being written, not even
//! when events with that tag come: what cannot be read is made anew from the events, and `verify` is
//! content. Before that, who asks for the tag is told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_disk::RealDisk;
use esdb_store::verify::report::Report;
use esdb_store::verify::verify;
use esdb_store::{Expected, StoreError, TagMatch};
use redb::{Database, ReadableTable, TableDefinition};
use std::path::Path;
use support::{Event, Logged};

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const POSTINGS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("postings");
/// Rows of the tag: two full ones of 512 positions, and the last.
const TAGGED: usize = 1_300;

/// Every second event bears the tag.
fn filled() -> Logged {
    let mut logged = Logged::new();
    for n in 0..TAGGED {
        let (tagged, other) = (format!("t{n}"), format!("o{n}"));
        let events = [
            Event::new(&tagged, "thing", "data", &["tag"]),
            Event::new(&other, "other", "data", &[]),
        ];
        logged.append("stream", Expected::Any, &events);
    }
    logged.store.checkpoint().unwrap();
    logged
}

fn flip(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    let last = value.len() - 1;
    value[last] ^= 1;
    value
}

/// Damages these rows of the tag, or takes them away.
fn damage(dir: &Path, rows: &[usize], away: bool) {
    let database = Database::open(dir.join("state.redb")).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut table = write.open_table(POSTINGS).unwrap();
        let of_tag = |key: &[u8]| key.starts_with(b"\x02\x00\x00\x00\x03tag");
        let all = table.iter().unwrap().map(|row| {
            let (key, value) = row.unwrap();
            (key.value().to_vec(), value.value().to_vec())
        });
        let all: Vec<_> = all.filter(|(key, _)| of_tag(key)).collect();
        assert_eq!(all.len(), 3);
        for (key, value) in rows.iter().map(|row| &all[*row]) {
            match away {
                true => drop(table.remove(&**key).unwrap()),
                false => drop(table.insert(&**key, &*flip(value)).unwrap()),
            }
        }
    }
    write.commit().unwrap();
}

fn tagged(logged: &Logged) -> Result<usize, StoreError> {
    let view = logged.store.view();
    view.read_by_tags(&[b"tag"], TagMatch::All, usize::MAX, &mut |_| {})
}

fn append(logged: &mut Logged) {
    let event = Event::new("new", "thing", "data", &["tag"]);
    logged.append("stream", Expected::Any, &[event]);
}

#[test]
fn whichever_rows_are_damaged() {
    for rows in [&[2][..], &[1, 2], &[0, 1, 2], &[0, 2]] {
        for away in [false, true] {
            // Of a tag without any row nobody knows.
            if away && rows.len() == 3 {
                continue;
            }
            let mut logged = filled().reopen_after(|dir| damage(dir, rows, away));
            assert!(tagged(&logged).is_err(), "{rows:?} {away}");
            append(&mut logged);
            logged.store.checkpoint().unwrap();
            let logged = logged.reopen();
            let first = rows[0] == 0 && rows.len() == 2;
            match tagged(&logged) {
                Ok(count) => assert_eq!(count, TAGGED + 1, "{rows:?} {away}"),
                // A row before those that can be read stays damaged.
                Err(error) => assert!(first, "{rows:?} {away}: {error}"),
            }
            logged.store.close();
            let mut damages = Vec::new();
            verify(&RealDisk, logged.dir.path(), &mut |report| {
                if let Report::Damage(damage) = report {
                    damages.push(damage);
                }
            });
            assert_eq!(damages.is_empty(), !first, "{rows:?} {away}: {damages:?}");
        }
    }
}

/// Then nobody can tell whether it bears the tag.
#[test]
fn not_where_an_event_is_damaged_too() {
    let mut logged = filled().reopen_after(|dir| {
        damage(dir, &[2], false);
        let database = Database::open(dir.join("state.redb")).unwrap();
        let write = database.begin_write().unwrap();
        {
            let mut table = write.open_table(EVENTS).unwrap();
            let value = flip(table.get(2_500).unwrap().unwrap().value());
            table.insert(2_500, &*value).unwrap();
        }
        write.commit().unwrap();
    });
    append(&mut logged);
    let refused = logged.store.checkpoint().unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::Damaged {
                table: "events",
                ..
            }
        ),
        "{refused}"
    );
}
