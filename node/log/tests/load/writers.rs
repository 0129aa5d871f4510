//! Writers: each appends one event after the other, to its streams in turn.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use esdb_store::Outcome;

use super::{Load, STREAMS_EACH, append, stream_name};
use crate::common::store::call;

/// Microseconds that appends took.
#[derive(Default)]
pub struct Latencies {
    /// Those that a checkpoint was under way in.
    pub during: Vec<u32>,
    pub without: Vec<u32>,
}

impl Latencies {
    pub fn add(&mut self, other: Self) {
        self.during.extend(other.during);
        self.without.extend(other.without);
    }
}

/// The version that each stream of one writer gets next.
pub type Versions = [u64; STREAMS_EACH as usize];

/// Appends as long as events are wanted.
pub fn write(load: &Load, writer: u64, versions: &mut Versions) -> Latencies {
    let mut latencies = Latencies::default();
    for nth in (0..STREAMS_EACH).cycle() {
        if load.wanted.fetch_sub(1, SeqCst) <= 0 || load.stop.load(SeqCst) {
            break;
        }
        let version = &mut versions[nth as usize];
        let command = append(&stream_name(writer, nth), *version);
        let (before, begin) = (load.checkpointing.load(SeqCst), Instant::now());
        let outcome = call(&load.replica, command);
        let took = begin.elapsed().as_micros() as u32;
        let during = before || load.checkpointing.load(SeqCst);
        let appended =
            matches!(outcome, Ok(Outcome::Appended { version: at, .. }) if at == *version);
        assert!(appended, "version {version}: {outcome:?}");
        *version += 1;
        load.acknowledged.fetch_add(1, SeqCst);
        match during {
            true => latencies.during.push(took),
            false => latencies.without.push(took),
        }
    }
    latencies
}
