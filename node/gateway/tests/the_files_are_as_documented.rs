//! A data directory of the newest format is read by the offsets that docs/internals/on-disk-format.md
//! gives, and by nothing of ours: whoever changes a format without its number, or one of format and
//! document without the other, finds out here.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use twox_hash::{XxHash3_64, XxHash3_128};

const FIXTURE: &str = "../../tests/fixtures/format_2_end.tar.gz";
/// Some time in 2020, in microseconds since 1970.
const LONG_AGO: u64 = 1_600_000_000_000_000;

/// The directory of the fixture's only store.
fn store() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE);
    let mut tar = Command::new("tar");
    tar.arg("xzf").arg(archive).arg("-C").arg(dir.path());
    assert!(tar.status().unwrap().success());
    // Bytes other than small letters, digits, `_` and `-` as `%` and two digits.
    let store = dir.path().join("stores/%46ixture-%c3%bc");
    (dir, store)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn counted<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let count = varint(bytes) as usize;
    let (counted, rest) = bytes.split_at(count);
    *bytes = rest;
    counted
}

/// Checks `STORE`; the store's UUID.
fn uuid(store: &Path) -> Vec<u8> {
    let bytes = fs::read(store.join("STORE")).unwrap();
    assert_eq!(&bytes[..8], b"ESDBSTOR");
    assert_eq!(word(&bytes, 8), 2);
    let (n, m) = (word(&bytes, 12) as usize, word(&bytes, 16) as usize);
    let checked = [&bytes[..20], &bytes[24..]].concat();
    assert_eq!(word(&bytes, 20), crc32fast::hash(&checked));
    assert_eq!(&bytes[40..40 + n], "Fixture-ü".as_bytes());
    // The empty list.
    assert_eq!((&bytes[40 + n..], m), (&[106][..], 1));
    bytes[24..40].to_vec()
}

#[test]
fn the_log() {
    let (_dir, store) = store();
    let uuid = uuid(&store);
    let meta = fs::read(store.join("log/meta")).unwrap();
    assert_eq!((meta.len(), &meta[..8]), (104, &b"ESDBMETA"[..]));
    assert_eq!(word(&meta, 8), 1);
    // There is a vote, it is committed, something was purged, no truncation is under way.
    assert_eq!(word(&meta, 12), 7);
    assert_eq!(meta[16..32], uuid);
    let (newest, oldest) = (long(&meta, 32), long(&meta, 88));
    assert_eq!((long(&meta, 40), long(&meta, 48)), (1, 1));
    assert_eq!((long(&meta, 56), long(&meta, 64)), (1, 1));
    let purged = long(&meta, 72);
    assert_eq!((long(&meta, 80), word(&meta, 96)), (0, 0));
    assert_eq!(word(&meta, 100), crc32fast::hash(&meta[..100]));
    let (mut next, mut commands) = (None, Vec::new());
    for number in oldest..=newest {
        let path = store.join(format!("log/{number:012}.wal"));
        let records = segment(&fs::read(path).unwrap(), &uuid, number);
        for (index, kind, payload) in records {
            assert!(next.is_none_or(|next| next == index));
            next = Some(index + 1);
            if kind == 2 && index > purged {
                commands.extend(batch(&payload));
            }
        }
    }
    the_end(&fs::read(store.join("log/end")).unwrap(), &uuid, next);
    // What was done after the checkpoint; besides, snapshots and subscriptions changed records.
    let events: Vec<_> = commands.iter().filter(|(kind, _)| *kind != 3).collect();
    let expected = [(1, "late"), (1, "many"), (2, "one")];
    assert!(
        events
            .into_iter()
            .eq(&expected.map(|(kind, name)| (kind, name.to_owned())))
    );
    assert!(commands.iter().filter(|(kind, _)| *kind == 3).count() >= 3);
}

/// Checks the file `end`: the last append may be of one entry or of several.
fn the_end(bytes: &[u8], uuid: &[u8], next: Option<u64>) {
    assert_eq!((bytes.len(), &bytes[..8]), (64, &b"ESDBENDS"[..]));
    assert_eq!((word(bytes, 8), word(bytes, 12)), (1, 0));
    assert_eq!(&bytes[16..32], uuid);
    assert!(long(bytes, 32) < long(bytes, 40));
    assert_eq!(Some(long(bytes, 40)), next);
    assert_eq!(bytes[48..60], [0; 12]);
    assert_eq!(word(bytes, 60), crc32fast::hash(&bytes[..60]));
}

