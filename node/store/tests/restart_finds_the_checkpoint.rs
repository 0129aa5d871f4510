//! After a restart the store is what its last checkpoint wrote: nothing less, and nothing more.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Applied, Expected, LogPosition, Options, Store, StoreError};
use support::{Logged, collect, events, open};

fn at(index: u64) -> LogPosition {
    LogPosition {
        term: 3,
        node: 2,
        index,
    }
}

#[test]
fn with_its_place_in_the_log_and_its_membership() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let uuid = store.uuid();
    assert_eq!(store.applied(), Applied::default());
    assert_eq!(uuid[6] >> 4, 4);
    store.apply_membership(at(1), b"one voter".to_vec());
    store.apply_blank(at(2));
    let applied = Applied {
        last: Some(at(2)),
        membership: Some((Some(at(1)), b"one voter".to_vec())),
    };
    assert_eq!(store.applied(), applied);
    assert_eq!(store.checkpointed(), Applied::default());
    assert_eq!(store.checkpoint().unwrap(), applied);
    assert_eq!(store.checkpointed(), applied);
    store.apply_blank(at(3));
    store.apply_membership(at(4), b"lost with the process".to_vec());
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.uuid(), uuid);
    assert_eq!(
        (store.applied(), store.checkpointed()),
        (applied.clone(), applied)
    );
    assert_ne!(open(tempfile::tempdir().unwrap().path()).uuid(), uuid);
}

#[test]
fn without_what_came_after_it() {
    let mut logged = Logged::new();
    logged.append("a", Expected::Any, &events("kept", 3));
    logged.store.checkpoint().unwrap();
    logged.append("a", Expected::Any, &events("lost", 3));
    logged.append("b", Expected::Any, &events("lost", 3));
    let before = collect(|visit| logged.store.view().read_all(0, 100, visit));
    let Logged { dir, store, .. } = logged;
    drop(store);
    let store = open(dir.path());
    let view = store.view();
    assert_eq!(collect(|visit| view.read_all(0, 100, visit)), before[..3]);
    assert_eq!(view.streams().unwrap(), [b"a"]);
    assert_eq!(store.stats().next_position, 3);
    assert_eq!(store.applied().last.map(|last| last.index), Some(1));
}

#[test]
fn and_goes_on_where_it_was() {
    let mut logged = Logged::new();
    logged.append("a", Expected::Any, &events("first", 3));
    logged.store.checkpoint().unwrap();
    logged.append("b", Expected::Any, &events("second", 3));
    let mut logged = logged.reopen();
    // A clock that went backwards does not take time with it.
    logged.clock = 5;
    logged.append("a", Expected::Any, &events("third", 2));
    let all = collect(|visit| logged.store.view().read_all(0, 100, visit));
    let positions: Vec<_> = all.iter().map(|seen| seen.position).collect();
    assert_eq!(positions, [0, 1, 2, 3, 4, 5, 6, 7]);
    let times: Vec<_> = all.iter().map(|seen| seen.epoch_us - 1_000_000).collect();
    assert_eq!(times, [0, 0, 0, 1, 1, 1, 2, 2]);
    assert_eq!(all[7].version, 4);
}

#[test]
fn a_checkpoint_of_nothing_writes_nothing() {
    let mut logged = Logged::new();
    logged.append("a", Expected::Any, &events("first", 3));
    logged.store.checkpoint().unwrap();
    logged.store.checkpoint().unwrap();
    assert_eq!(logged.store.stats().checkpoints, 1);
    assert_eq!(logged.store.stats().memtable_bytes, 0);
}

#[test]
fn memory_says_when_it_wants_one() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        memtable_bytes: 4_000,
        cache_bytes: 1 << 20,
        uuid: None,
    };
    let store = Store::open(dir.path(), options).unwrap();
    let mut logged = Logged {
        dir,
        store,
        ..Logged::new()
    };
    let signs = |store: &Store| (store.wants_checkpoint(), store.over_budget());
    assert_eq!(signs(&logged.store), (false, false));
    let mut seen = vec![];
    for n in 0..100 {
        logged.append("a", Expected::Any, &events(&n.to_string(), 1));
        seen.push(signs(&logged.store));
    }
    seen.dedup();
    assert_eq!(seen, [(false, false), (true, false), (true, true)]);
    logged.store.checkpoint().unwrap();
    assert_eq!(signs(&logged.store), (false, false));
}

#[test]
fn a_new_store_is_small() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let size = std::fs::metadata(dir.path().join("state.redb"))
        .unwrap()
        .len();
    assert!(size <= 2 << 20, "{size}");
}

#[test]
fn what_is_no_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("state.redb"), [7; 8192]).unwrap();
    let error = Store::open(dir.path(), Options::default()).unwrap_err();
    assert!(matches!(error, StoreError::Format { .. }), "{error}");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Store::open(&file, Options::default()).unwrap_err();
    assert!(matches!(error, StoreError::Directory { .. }), "{error}");
}

#[test]
fn another_format_is_refused_by_its_number() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let rewrite = |change: &dyn Fn(&mut Vec<u8>)| {
        let database = redb::Database::open(dir.path().join("state.redb")).unwrap();
        let write = database.begin_write().unwrap();
        {
            let mut table = write.open_table(meta).unwrap();
            let read = redb::ReadableTable::get(&table, "header")
                .unwrap()
                .unwrap()
                .value()
                .to_vec();
            let mut header = read;
            change(&mut header);
            table.insert("header", header.as_slice()).unwrap();
        }
        write.commit().unwrap();
        drop(database);
        Store::open(dir.path(), Options::default())
            .unwrap_err()
            .to_string()
    };
    let newer = rewrite(&|header| header[8] = 3);
    assert!(
        newer.contains("format is 3, this version knows 1 and 2"),
        "{newer}"
    );
    let torn = rewrite(&|header| {
        header[8] = 2;
        header[20] ^= 1;
    });
    assert!(torn.contains("checksum"), "{torn}");
    let foreign = rewrite(&|header| header[0] = b'x');
    assert!(foreign.contains("does not begin"), "{foreign}");
}
