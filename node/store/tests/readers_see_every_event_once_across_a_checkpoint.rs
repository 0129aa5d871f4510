//! Readers that loop while events are appended and checkpoints swapped in see each event that was
//! there exactly once, in order, whichever query they ask.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Direction, Expected, Store, TagMatch, View};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use support::{Event, Logged, append};

const STREAMS: u64 = 3;

fn read(view: &View) {
    let thing = support::binary(b"thing");
    let expected = positions(|visit| view.read_all(0, usize::MAX, visit));
    assert!(
        expected.iter().copied().eq(0..expected.len() as u64),
        "read_all: {expected:?}"
    );
    assert_eq!(
        positions(|visit| view.read_by_types(&[&thing], usize::MAX, visit)),
        expected
    );
    let tags: [&[u8]; 1] = [b"tag"];
    let tagged = positions(|visit| view.read_by_tags(&tags, TagMatch::All, usize::MAX, visit));
    assert_eq!(tagged, expected);
    let mut of_streams = Vec::new();
    for stream in 0..STREAMS {
        let name = format!("s{stream}");
        let mut versions = Vec::new();
        let mut visit = |event: esdb_store::RecordedEvent<'_>| {
            versions.push(event.version);
            of_streams.push(event.position);
        };
        let end = usize::MAX;
        view.read_stream(name.as_bytes(), 0, end, Direction::Forward, &mut visit)
            .unwrap();
        assert!(
            versions.iter().copied().eq(0..versions.len() as u64),
            "{name}: {versions:?}"
        );
        let last = versions.last().copied();
        assert_eq!(view.version(name.as_bytes()).unwrap(), last);
    }
    of_streams.sort_unstable();
    assert_eq!(of_streams, expected);
}

fn positions(
    read: impl FnOnce(
        &mut dyn FnMut(esdb_store::RecordedEvent<'_>),
    ) -> Result<usize, esdb_store::StoreError>,
) -> Vec<u64> {
    let mut positions = Vec::new();
    let count = read(&mut |event| positions.push(event.position)).unwrap();
    assert_eq!(count, positions.len());
    positions
}

/// Ends the other threads when one ends, also by a panic: a test that fails must not hang.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn whatever_they_ask() {
    let logged = Logged::new();
    let batches: Vec<_> = (0..400u64)
        .map(|n| {
            let id = |k| Event::new(&format!("{n}-{k}"), "thing", "data", &["tag"]);
            let events: Vec<_> = (0..n % 4 + 1).map(id).collect();
            append(&format!("s{}", n % STREAMS), Expected::Any, &events)
        })
        .collect();
    let stop = AtomicBool::new(false);
    let reads = AtomicU64::new(0);
    let store: &Store = &logged.store;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let _stop = Stop(&stop);
                while !stop.load(SeqCst) {
                    read(&store.view());
                    reads.fetch_add(1, SeqCst);
                }
            });
        }
        let checkpoints = scope.spawn(|| {
            while !stop.load(SeqCst) {
                store.checkpoint().unwrap();
            }
        });
        let end = Stop(&stop);
        for (index, command) in (1..).zip(&batches) {
            let mut builder = esdb_store::batch::Builder::new(index);
            builder.push(command);
            let at = esdb_store::LogPosition {
                term: 1,
                node: 1,
                index,
            };
            store.apply(at, builder.finish()).unwrap();
            // Each batch meets a reader, so that the readers meet many swaps.
            let before = reads.load(SeqCst);
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
            while index % 8 == 0 && reads.load(SeqCst) == before {
                assert!(
                    std::time::Instant::now() < deadline,
                    "no reader comes to an end"
                );
                std::thread::yield_now();
            }
        }
        drop(end);
        checkpoints.join().unwrap();
    });
    read(&store.view());
    assert_eq!(store.stats().events, 1_000);
    assert!(store.stats().checkpoints > 1, "{:?}", store.stats());
}
