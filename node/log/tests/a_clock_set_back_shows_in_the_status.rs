//! Events are in the order of their times. A clock that was once far ahead leaves a last time that is
//! not reached for long: events get that and a microsecond each, and the status says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::store::{append, append_one, open};
use esdb_log::RealDisk;
use esdb_log::WalOptions;
use esdb_log::wal::{Entry, Kind, Position, Wal};
use esdb_store::{Expected, batch};

/// Puts an append at that time at the end of a closed store's log.
fn append_at(dir: &Path, uuid: [u8; 16], clock_us: u64) {
    let disk = Arc::new(RealDisk);
    let (mut wal, _) = Wal::open(disk, &dir.join("log"), uuid, WalOptions::default()).unwrap();
    let mut batch = batch::Builder::new(clock_us);
    batch.push(&append("s", Expected::Any, 1, b"from the future"));
    let last = wal.last().unwrap();
    let at = Position {
        index: last.index + 1,
        ..last
    };
    let entry = Entry {
        at,
        kind: Kind::Batch,
        payload: batch.finish(),
    };
    wal.append(vec![entry]).unwrap().perform().unwrap();
}

#[test]
fn by_how_far_it_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let replica = open(dir.path());
    append_one(&replica, "s", b"now");
    assert_eq!(replica.status().clock_behind, None);
    let uuid = replica.uuid();
    replica.shutdown();
    drop(replica);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ahead = (now + Duration::from_secs(3_600)).as_micros() as u64;
    append_at(dir.path(), uuid, ahead);
    let replica = open(dir.path());
    let behind = replica.status().clock_behind.expect("it is far behind");
    assert!((3_500..=3_600).contains(&behind.as_secs()), "{behind:?}");
    append_one(&replica, "s", b"now again");
    let mut times = Vec::new();
    let visit = &mut |event: esdb_store::RecordedEvent<'_>| times.push(event.epoch_us);
    replica.view().read_all(0, 10, visit).unwrap();
    assert_eq!(times[1..], [ahead, ahead + 1]);
}
