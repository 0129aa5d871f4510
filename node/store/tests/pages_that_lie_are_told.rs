//! A page that is not what was written ends in an error, not in an event that is missed and not in a read
//! without end: neither where a bit was flipped, nor where every checksum above was made to agree.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Expected, LogPosition, Options, Store, View, batch};
use std::time::Duration;
use support::{Event, append, delete};
use twox_hash::XxHash3_128;

const LEAF: u8 = 1;
const BRANCH: u8 = 2;
const PAGE: usize = 4096;

/// The file of a store with 3,000 events, three in turn of each of three streams; the pages of events
/// lie below one page. The second stream may have been deleted.
fn file(deleted: bool) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let mut index = 0;
    let mut apply = |command: Vec<u8>| {
        index += 1;
        let mut builder = batch::Builder::new(index);
        builder.push(&command);
        let at = LogPosition {
            term: 1,
            node: 1,
            index,
        };
        store.apply(at, builder.finish()).unwrap();
    };
    for n in 0..1_000 {
        let data = format!("{n}-{}", "x".repeat(n * 7 % 90));
        let event = |k| Event::new(&format!("{n}-{k}"), "thing", &data, &["tag"]);
        let events: Vec<_> = (0..3).map(event).collect();
        apply(append(["a", "b", "c"][n % 3], Expected::Any, &events));
    }
    store.checkpoint().unwrap();
    if deleted {
        apply(delete("b"));
        store.checkpoint().unwrap();
    }
    store.close();
    std::fs::read(dir.path().join("state.redb")).unwrap()
}

fn opened(bytes: &[u8]) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("state.redb"), bytes).unwrap();
    let options = Options {
        cache_bytes: 0,
        ..Options::default()
    };
    let store = Store::open(dir.path(), options).unwrap();
    (dir, store)
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn count(bytes: &[u8], page: usize) -> usize {
    u16::from_le_bytes(bytes[page + 2..page + 4].try_into().unwrap()).into()
}

/// Where in the page the n-th of the ends begins that stand at `at`.
fn end(bytes: &[u8], page: usize, at: usize, nth: usize) -> usize {
    let at = page + at + 4 * nth;
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Offset of a page of the first region.
fn offset(number: u64) -> usize {
    PAGE + (number & 0xf_ffff) as usize * (PAGE << (number >> 59))
}

/// Offsets of what leads to the events: the commit slot, the page that names the tables, the table's root
/// in it, and the page that this names.
struct Way {
    slot: usize,
    tables: usize,
    root: usize,
    top: usize,
}

fn way(bytes: &[u8]) -> Way {
    let slot = if bytes[9] & 1 == 0 { 64 } else { 192 };
    let tables = offset(number(bytes, slot + 8));
    assert_eq!(bytes[tables], LEAF);
    let rows = count(bytes, tables);
    let part = |at: usize, before: usize, nth: usize| {
        let start = nth.checked_sub(1).map(|nth| end(bytes, tables, at, nth));
        tables + start.unwrap_or(before)..tables + end(bytes, tables, at, nth)
    };
    let keys = |nth| part(4, 4 + 8 * rows, nth);
    let values = |nth| part(4 + 4 * rows, keys(rows - 1).end - tables, nth);
    let nth = (0..rows)
        .find(|nth| &bytes[keys(*nth)] == b"events")
        .unwrap();
    let root = values(nth).start + 10;
    let top = offset(number(bytes, root));
    assert_eq!(bytes[top], BRANCH);
    Way {
        slot,
        tables,
        root,
        top,
    }
}

impl Way {
    /// Where the numbers of the pages below the top are, and where the keys between them.
    fn numbers_and_keys(&self, bytes: &[u8]) -> (usize, usize) {
        let pages = count(bytes, self.top) + 1;
        (self.top + 8 + 16 * pages, self.top + 8 + 24 * pages)
    }

    /// Makes every checksum above the top agree with it.
    fn seal(&self, bytes: &mut [u8]) {
        let keys = count(bytes, self.top);
        let top = &bytes[self.top..self.top + 8 + 24 * (keys + 1) + 8 * keys];
        let sum = XxHash3_128::oneshot(top).to_le_bytes();
        bytes[self.root + 8..self.root + 24].copy_from_slice(&sum);
        let rows = count(bytes, self.tables);
        let end = end(bytes, self.tables, 4 + 4 * rows, rows - 1);
        let sum = XxHash3_128::oneshot(&bytes[self.tables..self.tables + end]).to_le_bytes();
        bytes[self.slot + 16..self.slot + 32].copy_from_slice(&sum);
        let sum = XxHash3_128::oneshot(&bytes[self.slot..self.slot + 112]).to_le_bytes();
        bytes[self.slot + 112..self.slot + 128].copy_from_slice(&sum);
    }
}

/// Positions that a read from `from` on visits; an error ends it. Never takes long.
fn read(view: View, from: u64, limit: usize) -> Result<Vec<u64>, String> {
    let (done, result) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut seen = Vec::new();
        let read = view.read_from(from, limit, &mut |event| seen.push(event.position));
        done.send(read.map(|_| seen).map_err(|error| error.to_string()))
    });
    let patience = Duration::from_secs(20);
    result.recv_timeout(patience).unwrap()
}

