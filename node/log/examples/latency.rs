//! How long an append takes from `submit` to `done`, and how many a store takes, beside what the disk
//! alone takes for an fdatasync. `cargo run --release -p esdb-log --example latency [DIRECTORY]`
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use esdb_log::{Disk as _, Options, RealDisk, Replica};
use esdb_store::NewEvent;
use esdb_store::command::{self, Expected};

const SECONDS: f64 = 2.0;
const RAW_WRITES: usize = 4096;

fn main() {
    let base = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "latency-bench".into());
    let dir = Path::new(&base);
    std::fs::create_dir(dir).unwrap();
    raw(dir);
    let replica = Replica::open(&dir.join("store"), Options::default()).unwrap();
    for (submitters, events) in [(1, 1), (64, 1), (512, 1), (10, 100)] {
        run(&replica, submitters, events);
        // The disk's own mood changes: each figure has its yardstick beside it.
        raw(dir);
    }
    let begin = Instant::now();
    drop(replica);
    let ended = begin.elapsed();
    let begin = Instant::now();
    let replica = Replica::open(&dir.join("store"), Options::default()).unwrap();
    let status = replica.status();
    println!(
        "drop {ended:?}; open {:?}, {} entries replayed",
        begin.elapsed(),
        status.replayed
    );
    replica.shutdown();
    drop(replica);
    std::fs::remove_dir_all(dir).unwrap();
}

/// Writes of 512 bytes into a file of zeros, each with an fdatasync.
fn raw(dir: &Path) {
    let path = dir.join("raw");
    let file = RealDisk.create(&path).unwrap();
    file.write_at(&vec![0; RAW_WRITES * 512], 0).unwrap();
    file.sync_data().unwrap();
    let block = [7u8; 512];
    let (mut times, begin) = (Vec::new(), Instant::now());
    while times.len() < RAW_WRITES && begin.elapsed() < Duration::from_millis(500) {
        let begin = Instant::now();
        file.write_at(&block, times.len() as u64 * 512).unwrap();
        file.sync_data().unwrap();
        times.push(begin.elapsed());
    }
    let (p50, p99) = percentiles(&mut times);
    println!("raw write + fdatasync of 512 bytes: p50 {p50:?} p99 {p99:?}");
    std::fs::remove_file(path).unwrap();
}

/// `submitters` clients, each with one append of `events` events under way at any time. They share
/// one thread: what is measured is the store, not the scheduling of hundreds of threads.
fn run(replica: &Replica, submitters: usize, events: usize) {
    let before = replica.status();
    let (done, answers) = mpsc::channel();
    let commands: Vec<_> = (0..submitters)
        .map(|client| append(client, events))
        .collect();
    let submit = |client: usize| {
        let (done, begin) = (done.clone(), Instant::now());
        let answer = Box::new(move |answer: Result<_, _>, _| {
            answer.unwrap();
            done.send((client, begin.elapsed())).unwrap();
        });
        replica.submit(commands[client].clone(), None, answer);
    };
    let mut times = Vec::new();
    let begin = Instant::now();
    (0..submitters).for_each(submit);
    while begin.elapsed().as_secs_f64() < SECONDS {
        let (client, time) = answers.recv().unwrap();
        times.push(time);
        submit(client);
    }
    let elapsed = begin.elapsed().as_secs_f64();
    for _ in 0..submitters {
        answers.recv().unwrap();
    }
    let after = replica.status();
    let appends = times.len();
    let rate = appends as f64 * events as f64 / elapsed;
    let (p50, p99) = percentiles(&mut times);
    println!(
        "{submitters} submitters, {events} events an append: {rate:.0} events/s, p50 {p50:?} p99 {p99:?}, {:.1} appends a batch, {} checkpoints",
        appends as f64 / (after.batches - before.batches) as f64,
        after.checkpoints - before.checkpoints,
    );
}

fn append(client: usize, events: usize) -> Vec<u8> {
    let binary = |bytes: &[u8]| [&[109], &(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
    let (id, event_type, data) = (binary(b"id"), binary(b"happened"), binary(&[b'x'; 256]));
    let undefined = b"w\x09undefined";
    let event = NewEvent {
        id: &id,
        id_given: false,
        event_type: &event_type,
        data: &data,
        metadata: undefined,
        tags: undefined,
        data_content_type: undefined,
        metadata_content_type: undefined,
    };
    let mut out = Vec::new();
    let stream = format!("client-{client}");
    command::append(
        &mut out,
        stream.as_bytes(),
        Expected::Any,
        &vec![event; events],
    );
    out
}

fn percentiles(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    (at(0.5), at(0.99))
}
