//! Under load, with checkpoints all the time: readers see every event once, whatever is swapped under
//! them; memory stays within its budget; the log goes away behind checkpoints.
//!
//! `RS_ESDB_EVENTS` chooses how many events fifty writers append. From a million on the budgets are
//! those of a server, and figures are printed: with `--release --nocapture` they mean something.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;
mod load;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use esdb_log::verify::{self, Report};
use esdb_log::{Options, ReadOnlyDisk, Replica};
use load::figures::{self, Peaks};
use load::probe::{Probe, probe};
use load::writers::{Latencies, Versions, write};
use load::{Load, Stop, readers};

const WRITERS: u64 = 50;
/// Phases between which costs are measured.
const PHASES: i64 = 10;

fn options(large: bool) -> Options {
    let mut options = Options::default();
    if !large {
        options.wal.largest_segment = 1 << 20;
        options.store.memtable_bytes = 1 << 20;
        options.store.cache_bytes = 4 << 20;
    }
    options
}

/// One phase: fifty writers append, three readers read.
fn phase(load: &Load, versions: &mut [Versions], latencies: &mut Latencies) -> (Peaks, u64) {
    load.stop.store(false, SeqCst);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| figures::watch(load));
        let browsers = [1, 2].map(|seed| {
            scope.spawn(move || {
                let _stop = Stop(&load.stop);
                readers::browse(load, WRITERS, seed)
            })
        });
        let writers = (0..)
            .zip(versions.iter_mut())
            .map(|(writer, versions)| scope.spawn(move || write(load, writer, versions)));
        let writers: Vec<_> = writers.collect();
        for writer in writers {
            latencies.add(writer.join().unwrap());
        }
        drop(Stop(&load.stop));
        let swaps = browsers.map(|browser| browser.join().unwrap());
        (watcher.join().unwrap(), swaps.iter().sum())
    })
}

#[test]
fn readers_see_every_event_once_and_memory_is_bounded() {
    let events: i64 = std::env::var("RS_ESDB_EVENTS").map_or(30_000, |n| n.parse().unwrap());
    let large = events >= 1_000_000;
    let (dir, options) = (tempfile::tempdir().unwrap(), options(large));
    let replica = Replica::open(dir.path(), options.clone()).unwrap();
    let load = Load {
        replica: replica.clone(),
        acknowledged: 0.into(),
        wanted: 0.into(),
        checkpointing: false.into(),
        stop: false.into(),
    };
    let mut versions = vec![Versions::default(); WRITERS as usize];
    let (mut latencies, mut probes): (_, Vec<Probe>) = (Latencies::default(), Vec::new());
    let (mut peaks, mut swaps, mut probed) = (Vec::new(), 0, 0);
    let done = AtomicBool::new(false);
    let whole = std::thread::scope(|scope| {
        let (load, done) = (&load, &done);
        let follower = scope.spawn(move || readers::follow(load, done));
        let _done = Stop(done);
        for nth in 0..PHASES {
            load.wanted.store(events / PHASES, SeqCst);
            let begin = Instant::now();
            let (peak, held) = phase(load, &mut versions, &mut latencies);
            println!(
                "phase {nth}: {:.1} s, {peak:?}",
                begin.elapsed().as_secs_f64()
            );
            peaks.push(peak);
            swaps += held;
            if large {
                probes.push(probe(&load.replica, WRITERS, &mut probed));
            }
        }
        done.store(true, SeqCst);
        follower.join().unwrap()
    });
    assert_eq!(whole, (events / PHASES * PHASES) as u64 + probed);
    let status = replica.status();
    println!(
        "{swaps} times a view was held across one of {} swaps",
        status.checkpoints
    );
    println!("{status:?}");
    figures::print_latencies(&mut latencies);
    figures::print_probes(&probes);
    assert!(status.checkpoints >= 5 && swaps > 0, "{swaps}, {status:?}");
    for peak in peaks {
        within_budget(&options, &peak, large);
    }
    replica.shutdown();
    drop((replica, load));
    nothing_is_wrong(dir.path(), whole);
}

/// `verify` finds all events and no damage.
fn nothing_is_wrong(dir: &Path, events: u64) {
    let (begin, mut damages) = (Instant::now(), Vec::new());
    let checked = verify::store(&ReadOnlyDisk, dir, &mut |report| {
        if let Report::Damage(damage) = report {
            damages.push(damage.to_string());
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    println!("verify of {events} events: {seconds:.1} s");
    assert_eq!(
        (checked.unwrap().checkpoint.events, damages),
        (events, vec![])
    );
}

/// One memtable that is filled, one that is written, each beyond its budget by as much again at most,
/// and what one batch adds.
fn within_budget(options: &Options, peak: &Peaks, large: bool) {
    let (budget, batch) = (options.store.memtable_bytes, options.max_batch_bytes);
    assert!(peak.memtable_bytes <= 4 * budget + 4 * batch, "{peak:?}");
    // The log holds as much as memory does, and a segment at each end.
    let log = 4 * budget as u64 + 3 * options.wal.largest_segment;
    assert!(peak.wal_bytes <= log, "{peak:?}");
    let caches = options.store.cache_bytes / 2 * 3 + options.wal.recent_bytes;
    let all = 4 * budget + caches + (256 << 20);
    assert!(
        !large || peak.resident <= all as u64,
        "{peak:?}, more than {all}"
    );
}
