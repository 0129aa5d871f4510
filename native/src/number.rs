//! Sums that give what the emulator's `+` gives, to the bit.

use crate::budget::Stop;
use rustler::{Encoder, Env, Term};

/// Up to here every integer is a float too; beyond, the emulator's own conversion decides.
const EXACT: u64 = 1 << 53;

/// A number as the emulator has it: an integer stays one until a float is added.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer of at most 64 bits.
    Int(i64),
    /// A float.
    Float(f64),
}

impl Number {
    /// The number in `term`; `None` when it is none.
    ///
    /// # Errors
    /// [`Stop::Twin`] for integers of more than 64 bits.
    #[inline]
    pub fn read(term: Term<'_>) -> Result<Option<Number>, Stop> {
        if let Ok(value) = term.decode::<i64>() {
            return Ok(Some(Number::Int(value)));
        }
        if !term.is_number() {
            return Ok(None);
        }
        if term.is_float() {
            return term
                .decode::<f64>()
                .map(|value| Some(Number::Float(value)))
                .map_err(|_| Stop::Twin);
        }
        Err(Stop::Twin)
    }

    fn float(self) -> Result<f64, Stop> {
        match self {
            Number::Float(value) => Ok(value),
            Number::Int(value) if value.unsigned_abs() <= EXACT => Ok(value as f64),
            Number::Int(_) => Err(Stop::Twin),
        }
    }

    /// `self + other`.
    ///
    /// # Errors
    /// [`Stop::Twin`] where the emulator would need a big integer, or raise `badarith`.
    #[inline]
    pub fn plus(self, other: Number) -> Result<Number, Stop> {
        if let (Number::Int(a), Number::Int(b)) = (self, other) {
            return a.checked_add(b).map(Number::Int).ok_or(Stop::Twin);
        }
        let sum = self.float()? + other.float()?;
        if sum.is_finite() {
            Ok(Number::Float(sum))
        } else {
            Err(Stop::Twin)
        }
    }

    /// The term of this number.
    pub fn term<'a>(self, env: Env<'a>) -> Term<'a> {
        match self {
            Number::Int(value) => value.encode(env),
            Number::Float(value) => value.encode(env),
        }
    }
}
