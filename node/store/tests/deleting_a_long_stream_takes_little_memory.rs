//! To take away what a deleted stream left on disk costs memory for some of its events at a time,
//! however many it has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Expected, Options, Store};
use support::{Event, Logged};

/// The most memory that a checkpoint took at once which follows the deletion of a stream of `events`
/// events, each with a tag of its own.
fn peak(events: usize) -> u64 {
    let mut logged = Logged::new();
    let small = Options {
        cache_bytes: 256 << 10,
        ..Options::default()
    };
    let dir = logged.dir.path().join("small");
    logged.store = Store::open(&dir, small).unwrap();
    logged.append("kept", Expected::Any, &support::events("kept", 10));
    for batch in 0..events / 1_000 {
        let event = |n: usize| {
            let id = format!("{batch}-{n}");
            Event::new(&id, "thing", "data", &[&format!("a tag of its own {id}")]).unnamed()
        };
        let batch: Vec<_> = (0..1_000).map(event).collect();
        logged.append("long", Expected::Any, &batch);
    }
    logged.store.checkpoint().unwrap();
    logged.delete("long");
    let took = allocation_counter::measure(|| {
        logged.store.checkpoint().unwrap();
    });
    let view = logged.store.view();
    assert_eq!(
        support::collect(|visit| view.read_all(0, 100, visit)).len(),
        10
    );
    let tag = b"a tag of its own 0-0".as_slice();
    assert_eq!(
        view.read_by_tags(&[tag], esdb_store::TagMatch::Any, 1, &mut |_| ())
            .unwrap(),
        0
    );
    took.bytes_max
}

#[test]
fn as_much_for_a_long_one_as_for_a_short_one() {
    let (short, long) = (peak(5_000), peak(20_000));
    assert!(
        long < short * 3 / 2,
        "{short} bytes for 5,000 events, {long} for 20,000"
    );
}
