//! `verify` finds every byte of the database that is not as it was written, and says where: the page
//! and, for a row that the database itself believes in, its table and key. What it finds nothing
//! wrong with is read back exactly.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_disk::RealDisk;
use esdb_store::verify::report::{Damage, Report};
use esdb_store::verify::{Checkpoint, verify};
use esdb_store::{Direction, Expected, Options, Store, StoreError};
use redb::{Database, Key, ReadableTable, TableDefinition};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use support::{Event, Logged, Seen, put, records};
use twox_hash::XxHash3_64;

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const STREAMS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("streams");
const RUNS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("runs");
const POSTINGS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("postings");
const BLOCKS: TableDefinition<'_, (u8, u64), &[u8]> = TableDefinition::new("blocks");
const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const PAGE: usize = 4096;
const LARGEST_PAGE: usize = 4 * PAGE;

/// Several checkpoints over streams of many sizes, some deleted, some begun again: every table has
/// rows of every shape, and the larger ones have branches above their leaves.
fn filled() -> tempfile::TempDir {
    let mut logged = Logged::new();
    for round in 0..4u64 {
        for n in 0..30u64 {
            let tags = ["all".to_owned(), format!("t{}", n % 7), "all".to_owned()];
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            let event = |k| {
                let (id, kind) = (format!("{round}-{n}-{k}"), format!("kind{}", k % 3));
                let event = Event::new(&id, &kind, &"data ".repeat(1 + k as usize % 20), &tags);
                if k % 2 == 0 { event } else { event.unnamed() }
            };
            let events: Vec<_> = (0..1 + (n * 7 + round) % 19).map(event).collect();
            logged.append(&format!("stream-{}", n % 23), Expected::Any, &events);
        }
        logged.delete(&format!("stream-{}", round * 4));
        let keys: Vec<String> = (0..20 + round).map(|n| format!("key-{n}")).collect();
        let puts: Vec<_> = keys
            .iter()
            .map(|key| put(1 + (round % 3) as u8, key, "value"))
            .collect();
        logged.apply(&[records(&puts)]);
        logged.store.checkpoint().unwrap();
    }
    logged.dir
}

fn check(dir: &Path) -> (Checkpoint, Vec<Damage>) {
    let mut damages = Vec::new();
    let checkpoint = verify(&RealDisk, dir, &mut |report| {
        if let Report::Damage(damage) = report {
            damages.push(damage);
        }
    });
    (checkpoint, damages)
}

/// All events by every way to them.
fn answers(dir: &Path) -> Result<Vec<Vec<Seen>>, StoreError> {
    let store = Store::open(dir, Options::default())?;
    let view = store.view();
    let mut answers = vec![Vec::new(); 3];
    let all = usize::MAX;
    view.read_all(0, all, &mut |event| answers[0].push(event.into()))?;
    view.read_by_types(&[&support::binary(b"kind1")], all, &mut |event| {
        answers[1].push(event.into())
    })?;
    view.read_by_tags(&[b"t3"], esdb_store::TagMatch::All, all, &mut |event| {
        answers[2].push(event.into())
    })?;
    for stream in view.streams()? {
        let mut events = Vec::new();
        let mut visit = |event: esdb_store::RecordedEvent<'_>| events.push(event.into());
        view.read_stream(&stream, 0, all, Direction::Forward, &mut visit)?;
        answers.push(events);
    }
    Ok(answers)
}

/// A small generator, so that a failure can be seen again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

#[test]
fn nothing_is_wrong_with_what_was_just_written() {
    let dir = filled();
    let before = fs::read(dir.path().join("state.redb")).unwrap();
    let (checkpoint, damages) = check(dir.path());
    assert_eq!(damages, []);
    assert!(before == fs::read(dir.path().join("state.redb")).unwrap());
    let store = support::open(dir.path());
    let stats = store.stats();
    assert_eq!(
        (checkpoint.events, checkpoint.streams),
        (stats.events, stats.streams)
    );
    assert_eq!(checkpoint.uuid, Some(store.uuid()));
    assert_eq!(checkpoint.applied, Some(store.applied().last));
}

