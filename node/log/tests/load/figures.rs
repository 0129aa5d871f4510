//! Figures of a load, as it is watched and as they are printed.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::Load;
use super::probe::Probe;
use super::writers::Latencies;

/// How often the watcher looks.
const INTERVAL: Duration = Duration::from_millis(1);

/// The most that was seen.
#[derive(Debug, Default)]
pub struct Peaks {
    pub memtable_bytes: usize,
    pub wal_bytes: u64,
    pub wal_segments: usize,
    /// Memory of the whole process, in bytes.
    pub resident: u64,
}

/// Watches until the load ends.
pub fn watch(load: &Load) -> Peaks {
    let mut peaks = Peaks::default();
    for round in 0u64.. {
        let status = load.replica.status();
        load.checkpointing.store(status.checkpointing, SeqCst);
        peaks.memtable_bytes = peaks.memtable_bytes.max(status.memtable_bytes);
        peaks.wal_bytes = peaks.wal_bytes.max(status.wal_bytes);
        peaks.wal_segments = peaks.wal_segments.max(status.wal_segments);
        if round % 64 == 0 {
            peaks.resident = peaks.resident.max(resident());
        }
        if load.stop.load(SeqCst) {
            break;
        }
        std::thread::park_timeout(INTERVAL);
    }
    peaks
}

/// Memory of this process, in bytes.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kibibytes.and_then(|text| text.parse().ok()).unwrap_or(0) * 1024
}

/// Prints what appends took while a checkpoint was under way and while none was.
pub fn print_latencies(latencies: &mut Latencies) {
    println!("appends                    number       p50 us    p99 us   p99.9 us       max us");
    let rows = [
        ("without a checkpoint", &mut latencies.without),
        ("during a checkpoint", &mut latencies.during),
    ];
    let mut p99 = Vec::new();
    for (name, times) in rows {
        times.sort_unstable();
        let at = |part: f64| {
            let nth = (times.len() as f64 * part) as usize;
            times
                .get(nth.min(times.len().saturating_sub(1)))
                .copied()
                .unwrap_or(0)
        };
        let (median, tail, far, most) = (at(0.5), at(0.99), at(0.999), at(1.0));
        println!(
            "{name:<22} {:>10} {median:>12} {tail:>9} {far:>10} {most:>12}",
            times.len()
        );
        p99.push(f64::from(tail));
    }
    println!("p99 during / p99 without: {:.2}", p99[1] / p99[0]);
}

/// Prints what appends and reads take as the store grows.
pub fn print_probes(probes: &[Probe]) {
    println!("medians in us, reads of 100 events at random places, one client");
    println!("    events     append   stream   global  by type   by tag  version");
    for probe in probes {
        println!(
            "{:>10} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8}",
            probe.events,
            probe.append,
            probe.stream,
            probe.global,
            probe.by_type,
            probe.by_tag,
            probe.version
        );
    }
}
