//! Bytes on disk that are not what was written are an error that names table and key: never data,
//! and never absence.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Direction, Expected, Options, Store, StoreError, TagMatch};
use redb::{Database, Key, ReadableTable, TableDefinition, Value};
use std::path::Path;
use support::{Event, append, kept, open, put, records};

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const STREAMS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("streams");
const RUNS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("runs");
const POSTINGS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("postings");
const BLOCKS: TableDefinition<'_, (u8, u64), &[u8]> = TableDefinition::new("blocks");
const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// 300 events of two streams, in three runs each, and six records; and one event that was deleted, so
/// that ranks are no positions.
fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..6u64 {
        let event = |k| Event::new(&format!("{n}-{k}"), "thing", "data", &["tag"]);
        let events: Vec<_> = (0..50).map(event).collect();
        let name = if n % 2 == 0 { "even" } else { "odd" };
        let mut builder = esdb_store::batch::Builder::new(n);
        builder.push(&append(name, Expected::Any, &events));
        builder.push(&records(&[put(1, &format!("key-{n}"), "a value")]));
        if n == 5 {
            let event = Event::new("gone", "other", "data", &[]);
            builder.push(&append("gone", Expected::Any, &[event]));
            builder.push(&support::delete("gone"));
        }
        let at = esdb_store::LogPosition {
            term: 1,
            node: 1,
            index: n + 1,
        };
        store.apply(at, builder.finish()).unwrap();
    }
    store.checkpoint().unwrap();
    dir
}

/// Rewrites the rows of a table as `change` says: `None` takes a row away.
fn rewrite<K: Key + 'static, V>(
    dir: &Path,
    table: TableDefinition<'_, K, V>,
    change: impl Fn(usize, Vec<u8>) -> Option<Vec<u8>>,
) where
    for<'a> V: Value<SelfType<'a> = &'a [u8]> + 'static,
{
    let database = Database::open(dir.join("state.redb")).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut table = write.open_table(table).unwrap();
        let rows: Vec<(Vec<u8>, Vec<u8>)> = table
            .iter()
            .unwrap()
            .map(|row| row.unwrap())
            .map(|(k, v)| {
                (
                    K::as_bytes(&k.value()).as_ref().to_vec(),
                    v.value().to_vec(),
                )
            })
            .collect();
        for (at, (key, value)) in rows.into_iter().enumerate() {
            match change(at, value) {
                Some(value) => drop(table.insert(K::from_bytes(&key), &value[..]).unwrap()),
                None => drop(table.remove(K::from_bytes(&key)).unwrap()),
            }
        }
    }
    write.commit().unwrap();
}

/// Asks every query for everything; the first error, if there is any.
fn ask(dir: &Path) -> Result<usize, StoreError> {
    let store = Store::open(dir, Options::default())?;
    let view = store.view();
    let mut seen = 0;
    let mut visit = |event: esdb_store::RecordedEvent<'_>| {
        assert_eq!(
            event.data,
            support::binary(b"data"),
            "damage came back as data"
        );
        seen += 1;
    };
    assert_eq!(view.streams()?, [b"even".to_vec(), b"odd".to_vec()]);
    for direction in [Direction::Forward, Direction::Backward] {
        for start in [0, 60, 149] {
            for stream in [&b"even"[..], b"odd"] {
                assert_eq!(view.version(stream)?, Some(149));
                let count = view.read_stream(stream, start, 1_000, direction, &mut visit)?;
                let expected = match direction {
                    Direction::Forward => 150 - start,
                    Direction::Backward => start + 1,
                };
                assert_eq!(count, Some(expected as usize), "absence came back");
            }
        }
    }
    for offset in [0, 100, 260] {
        assert_eq!(
            view.read_all(offset, 1_000, &mut visit)?,
            300 - offset as usize
        );
    }
    let thing = support::binary(b"thing");
    assert_eq!(view.read_by_types(&[&thing], 1_000, &mut visit)?, 300);
    assert_eq!(
        view.read_by_tags(&[b"tag"], TagMatch::All, 1_000, &mut visit)?,
        300
    );
    let kept = kept(&view, 1)?;
    assert_eq!(kept.len(), 6, "absence came back");
    assert!(kept.iter().all(|(_, record)| record.value == "a value"));
    Ok(seen)
}