#[test]
fn nothing_lies_to_begin_with() {
    let (mut bytes, all) = (file(false), (0..3_000).collect::<Vec<_>>());
    way(&bytes).seal(&mut bytes);
    let (_dir, store) = opened(&bytes);
    assert_eq!(read(store.view(), 0, usize::MAX), Ok(all));
}

/// Read ahead would take two neighbours of which the second has nothing to hold.
#[test]
fn keys_of_a_page_above_that_are_not_in_order() {
    let whole = file(false);
    let way = way(&whole);
    let (numbers, keys) = way.numbers_and_keys(&whole);
    let below = |nth: usize| offset(number(&whole, numbers + 8 * nth));
    let mut tried = 0;
    for nth in 1..count(&whole, way.top) - 3 {
        if below(nth) + PAGE != below(nth + 1) {
            continue;
        }
        let mut bytes = whole.clone();
        bytes.copy_within(keys + 8 * (nth - 1)..keys + 8 * nth, keys + 8 * (nth + 1));
        // The page after that is not a neighbour.
        for (at, size) in [(way.top + 8, 16), (numbers, 8)] {
            for byte in at..at + size {
                bytes.swap(byte, byte + size * (nth + 2));
            }
        }
        way.seal(&mut bytes);
        let (_dir, store) = opened(&bytes);
        let from = number(&whole, keys + 8 * (nth - 1));
        assert!(read(store.view(), from, 100).is_err(), "page {nth}");
        tried += 1;
    }
    assert!(tried > 5, "{tried}");
}

/// The streams' turns have three events each, so a hole begins at 3: event 6, behind it, may say that it
/// is event 4.
#[test]
fn a_key_beside_a_hole() {
    let whole = file(true);
    let way = way(&whole);
    let (numbers, _) = way.numbers_and_keys(&whole);
    let leaf = offset(number(&whole, numbers));
    let keys = leaf + 4 + 4 * count(&whole, leaf);
    let row = (0..count(&whole, leaf)).find(|nth| number(&whole, keys + 8 * nth) == 6);
    let mut bytes = whole.clone();
    bytes[keys + 8 * row.unwrap()] ^= 2;
    let (_dir, store) = opened(&bytes);
    for from in 3..=6 {
        let seen = read(store.view(), from, 2);
        assert!(seen.is_err(), "from {from}: {seen:?}");
    }
}

/// The database would not only panic over these.
#[test]
fn a_bit_in_the_page_of_the_databases_own_tables() {
    let whole = file(true);
    let slot = if whole[9] & 1 == 0 { 64 } else { 192 };
    let tables = offset(number(&whole, slot + 40));
    assert_eq!(whole[tables], LEAF);
    let rows = count(&whole, tables);
    let end = end(&whole, tables, 4 + 4 * rows, rows - 1);
    for byte in (4..end).step_by(3) {
        let mut bytes = whole.clone();
        bytes[tables + byte] ^= 1;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("state.redb"), &bytes).unwrap();
        let refused = Store::open(dir.path(), Options::default()).unwrap_err();
        let named = format!("state.redb, offset {tables}");
        assert!(refused.to_string().contains(&named), "{byte}: {refused}");
    }
}

/// The events cannot be told from others then, but they are to go: nothing waits for them.
#[test]
fn a_checksum_above_a_stream_that_is_deleted() {
    let mut bytes = file(false);
    let top = way(&bytes).top;
    bytes[top + 8 + 16 * 3] ^= 1;
    let (_dir, store) = opened(&bytes);
    assert!(read(store.view(), 0, usize::MAX).is_err());
    let mut builder = batch::Builder::new(1_000_000);
    builder.push(&delete("b"));
    let at = LogPosition {
        term: 1,
        node: 1,
        index: 5_000,
    };
    store.apply(at, builder.finish()).unwrap();
    store.checkpoint().unwrap();
    assert_eq!(store.checkpointed().last, Some(at));
}
