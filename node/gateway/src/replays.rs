//! How far processes of clients have read a whole store by themselves.
//!
//! evoq reads all events and then subscribes to those that follow, without saying where it has stopped.
//! What is committed in between would be lost, or come twice; so the last places are remembered.

use parking_lot::Mutex;
use std::collections::VecDeque;

/// Processes that are remembered: those that read last.
const MOST: usize = 256;

/// The last processes that have read everything in order, and how far.
#[derive(Default)]
pub(crate) struct Replays(Mutex<VecDeque<(Box<[u8]>, u64)>>);

impl Replays {
    /// A process, named by its pid's bytes, has read everything before `position`.
    pub(crate) fn note(&self, process: &[u8], position: u64) {
        let mut last = self.0.lock();
        last.retain(|(known, _)| **known != *process);
        if last.len() >= MOST {
            last.pop_front();
        }
        last.push_back((process.into(), position));
    }

    /// The position up to which this process has read.
    pub(crate) fn read_by(&self, process: &[u8]) -> Option<u64> {
        let last = self.0.lock();
        let found = last.iter().find(|(known, _)| **known == *process);
        found.map(|(_, position)| *position)
    }
}