fn names(dir: &Path, expected: &str) {
    match ask(dir).unwrap_err() {
        StoreError::Damaged { table, key, .. } => {
            assert_eq!(table, expected);
            assert!(!key.is_empty() || table == "streams");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn nothing_is_damaged_to_begin_with() {
    let (forward, backward, all, terms) = (2 * 241, 2 * 212, 540, 600);
    assert_eq!(
        ask(filled().path()).unwrap(),
        forward + backward + all + terms
    );
}

/// Does something to the database in a directory.
type Damage<'a> = Box<dyn Fn(&Path) + 'a>;

/// Flips a bit in one row of every table: in the checksum, and in what it covers.
#[test]
fn a_flipped_bit_in_any_value() {
    for byte in [0, 7, 8, 9, 17, 20] {
        let flip = |mut value: Vec<u8>| {
            let at = byte.min(value.len() - 1);
            value[at] ^= 1 << (byte % 8);
            Some(value)
        };
        let only = |nth: usize| move |at, value| if at == nth { flip(value) } else { Some(value) };
        let cases: [(&str, Damage<'_>); 7] = [
            ("events", Box::new(|dir| rewrite(dir, EVENTS, only(137)))),
            ("streams", Box::new(|dir| rewrite(dir, STREAMS, only(1)))),
            ("runs", Box::new(|dir| rewrite(dir, RUNS, only(4)))),
            ("postings", Box::new(|dir| rewrite(dir, POSTINGS, only(1)))),
            ("blocks", Box::new(|dir| rewrite(dir, BLOCKS, only(0)))),
            ("records", Box::new(|dir| rewrite(dir, RECORDS, only(3)))),
            ("meta", Box::new(|dir| rewrite(dir, META, only(1)))),
        ];
        for (table, damage) in cases {
            let dir = filled();
            damage(dir.path());
            names(dir.path(), table);
        }
    }
}

#[test]
fn a_row_under_anothers_key() {
    let swap = |dir: &Path| {
        let database = Database::open(dir.join("state.redb")).unwrap();
        let write = database.begin_write().unwrap();
        {
            let mut table = write.open_table(EVENTS).unwrap();
            let other = table.get(11).unwrap().unwrap().value().to_vec();
            table.insert(10, &other[..]).unwrap();
        }
        write.commit().unwrap();
    };
    let dir = filled();
    swap(dir.path());
    names(dir.path(), "events");
    // Here only the key in the checksum tells one from the other.
    let dir = filled();
    let database = Database::open(dir.path().join("state.redb")).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut table = write.open_table(STREAMS).unwrap();
        let other = table.get(&b"odd"[..]).unwrap().unwrap().value().to_vec();
        table.insert(&b"even"[..], &other[..]).unwrap();
    }
    write.commit().unwrap();
    drop(database);
    names(dir.path(), "streams");
}

#[test]
fn a_row_that_is_missing() {
    for nth in [0, 60, 137, 255, 256, 299] {
        let dir = filled();
        rewrite(dir.path(), EVENTS, |at, value| (at != nth).then_some(value));
        names(dir.path(), "events");
    }
    for nth in 0..6 {
        let dir = filled();
        rewrite(dir.path(), RUNS, |at, value| (at != nth).then_some(value));
        names(dir.path(), "runs");
    }
}

/// Three rows of the type, three of the tag: two of 512 positions each, and the last.
#[test]
fn a_row_of_positions_that_is_missing() {
    for nth in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let event = |k| Event::new(&format!("{k}"), "thing", "data", &["tag"]);
        let mut builder = esdb_store::batch::Builder::new(1);
        builder.push(&append(
            "a",
            Expected::Any,
            &(0..1_100).map(event).collect::<Vec<_>>(),
        ));
        let at = esdb_store::LogPosition {
            term: 1,
            node: 1,
            index: 1,
        };
        store.apply(at, builder.finish()).unwrap();
        store.checkpoint().unwrap();
        drop(store);
        rewrite(dir.path(), POSTINGS, |at, value| {
            (at != nth).then_some(value)
        });
        let store = open(dir.path());
        let view = store.view();
        let thing = support::binary(b"thing");
        let mut seen = 0;
        let types = view.read_by_types(&[&thing], 2_000, &mut |_| seen += 1);
        let tags = view.read_by_tags(&[b"tag"], TagMatch::All, 2_000, &mut |_| seen += 1);
        let (damaged, whole) = if nth < 3 {
            (types, tags)
        } else {
            (tags, types)
        };
        assert_eq!(whole.unwrap(), 1_100);
        let error = damaged.unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Damaged {
                    table: "postings",
                    ..
                }
            ),
            "{nth}: {error}"
        );
        assert!(seen < 2_200);
    }
}