/// A server that was killed leaves a file that its database would have to repair.
#[test]
fn a_database_that_was_not_closed_is_whole() {
    let mut logged = Logged::new();
    logged.append("a", Expected::Any, &support::events("a", 300));
    logged.store.checkpoint().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join("state.redb");
    fs::copy(logged.dir.path().join("state.redb"), &path).unwrap();
    let before = fs::read(&path).unwrap();
    let (mut notes, mut damages) = (Vec::new(), Vec::new());
    let checkpoint = verify(&RealDisk, copy.path(), &mut |report| match report {
        Report::Damage(damage) => damages.push(damage),
        Report::Note { what, .. } => notes.push(what),
        Report::Progress { .. } => {}
    });
    assert_eq!(damages, []);
    assert_eq!((checkpoint.events, checkpoint.streams), (300, 1));
    assert!(
        notes.len() == 1 && notes[0].contains("not closed"),
        "{notes:?}"
    );
    assert!(before == fs::read(&path).unwrap(), "it was repaired");
}

/// A page of the file, each kind of damage in turn: a bit in what says how the page is to be read, a
/// bit anywhere, half of it zeros, all of it zeros, another page in its place.
#[test]
fn every_page_that_is_damaged_is_named() {
    let dir = filled();
    let truth = answers(dir.path()).unwrap();
    let whole = fs::read(dir.path().join("state.redb")).unwrap();
    let mut random = Random(0x5eed);
    let (mut found, mut unused) = (0, 0);
    for page in 0..whole.len() / PAGE {
        let start = page * PAGE;
        let mut kinds: Vec<Vec<u8>> = Vec::new();
        for end in [64, PAGE] {
            let mut bit = whole.clone();
            bit[start + random.below(end)] ^= 1 << random.below(8);
            kinds.push(bit);
        }
        for half in [0, PAGE / 2] {
            let mut zeros = whole.clone();
            zeros[start + half..start + PAGE].fill(0);
            kinds.push(zeros);
        }
        let mut other = whole.clone();
        let from = random.below(whole.len() / PAGE) * PAGE;
        other.copy_within(from..from + PAGE, start);
        kinds.push(other);
        for (kind, damaged) in kinds.into_iter().enumerate() {
            let image = tempfile::tempdir().unwrap();
            fs::write(image.path().join("state.redb"), &damaged).unwrap();
            let (_, damages) = check(image.path());
            let Some(first) = damages.first() else {
                unused += 1;
                // Once in a while: opening it each time takes long.
                if unused % 10 == 0 || page == 0 {
                    let answers = answers(image.path());
                    assert!(
                        answers.is_ok_and(|a| a == truth),
                        "page {page}, kind {kind}"
                    );
                }
                continue;
            };
            found += 1;
            let offset = first.offset.unwrap() as usize;
            // The page itself, or the larger one that it belongs to; the header says of other places
            // where they are.
            let here = (offset..offset + LARGEST_PAGE).contains(&start);
            assert!(here || page == 0, "page {page}, kind {kind}: {first}");
            let named = |d: &Damage| {
                let place = d.place.as_deref().unwrap_or("the header");
                d.path.ends_with("state.redb") && (place.contains("table") || page == 0)
            };
            assert!(damages.iter().all(named), "{damages:?}");
        }
    }
    assert!(found > 150, "{found} found, {unused} of no importance");
}

/// Each row of each table is taken away, by the database itself: its pages are in order.
#[test]
fn every_row_that_is_missing_is_named() {
    let dir = filled();
    for (table, rows) in [
        ("events", remove_each(dir.path(), EVENTS)),
        ("streams", remove_each(dir.path(), STREAMS)),
        ("runs", remove_each(dir.path(), RUNS)),
        ("postings", remove_each(dir.path(), POSTINGS)),
        ("blocks", remove_each(dir.path(), BLOCKS)),
        ("records", remove_each(dir.path(), RECORDS)),
        ("meta", remove_each(dir.path(), META)),
    ] {
        assert!(rows.len() > 1, "{table}");
        for (row, damages) in rows {
            let named = |damage: &Damage| {
                let place = damage.place.as_deref().unwrap_or_default();
                place.starts_with(&format!("table {table},"))
            };
            // An event that is missing is missed by those that lead to it, or by its stream.
            let missed = damages.iter().any(|damage| {
                let text = damage.to_string();
                table == "events" && (text.contains(&row) || text.contains("comes next"))
            });
            assert!(
                damages.iter().any(named) || missed,
                "{table} {row}: {damages:?}"
            );
        }
    }
}

