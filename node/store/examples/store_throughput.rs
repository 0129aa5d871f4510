//! Prints how fast the store is, without log and network: run it with `--release`.
//!
//! `cargo run --release -p esdb-store --example store_throughput [events, default 250000]`
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use esdb_store::{
    Direction, Expected, LogPosition, NewEvent, Options, Store, TagMatch, batch, command,
};
use std::time::Instant;

fn binary(bytes: &[u8]) -> Vec<u8> {
    let mut term = vec![109];
    term.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    term.extend_from_slice(bytes);
    term
}

/// One command per call: `size` events of 256 bytes of data for `stream`.
fn commands(stream: &str, from: u64, size: u64, given: bool, out: &mut Vec<u8>) {
    let data = binary(&[b'x'; 256]);
    let event_type = binary(b"order_placed_v1");
    let tags = b"\x77\x09undefined";
    let content = binary(b"application/json");
    let ids: Vec<_> = (from..from + size)
        .map(|n| binary(format!("{n:032x}").as_bytes()))
        .collect();
    let events: Vec<_> = ids
        .iter()
        .map(|id| NewEvent {
            id,
            id_given: given,
            event_type: &event_type,
            data: &data,
            metadata: b"\x74\x00\x00\x00\x00",
            tags,
            data_content_type: &content,
            metadata_content_type: &content,
        })
        .collect();
    command::append(out, stream.as_bytes(), Expected::Any, &events);
}

struct Bench {
    store: Store,
    index: u64,
    sequence: u64,
}

impl Bench {
    /// Appends `count` events, `size` a command, `per_batch` commands a batch, to streams in turn.
    fn fill(
        &mut self,
        what: &str,
        streams: u64,
        count: u64,
        size: u64,
        per_batch: u64,
        given: bool,
    ) {
        let mut batches = Vec::new();
        let mut left = count / size;
        let mut turn = 0;
        while left > 0 {
            let mut builder = batch::Builder::new(self.index);
            for _ in 0..per_batch.min(left) {
                let mut command = Vec::new();
                let stream = format!("{what}-{}", turn % streams);
                commands(&stream, self.sequence, size, given, &mut command);
                builder.push(&command);
                self.sequence += size;
                turn += 1;
            }
            left -= per_batch.min(left);
            batches.push(builder.finish());
        }
        let begin = Instant::now();
        for batch in batches {
            self.index += 1;
            self.store
                .apply(
                    LogPosition {
                        term: 1,
                        node: 1,
                        index: self.index,
                    },
                    batch,
                )
                .unwrap();
        }
        let label = format!("apply: {streams} streams, {size} a command, ids given: {given}");
        report(&label, count, begin);
    }

    fn read(&self, label: &str, stream: &str, times: u64) {
        let view = self.store.view();
        let (mut seen, mut bytes) = (0, 0);
        let begin = Instant::now();
        for _ in 0..times {
            let mut visit = |event: esdb_store::RecordedEvent<'_>| bytes += event.data.len();
            let read =
                view.read_stream(stream.as_bytes(), 0, 10_000, Direction::Forward, &mut visit);
            seen += read.unwrap().unwrap() as u64;
        }
        assert!(bytes as u64 >= seen * 256);
        report(label, seen, begin);
    }

    fn checkpoint(&self, count: u64) {
        let begin = Instant::now();
        self.store.checkpoint().unwrap();
        report("checkpoint", count, begin);
    }
}

fn report(label: &str, count: u64, begin: Instant) {
    let took = begin.elapsed();
    let rate = count as f64 / took.as_secs_f64() / 1e6;
    println!(
        "{label:<60} {count:>9} events {:>9.1} ms {rate:>8.3} M/s",
        took.as_secs_f64() * 1e3
    );
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * 4
}

fn main() {
    let count: u64 = std::env::args()
        .nth(1)
        .map_or(250_000, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        memtable_bytes: 1 << 30,
        ..Options::default()
    };
    let mut bench = Bench {
        store: Store::open(dir.path(), options).unwrap(),
        index: 0,
        sequence: 0,
    };
    for round in 1..=4 {
        println!(
            "-- round {round}, {} events before",
            bench.store.stats().events
        );
        bench.fill("big", 1, count / 4, 100, 10, true);
        bench.fill("many", 25, count / 4, 100, 10, false);
        bench.fill("one", 1, count / 4, 1, 100, true);
        bench.fill("interleaved", 1_000, count / 4, 1, 100, true);
        bench.read(
            "read_stream, batches of 100, memory above disk",
            "many-7",
            20,
        );
        bench.checkpoint(count / 4 * 4);
        bench.read("read_stream, batches of 100, disk", "many-7", 20);
        bench.read("read_stream, 1 an append, disk", "one-0", 20);
        bench.read(
            "read_stream, 1 an append of 1,000 streams, disk",
            "interleaved-7",
            20,
        );
        let begin = Instant::now();
        let offset = bench.store.stats().events / 2;
        let view = bench.store.view();
        let seen = view.read_all(offset, 10_000, &mut |_| {}).unwrap() as u64;
        report("read_all from the middle", seen, begin);
        let event_type = binary(b"order_placed_v1");
        let begin = Instant::now();
        let seen = view
            .read_by_types(&[&event_type], 10_000, &mut |_| {})
            .unwrap() as u64;
        report("read_by_types", seen, begin);
        let begin = Instant::now();
        let seen = view
            .read_by_tags(&[b"never"], TagMatch::All, 10_000, &mut |_| {})
            .unwrap();
        assert_eq!(seen, 0);
        report("read_by_tags, none", 0, begin);
        let size = std::fs::metadata(dir.path().join("state.redb"))
            .unwrap()
            .len();
        let events = bench.store.stats().events;
        println!(
            "disk {} B an event, resident {} KiB",
            size / events,
            resident_kib()
        );
    }
    drop(bench);
    let begin = Instant::now();
    let store = Store::open(dir.path(), options).unwrap();
    report("open", store.stats().events, begin);
}
