//! Log lines that anybody can cause are limited in number.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// So many lines ...
const LINES: u32 = 10;
/// ... in so long.
const PERIOD: Duration = Duration::from_secs(10);

/// Lets [`LINES`] lines pass in a [`PERIOD`] and counts the others.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<State>);

#[derive(Default)]
struct State {
    /// When the period began, unless nothing has been asked yet.
    began: Option<Instant>,
    passed: u32,
    /// Lines held back since the last one that passed.
    untold: u64,
}

impl Throttle {
    /// Whether a line may be written now; then, how many before it were not.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock();
        if state
            .began
            .is_none_or(|began| now.duration_since(began) >= PERIOD)
        {
            state.began = Some(now);
            state.passed = 0;
        }
        if state.passed == LINES {
            state.untold += 1;
            return None;
        }
        state.passed += 1;
        Some(std::mem::take(&mut state.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_told_of_later() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let passed = (0..1000)
            .filter(|_| throttle.pass_at(now).is_some())
            .count();
        assert_eq!(passed, 10);
        assert_eq!(throttle.pass_at(now + PERIOD / 2), None);
        assert_eq!(throttle.pass_at(now + PERIOD), Some(991));
        assert_eq!(throttle.pass_at(now + PERIOD), Some(0));
    }
}
