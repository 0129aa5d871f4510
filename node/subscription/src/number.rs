//! Numbers in the order of their values, integers and floats among each other, exactly.

use esdb_etf::{Kind, Term};
use std::borrow::Cow;
use std::cmp::Ordering;

/// 2^63: floats from here on, and integers from here on, are compared as magnitudes.
const BIG: f64 = 9_223_372_036_854_775_808.0;

/// An integer or a float. Equal are those of one value: 1 and 1.0.
#[derive(Debug, Clone)]
pub(crate) enum Number<'a> {
    Small(i64),
    /// An integer beyond 64 bits; little-endian, the last byte not zero.
    Big {
        negative: bool,
        magnitude: Cow<'a, [u8]>,
    },
    /// A finite one.
    Float(f64),
}

impl<'a> Number<'a> {
    pub fn of(term: Term<'a>) -> Option<Self> {
        match term.kind() {
            Kind::Float => term.as_f64().map(Number::Float),
            Kind::Integer => Some(term.as_i64().map_or_else(
                || {
                    let (negative, magnitude) = term.magnitude();
                    let magnitude = Cow::Borrowed(magnitude);
                    Number::Big {
                        negative,
                        magnitude,
                    }
                },
                Number::Small,
            )),
            _ => None,
        }
    }

    pub fn into_owned(self) -> Number<'static> {
        match self {
            Number::Small(n) => Number::Small(n),
            Number::Float(f) => Number::Float(f),
            Number::Big {
                negative,
                magnitude,
            } => Number::Big {
                negative,
                magnitude: Cow::Owned(magnitude.into_owned()),
            },
        }
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Number::Small(a), Number::Small(b)) => a.cmp(b),
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (Number::Float(a), Number::Small(b)) => float_and_small(*a, *b),
            (Number::Small(a), Number::Float(b)) => float_and_small(*b, *a).reverse(),
            (
                Number::Big {
                    negative,
                    magnitude,
                },
                _,
            ) => signed(*negative, magnitude, other),
            (
                _,
                Number::Big {
                    negative,
                    magnitude,
                },
            ) => signed(*negative, magnitude, self).reverse(),
        }
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number<'_> {}

fn float_and_small(float: f64, small: i64) -> Ordering {
    if float >= BIG {
        return Ordering::Greater;
    }
    if float < -BIG {
        return Ordering::Less;
    }
    let fraction = float.fract().partial_cmp(&0.0);
    let whole = (float.trunc() as i64).cmp(&small);
    whole.then(fraction.unwrap_or(Ordering::Equal))
}

/// An integer beyond 64 bits, compared with any other number.
fn signed(negative: bool, magnitude: &[u8], other: &Number<'_>) -> Ordering {
    let by_sign = match negative {
        true => Ordering::Less,
        false => Ordering::Greater,
    };
    let by_magnitude = match other {
        Number::Small(_) => return by_sign,
        Number::Big {
            negative: other, ..
        } if *other != negative => return by_sign,
        Number::Big {
            magnitude: other, ..
        } => magnitudes(magnitude, other),
        Number::Float(f) if f.abs() < BIG || (*f < 0.0) != negative => return by_sign,
        Number::Float(f) => {
            let bytes = float_magnitude(f.abs());
            let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            magnitudes(magnitude, bytes.get(..=last).unwrap_or_default())
        }
    };
    match negative {
        true => by_magnitude.reverse(),
        false => by_magnitude,
    }
}

fn magnitudes(a: &[u8], b: &[u8]) -> Ordering {
    let by_length = a.len().cmp(&b.len());
    by_length.then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

/// The bytes, least first, of a float of 2^63 or more, which is an integer.
fn float_magnitude(float: f64) -> [u8; 136] {
    let bits = float.to_bits();
    let mantissa = (bits & ((1 << 52) - 1)) | 1 << 52;
    // 2^63 has the exponent 63; the mantissa's lowest bit weighs 52 less.
    let shift = (bits >> 52 & 0x7FF).saturating_sub(1023 + 52);
    let (at, shift) = ((shift / 8) as usize, shift % 8);
    let mut bytes = [0; 136];
    if let Some(place) = bytes.get_mut(at..at + 8) {
        place.copy_from_slice(&(mantissa << shift).to_le_bytes());
    }
    bytes
}
