//! When the medium fails, the error says which file, what was tried and what the system said; what can
//! be read is read all the same; and once it works again the store does, without a restart. Only when
//! the database cannot even be opened again the store stops, and says that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Direction, Expected, Options, Outcome, Store, StoreError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use support::failing::{Countdown, Failing, FailingDisk};
use support::{Event, Logged, collect};

const STREAMS: usize = 60;

/// A store with events on disk, and next to nothing in its cache.
fn store(disk: &FailingDisk) -> Logged {
    let mut logged = Logged::new();
    let dir = logged.dir.path().join("on");
    logged.store = open(disk, &dir);
    (0..STREAMS).for_each(|stream| append(&mut logged, stream));
    logged.store.checkpoint().unwrap();
    logged
}

fn open(disk: &FailingDisk, dir: &Path) -> Store {
    let small = Options {
        cache_bytes: 0,
        ..Options::default()
    };
    Store::open_on(Arc::new(disk.clone()), dir, small).unwrap()
}

fn append(logged: &mut Logged, stream: usize) {
    let event = Event::new(
        &format!("id{stream}"),
        "thing",
        &"x".repeat(3_000),
        &["tag"],
    );
    let outcome = logged.append(&format!("s{stream}"), Expected::Any, &[event]);
    assert!(matches!(outcome, Outcome::Appended { .. }), "{outcome:?}");
}

/// How many of the streams can be read, and an error of one that cannot.
fn readable(store: &Store) -> (usize, Option<StoreError>) {
    let (mut count, mut last) = (0, None);
    for stream in 0..STREAMS {
        let (name, mut ignore) = (format!("s{stream}"), |_: esdb_store::RecordedEvent<'_>| {});
        let view = store.view();
        match view.read_stream(name.as_bytes(), 0, 10, Direction::Forward, &mut ignore) {
            Ok(seen) => count += seen.unwrap(),
            Err(error) => last = Some(error),
        }
    }
    (count, last)
}

fn is_named(error: &str) {
    for part in ["state.redb", "(os error 5)"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn one_error_costs_one_reader() {
    let disk = FailingDisk::default();
    let logged = store(&disk);
    assert_eq!(logged.store.disk_error(), None);
    for nth in 1..8 {
        disk.failing().read.fail(nth);
        let (count, error) = readable(&logged.store);
        assert_eq!(count, STREAMS - 1);
        assert!(matches!(error, Some(StoreError::Disk(_))), "{error:?}");
        is_named(&error.unwrap().to_string());
        is_named(&logged.store.disk_error().unwrap());
        assert_eq!(readable(&logged.store).0, STREAMS);
        assert_eq!(logged.store.stopped(), None);
    }
}

#[test]
fn a_page_that_cannot_be_read_costs_its_readers_only() {
    let disk = FailingDisk::default();
    let mut logged = store(&disk);
    let dir = logged.dir.path().join("on");
    let length = std::fs::metadata(dir.join("state.redb")).unwrap().len();
    let (mut for_some, mut others) = (0, 0);
    // Some pages in turn, without the first, which is the database's own.
    for page in (4096..length).step_by(3 * 4096) {
        *disk.failing().reads.lock() = page..page + 1;
        let (count, error) = readable(&logged.store);
        disk.mend();
        let reason = logged.store.stopped();
        if let Some(error) = error {
            assert!(matches!(error, StoreError::Disk(_)), "{error:?}");
            is_named(&logged.store.disk_error().unwrap());
            let some = count > 0 && reason.is_none();
            (for_some, others) = (for_some + usize::from(some), others + usize::from(!some));
        }
        if let Some(reason) = reason {
            is_named(&reason);
            logged.store = Store::open(&dir.join("elsewhere"), Options::default()).unwrap();
            logged.store = open(&disk, &dir);
        }
        assert_eq!(readable(&logged.store).0, STREAMS, "mended page {page}");
    }
    // The pages of events are many; those above them, and those it takes to open the database, few.
    // With debug assertions the database reads all of its pages to open.
    match cfg!(debug_assertions) {
        true => assert!(for_some + others > STREAMS / 5),
        false => assert!(
            for_some > STREAMS / 5 - 2 && others < 4,
            "{for_some}, {others}"
        ),
    }
}

#[test]
fn a_checkpoint_that_fails_anywhere_is_there_in_the_end() {
    type Fault = fn(&Failing) -> &Countdown;
    for (fault, step) in [((|f| &f.write) as Fault, 9), (|f| &f.sync, 1)] {
        for nth in (1..).step_by(step) {
            let disk = FailingDisk::default();
            let mut logged = store(&disk);
            append(&mut logged, STREAMS);
            fault(disk.failing()).fail(nth);
            let failed = logged.store.checkpoint();
            if fault(disk.failing()).waits() {
                assert!(nth > 2, "nothing was written, or not synced twice");
                break;
            }
            if let Err(error) = failed {
                is_named(&error.to_string());
                assert!(!error.is_full());
            }
            is_named(&logged.store.disk_error().unwrap());
            append(&mut logged, STREAMS + 1);
            let view = logged.store.view();
            let seen = collect(|visit| view.read_all(0, 1_000, visit));
            assert_eq!(seen.len(), STREAMS + 2, "fault {nth}");
            let held = logged.store.checkpoint().unwrap();
            assert_eq!(held.last, logged.store.applied().last);
            assert_eq!(readable(&logged.store).0, STREAMS);
        }
    }
}

#[test]
fn a_medium_that_is_gone_stops_the_store() {
    let disk = FailingDisk::default();
    let mut logged = store(&disk);
    disk.failing().opens.store(true, SeqCst);
    *disk.failing().reads.lock() = 0..u64::MAX;
    let (count, error) = readable(&logged.store);
    assert_eq!(count, 0);
    assert!(matches!(error, Some(StoreError::Disk(_))), "{error:?}");
    let reason = logged.store.stopped().expect("it cannot be opened again");
    assert!(
        reason.contains("(os error 5)") && reason.contains("on"),
        "{reason}"
    );
    // For good: half a disk is none.
    disk.mend();
    let at = esdb_store::LogPosition {
        term: 1,
        node: 1,
        index: 1_000,
    };
    let mut batch = esdb_store::batch::Builder::new(1);
    batch.push(&support::append(
        "s0",
        Expected::Any,
        &[Event::new("a", "b", "c", &[])],
    ));
    let refused = logged.store.apply(at, batch.finish()).unwrap_err();
    assert!(matches!(refused, StoreError::Stopped(_)), "{refused:?}");
    assert!(logged.store.checkpoint().is_err());
    // What the log and the checkpoint hold is there after a restart.
    let dir = logged.dir.path().join("on");
    logged.store = Store::open(&dir.join("elsewhere"), Options::default()).unwrap();
    logged.store = Store::open(&dir, Options::default()).unwrap();
    assert_eq!(readable(&logged.store).0, STREAMS);
}
