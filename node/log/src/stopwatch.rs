//! Where a store's thread spends its time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Adds up how long a piece of work takes. Two looks at the clock a piece, some 50 ns: for work that is
/// done once a batch, not once an event.
#[derive(Debug, Default)]
pub struct Stopwatch {
    total: AtomicU64,
    last: AtomicU64,
}

impl Stopwatch {
    /// Does the work, and adds its time when it is done.
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        self.add(began);
        result
    }

    /// Adds the time since `began`.
    pub fn add(&self, began: Instant) {
        let nanoseconds = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.total.fetch_add(nanoseconds, Ordering::Relaxed);
        self.last.store(nanoseconds, Ordering::Relaxed);
    }

    /// All time added so far.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total.load(Ordering::Relaxed))
    }

    /// The time that was added last.
    pub fn last(&self) -> Duration {
        Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }
}