/// Takes some rows of a table away, one at a time; what `verify` says then, by the row's number.
fn remove_each<K: Key + 'static>(
    dir: &Path,
    table: TableDefinition<'_, K, &'static [u8]>,
) -> Vec<(String, Vec<Damage>)> {
    let mut said = Vec::new();
    let count = rewrite(&copy(dir), table, |_, _, value| Some(value));
    for nth in (0..count).step_by(1 + count / 12).chain([count - 1]) {
        let image = copy(dir);
        let mut removed = Vec::new();
        rewrite(&image, table, |at, key, value| {
            if at == nth {
                removed = key.to_vec();
            }
            (at != nth).then_some(value)
        });
        let position = removed
            .first_chunk()
            .map_or(0, |key| u64::from_le_bytes(*key));
        said.push((format!("position {position}"), check(image.path()).1));
    }
    said
}

/// Rows whose checksums are right and whose contents are not: a bug's work, not a disk's.
#[test]
fn every_index_that_disagrees_with_the_events_is_named() {
    let lies: [(&str, Lie); 7] = [
        // One more or one fewer, or another one, in the middle of a row of positions.
        ("postings", |image| {
            reseal(image, POSTINGS, 4, 5, |value| {
                *value.last_mut().unwrap() += 1
            })
        }),
        ("postings", |image| {
            reseal(image, POSTINGS, 4, 2, |value| {
                value[9] -= 1;
                value.pop();
            })
        }),
        ("runs", |image| {
            reseal(image, RUNS, 3, 7, |value| value[8] ^= 1)
        }),
        // The hash by which a retry is recognized.
        ("runs", |image| {
            reseal(image, RUNS, 3, 9, |value| *value.last_mut().unwrap() ^= 1)
        }),
        ("streams", |image| {
            reseal(image, STREAMS, 2, 3, |value| value[16] += 1)
        }),
        ("blocks", |image| {
            reseal(image, BLOCKS, 5, 1, |value| value[8] += 1)
        }),
        // The number of streams.
        ("meta", |image| {
            reseal(image, META, 6, 1, |value| value[8 + 32] += 1)
        }),
    ];
    let dir = filled();
    for (nth, (table, lie)) in lies.into_iter().enumerate() {
        let image = copy(dir.path());
        lie(&image);
        let (_, damages) = check(image.path());
        assert!(!damages.is_empty(), "lie {nth} was believed");
        for damage in &damages {
            let place = damage.place.as_deref().unwrap_or_default();
            let named = place.starts_with(&format!("table {table},"));
            assert!(named, "lie {nth}: {damage}");
        }
        assert!(damages.len() <= 3, "lie {nth}: {damages:?}");
    }
}

/// An event that no index knows, and events whose versions have a gap.
#[test]
fn events_that_disagree_with_each_other_are_named() {
    let dir = filled();
    let image = copy(dir.path());
    rewrite(&image, EVENTS, |at, key, mut value| {
        if at == 100 {
            // The version: after the checksum and a stream number below 128.
            value[9] ^= 1;
            let position: [u8; 8] = key.try_into().unwrap();
            seal(1, &u64::from_le_bytes(position).to_be_bytes(), &mut value);
        }
        Some(value)
    });
    let (_, damages) = check(image.path());
    let text: Vec<_> = damages.iter().map(Damage::to_string).collect();
    assert!(text[0].contains("table events, position "), "{text:?}");
    assert!(text[0].contains("comes next in its stream"), "{text:?}");
}

#[test]
fn a_database_of_another_kind_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::create(dir.path().join("state.redb")).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(TableDefinition::<u64, u64>::new("other"))
        .unwrap()
        .insert(1, 1)
        .unwrap();
    write.commit().unwrap();
    drop(database);
    let (checkpoint, damages) = check(dir.path());
    assert_eq!(checkpoint, Checkpoint::default());
    let text: Vec<_> = damages.iter().map(Damage::to_string).collect();
    assert!(
        text.iter().any(|t| t.contains("table meta: it is missing")),
        "{text:?}"
    );
    assert!(text.iter().any(|t| t.contains("table other: ")), "{text:?}");
}

