//! Readers that notice what is missing and what comes twice.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use esdb_store::{Direction, RecordedEvent, View};
use esdb_testing::operation::rng;
use proptest::prelude::RngExt as _;

use super::{Load, STREAMS_EACH, stream_name, type_name};

/// Events read at once.
const WINDOW: usize = 500;

/// Reads everything from the first event on, as it comes, and returns how many events there were.
/// Every position comes once and in order, and so does every version of every stream.
pub fn follow(load: &Load, done: &AtomicBool) -> u64 {
    let mut next = 0;
    let mut versions: HashMap<Vec<u8>, u64> = HashMap::new();
    loop {
        let ends = done.load(SeqCst);
        let acknowledged = load.acknowledged.load(SeqCst);
        let view = load.replica.view();
        assert!(
            view.next_position() >= acknowledged,
            "acknowledged and not seen"
        );
        let from = next;
        let mut visit = |event: RecordedEvent<'_>| {
            assert_eq!(event.position, next);
            next += 1;
            let version = versions.entry(event.stream.to_vec()).or_default();
            assert_eq!(event.version, *version);
            assert_eq!(event.event_type, type_name(*version));
            *version += 1;
        };
        let read = view.read_from(from, WINDOW, &mut visit).unwrap();
        if read == 0 {
            assert_eq!(next, view.next_position());
            if ends {
                return next;
            }
            std::thread::yield_now();
        }
    }
}

/// Reads here and there, by every way, and the newest events across swaps. Returns how many swaps
/// a view was held across.
pub fn browse(load: &Load, writers: u64, seed: u64) -> u64 {
    let (mut rng, mut swaps) = (rng(seed), 0);
    while !load.stop.load(SeqCst) {
        let view = load.replica.view();
        let end = view.next_position();
        if end == 0 {
            continue;
        }
        let checkpoints = load.replica.status().checkpoints;
        let (newest, before) = (end.saturating_sub(WINDOW as u64), positions(&view, end));
        assert!(
            before.iter().copied().eq(newest..end),
            "the newest before {end}"
        );
        some_window(&view, rng.random_range(0..end));
        some_stream(
            &view,
            rng.random_range(0..writers),
            rng.random_range(0..STREAMS_EACH),
        );
        assert_eq!(positions(&view, end), before, "one view, read twice");
        swaps += u64::from(load.replica.status().checkpoints > checkpoints);
    }
    swaps
}

/// The positions of the newest events.
fn positions(view: &View, end: u64) -> Vec<u64> {
    let mut positions = Vec::new();
    let mut visit = |event: RecordedEvent<'_>| positions.push(event.position);
    view.read_all(end.saturating_sub(WINDOW as u64), WINDOW, &mut visit)
        .unwrap();
    positions
}

/// The events from a position on, and those of each type among them.
fn some_window(view: &View, from: u64) {
    let mut window: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut visit =
        |event: RecordedEvent<'_>| window.push((event.position, event.event_type.to_vec()));
    view.read_from(from, WINDOW, &mut visit).unwrap();
    let end = view.next_position().min(from + WINDOW as u64);
    assert!(window.iter().map(|(position, _)| *position).eq(from..end));
    for version in 0..super::TYPES {
        let name = type_name(version);
        let expected = window.iter().filter(|(_, of)| *of == name);
        let expected: Vec<u64> = expected.map(|(position, _)| *position).collect();
        let mut found = Vec::new();
        let mut visit = |event: RecordedEvent<'_>| found.push(event.position);
        view.read_types_from(&[&name], from, expected.len(), &mut visit)
            .unwrap();
        assert_eq!(found, expected, "of one type from {from} on");
    }
}

/// All of one stream, by version and by its tag.
fn some_stream(view: &View, writer: u64, nth: u64) {
    let name = stream_name(writer, nth);
    let last = view.version(name.as_bytes()).unwrap();
    let start = last.map_or(0, |last| last.saturating_sub(WINDOW as u64 - 1));
    let (mut versions, mut positions) = (Vec::new(), Vec::new());
    let mut visit = |event: RecordedEvent<'_>| {
        versions.push(event.version);
        positions.push(event.position);
    };
    let direction = Direction::Forward;
    view.read_stream(name.as_bytes(), start, WINDOW, direction, &mut visit)
        .unwrap();
    let end = last.map_or(0, |last| last + 1);
    assert!(
        versions.iter().copied().eq(start..end),
        "{name}: {versions:?}"
    );
    let from = positions.first().copied().unwrap_or(0);
    let mut tagged = Vec::new();
    let mut visit = |event: RecordedEvent<'_>| tagged.push(event.position);
    view.read_tags_from(&[name.as_bytes()], from, WINDOW, &mut visit)
        .unwrap();
    assert_eq!(tagged, positions, "{name} by its tag");
}
