//! How long a call may run on an ordinary scheduler.
//!
//! A NIF that holds a scheduler for more than a millisecond disturbs the whole emulator. Every function here
//! therefore counts its work, in estimated nanoseconds, against a [`Budget`]. When the budget of an ordinary
//! scheduler is used up, the call ends with `dirty` and its Erlang side starts it again on a dirty scheduler,
//! where the budget has no end. The work thrown away is at most [`SCHEDULER_NANOS`].

use rustler::{Env, Term};

/// What one call may use of an ordinary scheduler, in estimated nanoseconds: less than half of the millisecond that
/// the emulator allows, and estimates are about twice what was measured. The hop to a dirty scheduler costs
/// about 1.3 µs, and the work is done again from its start.
pub const SCHEDULER_NANOS: i64 = 400_000;

/// Why a function ended without a result of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The pure Erlang twin must answer: an argument has the wrong type, or a form that only the emulator treats
    /// (big integers, for one). All errors are raised by the twin, so that there is one place which says them.
    Twin,
    /// The budget of the scheduler is used up: start again on a dirty one.
    Dirty,
}

/// The result of a function: a term, or the reason why there is none.
pub type Run<'a> = Result<Term<'a>, Stop>;

/// Work that may still be done, in estimated nanoseconds.
#[derive(Debug)]
pub struct Budget {
    left: i64,
    limit: i64,
}

impl Budget {
    /// The budget of a call on an ordinary scheduler.
    pub const fn scheduler() -> Self {
        Budget {
            left: SCHEDULER_NANOS,
            limit: SCHEDULER_NANOS,
        }
    }

    /// The budget of a call on a dirty scheduler: it never ends.
    pub const fn dirty() -> Self {
        Budget {
            left: i64::MAX,
            limit: i64::MAX,
        }
    }

    /// Counts `nanos` of work that is about to be done.
    ///
    /// # Errors
    /// [`Stop::Dirty`] when it is more than the scheduler may give.
    #[inline]
    pub fn spend(&mut self, nanos: usize) -> Result<(), Stop> {
        self.left = self.left.saturating_sub_unsigned(nanos as u64);
        if self.left < 0 {
            Err(Stop::Dirty)
        } else {
            Ok(())
        }
    }

    /// How much of a scheduler's time slice was used, in percent; `None` on a dirty scheduler or when it is
    /// less than one percent.
    fn used_percent(&self) -> Option<i32> {
        if self.limit == i64::MAX {
            return None;
        }
        // A slice is taken as one millisecond: 10,000 ns are one percent.
        match self.limit.saturating_sub(self.left.max(0)) / 10_000 {
            0 => None,
            percent => i32::try_from(percent.min(100)).ok(),
        }
    }
}

/// The atoms with which a call tells its Erlang side that it has no result.
mod atoms {
    rustler::atoms! { twin, dirty }
}

/// Runs `body` with `budget`, tells the scheduler what was used, and turns a [`Stop`] into its atom.
#[inline]
pub fn run<'a>(
    env: Env<'a>,
    mut budget: Budget,
    body: impl FnOnce(Env<'a>, &mut Budget) -> Run<'a>,
) -> Term<'a> {
    let result = body(env, &mut budget);
    if let Some(percent) = budget.used_percent() {
        rustler::schedule::consume_timeslice(env, percent);
    }
    match result {
        Ok(term) => term,
        Err(Stop::Twin) => atoms::twin().to_term(env),
        Err(Stop::Dirty) => atoms::dirty().to_term(env),
    }
}