/// Index, kind and payload of each record.
fn segment(bytes: &[u8], uuid: &[u8], number: u64) -> Vec<(u64, u8, Vec<u8>)> {
    assert_eq!(&bytes[..8], b"ESDBWALS");
    assert_eq!((word(bytes, 8), word(bytes, 12)), (1, 64));
    assert_eq!(&bytes[16..32], uuid);
    assert_eq!(long(bytes, 32), number);
    let epoch = &bytes[40..48];
    let first = long(bytes, 48);
    assert_eq!(word(bytes, 56) as usize * 64, bytes.len());
    assert_eq!(word(bytes, 60), crc32fast::hash(&bytes[..60]));
    let (mut records, mut at) = (Vec::new(), 64);
    while bytes.get(at + 40).is_some_and(|kind| *kind != 0) {
        let header = &bytes[at..at + 48];
        let payload = &bytes[at + 48..][..word(header, 0) as usize];
        assert_eq!(word(header, 4), crc32fast::hash(payload));
        let index = long(header, 24);
        assert_eq!(index, first + records.len() as u64);
        assert!(long(header, 8) <= 1 && long(header, 16) <= 1);
        assert!(long(header, 32) <= index);
        assert!((1..=3).contains(&header[40]));
        assert_eq!(header[41..44], [0; 3]);
        let checked = [&header[..44], epoch].concat();
        assert_eq!(word(header, 44), crc32fast::hash(&checked));
        records.push((index, header[40], payload.to_vec()));
        at += 48 + payload.len().next_multiple_of(8);
    }
    assert!(bytes[at..].iter().all(|byte| *byte == 0));
    records
}

/// Kind, and stream if there is one, of each command of a batch.
fn batch(payload: &[u8]) -> Vec<(u8, String)> {
    assert_eq!(payload[0], 1);
    assert!(long(payload, 1) > LONG_AGO);
    let (mut commands, mut rest) = (Vec::new(), &payload[9..]);
    while !rest.is_empty() {
        let (command, after) = rest[4..].split_at(word(rest, 0) as usize);
        rest = after;
        assert_eq!(command[0], 1);
        let mut reader = &command[2..];
        let name = match command[1] {
            1 | 2 => String::from_utf8(counted(&mut reader).to_vec()).unwrap(),
            _ => String::new(),
        };
        if command[1] == 1 {
            let events = word(reader, 9);
            reader = &reader[13..];
            for _ in 0..events {
                let length = word(reader, 0) as usize;
                body(&reader[4..4 + length]);
                reader = &reader[4 + length..];
            }
            assert!(reader.is_empty());
        }
        commands.push((command[1], name));
    }
    commands
}

/// Checks the seven fields of an event; its type.
fn body(bytes: &[u8]) -> &[u8] {
    assert!(bytes[0] <= 1);
    let mut rest = &bytes[1..];
    let lengths: Vec<usize> = (0..7).map(|_| varint(&mut rest) as usize).collect();
    assert_eq!(lengths.iter().sum::<usize>(), rest.len());
    &rest[lengths[0]..][..lengths[1]]
}

/// Keys and values of a table, in order.
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// The database's file.
struct Database {
    bytes: Vec<u8>,
    region: u64,
    before: u64,
}

/// What all keys, or all values, of a table are long.
type Size = Option<usize>;

impl Database {
    fn tables(store: &Path) -> BTreeMap<String, Rows> {
        let bytes = fs::read(store.join("state.redb")).unwrap();
        assert_eq!(&bytes[..9], b"redb\x1a\x0a\xa9\x0d\x0a");
        let slot = if bytes[9] & 1 == 0 { 64 } else { 192 };
        let slot = bytes[slot..slot + 128].to_vec();
        assert_eq!(word(&bytes, 12), 4096);
        let before = u64::from(word(&bytes, 16)) * 4096;
        let region = before + u64::from(word(&bytes, 20)) * 4096;
        let sum = XxHash3_128::oneshot(&slot[..112]).to_le_bytes();
        assert_eq!((slot[0], slot[1], &slot[112..]), (3, 1, &sum[..]));
        let database = Self {
            bytes,
            region,
            before,
        };
        let mut tables = BTreeMap::new();
        for (name, value) in database.tree(&slot[8..40], (None, None)) {
            assert_eq!(value[0], 3);
            let size = |at: usize| (value[at] == 1).then(|| word(&value, at + 1) as usize);
            let rows = match value[9] {
                1 => database.tree(&value[10..42], (size(42), size(47))),
                _ => Vec::new(),
            };
            assert_eq!(rows.len() as u64, long(&value, 1));
            tables.insert(String::from_utf8(name).unwrap(), rows);
        }
        tables
    }

