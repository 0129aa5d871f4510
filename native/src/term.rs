//! Reading terms without copying them, and without trusting them.

use crate::budget::{Budget, Stop};
use crate::raw::{Elements, cell};
use rustler::{Binary, Env, NewBinary, Term};

/// The bytes of a binary, borrowed from the emulator for the length of the call.
///
/// # Errors
/// [`Stop::Twin`] for every other term, bit strings with loose bits among them.
#[inline]
pub fn bytes<'a>(term: Term<'a>) -> Result<&'a [u8], Stop> {
    Binary::from_term(term)
        .map(|binary| binary.as_slice())
        .map_err(|_| Stop::Twin)
}

/// A new binary with `content`.
#[inline]
pub fn binary<'a>(env: Env<'a>, content: &[u8]) -> Term<'a> {
    NewBinary::from_slice(env, content).into()
}

/// A walk along a list that also ends well on an improper one.
pub struct Cells<'a>(Term<'a>);

impl<'a> Cells<'a> {
    /// Starts at the head of `list`; whether it is one shows with the first [`Cells::next`].
    pub fn new(list: Term<'a>) -> Self {
        Cells(list)
    }

    /// The next element, `None` at the end.
    ///
    /// # Errors
    /// [`Stop::Twin`] when what remains is not a list.
    #[inline(always)]
    pub fn next(&mut self) -> Result<Option<Term<'a>>, Stop> {
        match cell(self.0) {
            Some((head, tail)) => {
                self.0 = tail;
                Ok(Some(head))
            }
            None if self.0.is_empty_list() => Ok(None),
            None => Err(Stop::Twin),
        }
    }
}

/// Calls `visit` for each element; `cost` is the price of one, in nanoseconds, beside what `visit` itself spends.
///
/// # Errors
/// Those of the list, of the budget, and of `visit`.
#[inline(always)]
pub fn each<'a>(
    list: Term<'a>,
    budget: &mut Budget,
    cost: usize,
    mut visit: impl FnMut(Term<'a>, &mut Budget) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut cells = Cells::new(list);
    while let Some(element) = cells.next()? {
        budget.spend(cost)?;
        visit(element, budget)?;
    }
    Ok(())
}

/// The two elements of a pair.
///
/// # Errors
/// [`Stop::Twin`] for every other term.
#[inline]
pub fn pair<'a>(term: Term<'a>) -> Result<(Term<'a>, Term<'a>), Stop> {
    Elements::of(term)
        .and_then(|elements| elements.pair())
        .ok_or(Stop::Twin)
}