/// Cut at the end of a page, in the middle of one, to nothing; and grown.
#[test]
fn a_file_of_another_length_is_named() {
    let dir = filled();
    let whole = fs::read(dir.path().join("state.redb")).unwrap();
    for length in [
        0,
        100,
        PAGE,
        7 * PAGE,
        7 * PAGE + 9,
        whole.len() - PAGE,
        whole.len() + PAGE,
    ] {
        let image = tempfile::tempdir().unwrap();
        let mut other = whole.clone();
        other.resize(length, 0);
        fs::write(image.path().join("state.redb"), other).unwrap();
        let (_, damages) = check(image.path());
        assert_eq!(damages.len(), 1, "{length}: {damages:?}");
        assert!(
            damages[0].to_string().contains("state.redb: offset "),
            "{}",
            damages[0]
        );
    }
    let image = tempfile::tempdir().unwrap();
    let (_, damages) = check(image.path());
    assert!(damages[0].what.contains("cannot be opened"), "{damages:?}");
}

type Lie = fn(&tempfile::TempDir);

fn copy(dir: &Path) -> tempfile::TempDir {
    let image = tempfile::tempdir().unwrap();
    fs::copy(dir.join("state.redb"), image.path().join("state.redb")).unwrap();
    image
}

/// Rewrites the rows of a table as `change` says: `None` takes a row away. Answers their number.
fn rewrite<K: Key + 'static>(
    image: &tempfile::TempDir,
    table: TableDefinition<'_, K, &'static [u8]>,
    mut change: impl FnMut(usize, &[u8], Vec<u8>) -> Option<Vec<u8>>,
) -> usize {
    let database = Database::open(image.path().join("state.redb")).unwrap();
    let write = database.begin_write().unwrap();
    let mut table = write.open_table(table).unwrap();
    let rows: BTreeMap<usize, (Vec<u8>, Vec<u8>)> = table
        .iter()
        .unwrap()
        .map(|row| row.unwrap())
        .map(|(k, v)| {
            (
                K::as_bytes(&k.value()).as_ref().to_vec(),
                v.value().to_vec(),
            )
        })
        .enumerate()
        .collect();
    let count = rows.len();
    for (at, (key, value)) in rows {
        match change(at, &key, value.clone()) {
            Some(changed) if changed == value => {}
            Some(value) => drop(table.insert(K::from_bytes(&key), &value[..]).unwrap()),
            None => drop(table.remove(K::from_bytes(&key)).unwrap()),
        }
    }
    drop(table);
    write.commit().unwrap();
    count
}

/// Changes one row of a table, and gives it the checksum that belongs to its new contents.
fn reseal<K: Key + 'static>(
    image: &tempfile::TempDir,
    table: TableDefinition<'_, K, &'static [u8]>,
    number: u64,
    nth: usize,
    change: impl Fn(&mut Vec<u8>),
) {
    rewrite(image, table, |at, key, mut value| {
        if at == nth {
            change(&mut value);
            let key = match number {
                1 => key.iter().rev().copied().collect(),
                3 => [key[..8].iter().rev(), key[8..].iter().rev()]
                    .into_iter()
                    .flatten()
                    .copied()
                    .collect(),
                5 => [&[0; 7][..], &key[..1]]
                    .concat()
                    .into_iter()
                    .chain(key[1..].iter().rev().copied())
                    .collect(),
                _ => key.to_vec(),
            };
            seal(number, &key, &mut value);
        }
        Some(value)
    });
}

/// The checksum as docs/internals/on-disk-format.md gives it.
fn seal(number: u64, key: &[u8], value: &mut [u8]) {
    let seed = XxHash3_64::oneshot_with_seed(number, key);
    let sum = XxHash3_64::oneshot_with_seed(seed, &value[8..]);
    value[..8].copy_from_slice(&sum.to_le_bytes());
}