    fn tree(&self, root: &[u8], sizes: (Size, Size)) -> Rows {
        let mut rows = Vec::new();
        self.page(long(root, 0), &root[8..24], sizes, &mut rows);
        assert_eq!(rows.len() as u64, long(root, 24));
        rows
    }

    fn page(&self, number: u64, sum: &[u8], sizes: (Size, Size), rows: &mut Rows) {
        let order = number >> 59;
        let (index, region) = (number & (0xf_ffff >> order), number >> 20 & 0xf_ffff);
        let start = 4096 + region * self.region + self.before + index * (4096 << order);
        let page = &self.bytes[start as usize..][..4096 << order];
        let count = usize::from(u16::from_le_bytes([page[2], page[3]]));
        let is_leaf = page[0] == 1;
        assert!(is_leaf || page[0] == 2);
        let mut at = if is_leaf { 4 } else { 8 + 24 * (count + 1) };
        let mut given = |size: Size| {
            let from = at;
            at += if size.is_none() { 4 * count } else { 0 };
            move |nth: usize, start: usize| match size {
                Some(size) => start + size * (nth + 1),
                None => word(page, from + 4 * nth) as usize,
            }
        };
        let key_end = given(sizes.0);
        let value_end = given(if is_leaf { sizes.1 } else { Some(0) });
        let keys = key_end(count - 1, at);
        let end = if is_leaf {
            value_end(count - 1, keys)
        } else {
            keys
        };
        assert_eq!(XxHash3_128::oneshot(&page[..end]).to_le_bytes(), sum);
        if !is_leaf {
            for child in 0..=count {
                let sum = &page[8 + 16 * child..][..16];
                let number = long(page, 8 + 16 * (count + 1) + 8 * child);
                self.page(number, sum, sizes, rows);
            }
            return;
        }
        let (mut key, mut value) = (at, keys);
        for nth in 0..count {
            let (key_end, value_end) = (key_end(nth, at), value_end(nth, keys));
            rows.push((page[key..key_end].to_vec(), page[value..value_end].to_vec()));
            (key, value) = (key_end, value_end);
        }
    }
}

/// The value without its checksum.
fn open<'a>(table: u64, key: &[u8], value: &'a [u8]) -> &'a [u8] {
    let seed = XxHash3_64::oneshot_with_seed(table, key);
    let sum = XxHash3_64::oneshot_with_seed(seed, &value[8..]);
    assert_eq!(long(value, 0), sum, "table {table}");
    &value[8..]
}

/// Numbers of a key, as they enter the checksum.
fn big_endian(numbers: &[u64]) -> Vec<u8> {
    let bytes = numbers.iter().flat_map(|number| number.to_be_bytes());
    bytes.collect()
}

/// Name, version and stream number of each event of the checkpoint.
fn events(rows: &Rows) -> BTreeMap<u64, (String, u64, u64)> {
    let mut events = BTreeMap::new();
    for (key, value) in rows {
        let position = long(key, 0);
        let mut value = open(1, &big_endian(&[position]), value);
        let (number, version) = (varint(&mut value), varint(&mut value));
        assert!(long(value, 0) > LONG_AGO);
        value = &value[8..];
        let name = String::from_utf8(counted(&mut value).to_vec()).unwrap();
        assert!(!body(value).is_empty());
        events.insert(position, (name, version, number));
    }
    events
}

#[test]
fn the_state() {
    let (_dir, store) = store();
    let tables = Database::tables(&store);
    let names = [
        "blocks", "events", "meta", "postings", "records", "runs", "streams",
    ];
    assert!(tables.keys().eq(&names.map(str::to_owned)));
    let events = events(&tables["events"]);
    // The positions of deleted streams are not there.
    let positions: Vec<u64> = events.keys().copied().collect();
    let expected: Vec<u64> = [0].into_iter().chain(8..308).chain(313..317).collect();
    assert_eq!(positions, expected);
    streams(&tables["streams"], &events);
    runs(&tables["runs"], &events);
    blocks(&tables["blocks"], &positions);
    postings(&tables["postings"], events.len());
    meta(&tables["meta"], &uuid(&store));
    let mut spaces = BTreeMap::<u8, usize>::new();
    for (key, value) in &tables["records"] {
        let value = open(7, key, value);
        assert!(long(value, 0) > LONG_AGO && long(value, 8) <= 317);
        *spaces.entry(key[0]).or_default() += 1;
    }
    // Subscriptions, and snapshots.
    assert_eq!((spaces[&1], spaces[&3]), (2, 3));
}

