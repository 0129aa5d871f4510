//! What one append and one read of each kind take, with nobody else at the store.

use std::time::Instant;

use esdb_log::Replica;
use esdb_store::{Direction, RecordedEvent, View};
use esdb_testing::operation::rng;
use proptest::prelude::{Rng, RngExt as _};

use super::{STREAMS_EACH, append, stream_name, type_name};
use crate::common::store::call;

const APPENDS: u64 = 500;
const READS: usize = 200;

/// Medians in microseconds.
pub struct Probe {
    pub events: u64,
    pub append: u64,
    pub stream: u64,
    pub global: u64,
    pub by_type: u64,
    pub by_tag: u64,
    pub version: u64,
}

/// Appends to a stream of its own, and reads 100 events at random places.
pub fn probe(replica: &Replica, writers: u64, next: &mut u64) -> Probe {
    let mut appends = Vec::new();
    for _ in 0..APPENDS {
        let command = append("probe", *next);
        let begin = Instant::now();
        call(replica, command).unwrap();
        appends.push(begin.elapsed().as_nanos() as u64);
        *next += 1;
    }
    let view = replica.view();
    let rng = &mut rng(*next);
    let end = view.next_position();
    let some_stream = |rng: &mut dyn Rng| {
        stream_name(
            rng.random_range(0..writers),
            rng.random_range(0..STREAMS_EACH),
        )
        .into_bytes()
    };
    let visit = &mut use_it;
    Probe {
        events: end,
        append: median(appends),
        stream: time(|| {
            let name = some_stream(rng);
            let last = view.version(&name).unwrap().unwrap_or(0);
            let from = rng.random_range(0..=last.saturating_sub(100));
            view.read_stream(&name, from, 100, Direction::Forward, visit)
                .unwrap();
        }),
        global: time(|| {
            view.read_all(rng.random_range(0..end), 100, visit).unwrap();
        }),
        by_type: time(|| {
            let from = rng.random_range(0..end);
            view.read_types_from(&[&type_name(from)], from, 100, visit)
                .unwrap();
        }),
        by_tag: time(|| by_tag(&view, &some_stream(rng), rng.random_range(0..end))),
        version: time(|| {
            view.version(&some_stream(rng)).unwrap();
        }),
    }
}

fn use_it(event: RecordedEvent<'_>) {
    std::hint::black_box(event);
}

fn by_tag(view: &View, tag: &[u8], from: u64) {
    let visit = &mut use_it;
    view.read_tags_from(&[tag], from, 100, visit).unwrap();
}

/// The median of many, in microseconds.
fn time(mut read: impl FnMut()) -> u64 {
    let mut times = Vec::new();
    for _ in 0..READS {
        let begin = Instant::now();
        read();
        times.push(begin.elapsed().as_nanos() as u64);
    }
    median(times)
}

fn median(mut nanoseconds: Vec<u64>) -> u64 {
    nanoseconds.sort_unstable();
    nanoseconds[nanoseconds.len() / 2] / 1000
}