#[test]
fn a_record_that_is_missing() {
    for nth in 0..6 {
        let dir = filled();
        rewrite(dir.path(), RECORDS, |at, value| {
            (at != nth).then_some(value)
        });
        names(dir.path(), "records");
    }
}

#[test]
fn a_record_under_anothers_key() {
    let dir = filled();
    let database = Database::open(dir.path().join("state.redb")).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut table = write.open_table(RECORDS).unwrap();
        let row = table.get(&b"\x01key-0"[..]).unwrap().unwrap();
        let other = row.value().to_vec();
        drop(row);
        table.insert(&b"\x01key-1"[..], &other[..]).unwrap();
    }
    write.commit().unwrap();
    drop(database);
    let error = ask(dir.path()).unwrap_err();
    assert!(error.to_string().contains("records"), "{error}");
    // The key in the message is the space and the key.
    assert!(error.to_string().contains("016b65792d31"), "{error}");
}

/// What is damaged can be replaced and deleted: nobody needs to read it for that.
#[test]
fn a_damaged_record_can_be_put_anew() {
    let dir = filled();
    rewrite(dir.path(), RECORDS, |_, mut value| {
        value[9] ^= 1;
        Some(value)
    });
    let store = open(dir.path());
    let mut builder = esdb_store::batch::Builder::new(1);
    let changes: Vec<String> = (0..5).map(|n| format!("key-{n}")).collect();
    let mut changes: Vec<_> = changes.iter().map(|key| put(1, key, "a value")).collect();
    changes.push(support::remove(1, "key-5"));
    changes.push(put(1, "key-5", "a value"));
    builder.push(&records(&changes));
    let at = esdb_store::LogPosition {
        term: 1,
        node: 1,
        index: 7,
    };
    let outcomes = store.apply(at, builder.finish()).unwrap();
    assert!(matches!(
        outcomes[..],
        [esdb_store::Outcome::Recorded { existed: 6, .. }]
    ));
    store.checkpoint().unwrap();
    drop(store);
    ask(dir.path()).unwrap();
}

#[test]
fn a_stream_that_is_missing() {
    for nth in 0..2 {
        let dir = filled();
        rewrite(dir.path(), STREAMS, |at, value| {
            (at != nth).then_some(value)
        });
        names(dir.path(), "streams");
    }
}

/// The order of all events does not rest on the streams' own index.
#[test]
fn a_hole_in_the_order_of_all_events() {
    for range in [0..1, 100..101, 250..260, 256..300, 0..300, 299..300] {
        let dir = filled();
        rewrite(dir.path(), EVENTS, |at, value| {
            (!range.contains(&at)).then_some(value)
        });
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let error = store.view().read_all(0, 1_000, &mut |_| {}).unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Damaged {
                    table: "events",
                    ..
                }
            ),
            "{range:?}: {error}"
        );
    }
}

#[test]
fn an_append_to_a_damaged_stream_stops_the_store() {
    let dir = filled();
    rewrite(dir.path(), STREAMS, |at, mut value| {
        value[8] ^= u8::from(at == 0);
        Some(value)
    });
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let apply = |index, stream| {
        let mut builder = esdb_store::batch::Builder::new(1);
        builder.push(&append("new", Expected::Any, &support::events("n", 1)));
        builder.push(&append(
            stream,
            Expected::NoStream,
            &support::events("e", 1),
        ));
        store.apply(
            esdb_store::LogPosition {
                term: 1,
                node: 1,
                index,
            },
            builder.finish(),
        )
    };
    let error = apply(7, "even").unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Damaged {
                table: "streams",
                ..
            }
        ),
        "{error}"
    );
    // Half of the entry was applied: neither a view nor a checkpoint ever shows it.
    assert_eq!(store.view().version(b"new").unwrap(), None);
    assert_eq!(store.applied().last.map(|last| last.index), Some(6));
    assert!(matches!(
        apply(8, "odd").unwrap_err(),
        StoreError::Stopped(_)
    ));
    assert!(matches!(
        store.checkpoint().unwrap_err(),
        StoreError::Stopped(_)
    ));
}
