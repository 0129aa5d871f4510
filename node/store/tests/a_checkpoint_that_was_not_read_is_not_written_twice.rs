//! A checkpoint that is durable, but cannot be read when it is done, is neither lost nor written a second
//! time: whichever read of it fails, the store goes on, now and after a restart.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Direction, Expected, Options, Outcome, Store};
use std::sync::Arc;
use support::failing::FailingDisk;
use support::{Event, Logged};

const STREAMS: usize = 60;

fn open(disk: &FailingDisk, logged: &mut Logged) {
    let dir = logged.dir.path().join("on");
    let small = Options {
        cache_bytes: 0,
        ..Options::default()
    };
    logged.store = Store::open_on(Arc::new(disk.clone()), &dir, small).unwrap();
}

fn append(logged: &mut Logged, stream: usize) {
    let (id, data) = (format!("id{stream}"), "x".repeat(3_000));
    let event = Event::new(&id, "thing", &data, &["tag"]);
    logged.append(&format!("s{stream}"), Expected::Any, &[event]);
}

fn holds(logged: &Logged, events: usize) {
    let view = logged.store.view();
    for offset in [0, 40] {
        let read = view.read_all(offset, 1_000, &mut |_| {});
        assert_eq!(read.unwrap(), events - offset as usize);
    }
    let of_stream = |stream| {
        let name = format!("s{stream}");
        let read = view.read_stream(name.as_bytes(), 0, 10, Direction::Forward, &mut |_| {});
        read.unwrap().unwrap_or(0)
    };
    assert_eq!((0..STREAMS + 2).map(of_stream).sum::<usize>(), events);
}

fn every_read_fails_once(change: impl Fn(&mut Logged), left: usize) {
    let mut failed = 0;
    for nth in 1.. {
        let disk = FailingDisk::default();
        let mut logged = Logged::new();
        open(&disk, &mut logged);
        (0..STREAMS).for_each(|stream| append(&mut logged, stream));
        logged.store.checkpoint().unwrap();
        change(&mut logged);
        disk.failing().read.fail(nth);
        failed += usize::from(logged.store.checkpoint().is_err());
        if disk.failing().read.waits() {
            break;
        }
        holds(&logged, left);
        append(&mut logged, STREAMS + 1);
        let held = logged.store.checkpoint().unwrap();
        assert_eq!(held.last, logged.store.applied().last, "read {nth}");
        holds(&logged, left + 1);
        logged.store.close();
        open(&disk, &mut logged);
        holds(&logged, left + 1);
    }
    assert!(failed > 5, "{failed}");
}

#[test]
fn with_appends() {
    every_read_fails_once(|logged| append(logged, STREAMS), STREAMS + 1);
}

#[test]
fn with_deletions() {
    every_read_fails_once(
        |logged| assert!(matches!(logged.delete("s3"), Outcome::Deleted { .. })),
        STREAMS - 1,
    );
}