fn streams(rows: &Rows, events: &BTreeMap<u64, (String, u64, u64)>) {
    let mut streams = Vec::new();
    for (name, value) in rows {
        let value = open(2, name, value);
        let name = String::from_utf8(name.clone()).unwrap();
        let last = events.values().rfind(|event| event.0 == name).unwrap();
        assert_eq!((long(value, 0), long(value, 8)), (last.2, last.1));
        streams.push(name);
    }
    assert_eq!(streams, ["again", "many", "one", "straße/ü"]);
}

fn runs(rows: &Rows, events: &BTreeMap<u64, (String, u64, u64)>) {
    let mut found = 0;
    for (key, value) in rows {
        let (number, first) = (long(key, 0), long(key, 8));
        let mut value = open(3, &big_endian(&[number, first]), value);
        let position = long(value, 0);
        value = &value[8..];
        let count = varint(&mut value);
        assert!((1..=128).contains(&count));
        assert!(value.is_empty() || value.len() as u64 == 8 * count);
        for at in 0..count {
            let (_, version, of) = &events[&(position + at)];
            assert_eq!((*of, *version), (number, first + at));
            found += 1;
        }
    }
    assert_eq!(found, events.len());
}

fn blocks(rows: &Rows, positions: &[u64]) {
    let mut expected = BTreeMap::<(u8, u64), u64>::new();
    for level in 1..=6u8 {
        for position in positions {
            *expected
                .entry((level, position >> (8 * level)))
                .or_default() += 1;
        }
    }
    let found = rows.iter().map(|(key, value)| {
        let (level, block) = (key[0], long(key, 1));
        let value = open(5, &big_endian(&[level.into(), block]), value);
        ((level, block), long(value, 0))
    });
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
}

fn postings(rows: &Rows, events: usize) {
    let mut types = BTreeMap::<Vec<u8>, usize>::new();
    for (key, value) in rows {
        let length = u32::from_be_bytes(key[1..5].try_into().unwrap()) as usize;
        assert_eq!(key.len(), 5 + length + 8);
        let mut value = open(4, key, value);
        // Here no term has more than one row: the last one, and none before it.
        let before = varint(&mut value);
        assert_eq!((&key[5 + length..], before), (&[255; 8][..], 0));
        let count = varint(&mut value) as usize;
        for _ in 0..count {
            varint(&mut value);
        }
        assert!(value.is_empty() && (1..=512).contains(&count));
        match key[0] {
            1 => drop(types.insert(key[5..5 + length].to_vec(), count)),
            kind => assert_eq!(kind, 2),
        }
    }
    assert_eq!((types.len(), types.values().sum::<usize>()), (4, events));
}

fn meta(rows: &Rows, uuid: &[u8]) {
    let [(header_key, header), (state_key, state)] = &rows[..] else {
        panic!("{} rows", rows.len());
    };
    assert_eq!(
        (&header_key[..], &state_key[..]),
        (&b"header"[..], &b"state"[..])
    );
    assert_eq!(header[..12], *b"rsesdb\x01\n\x02\0\0\0");
    assert_eq!(&header[12..28], uuid);
    assert_eq!(long(header, 28), XxHash3_64::oneshot(&header[..28]));
    let state = open(6, b"state", state);
    // Next position, events, streams.
    assert_eq!(
        (long(state, 0), long(state, 24), long(state, 32)),
        (317, 305, 4)
    );
    // The last entry's term and node.
    assert_eq!(state[40..43], [1, 1, 1]);
    // At the end the number of spaces, and of records in each.
    let spaces = state.len() - 3 * 9;
    assert_eq!((state[spaces - 1], state[spaces]), (3, 1));
    assert_eq!((long(state, spaces + 1), state[spaces + 18]), (2, 3));
    assert_eq!(long(state, spaces + 19), 3);
}
