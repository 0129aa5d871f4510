//! Guarantee: a payload selector matches as its documentation says, on whatever spelling of the data:
//! compared with the same rules on trees instead of bytes.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/random.rs"]
mod random;
mod support;

use proptest::prelude::*;
use std::cmp::Ordering;
use support::{Event, T, atom, parse};

/// `=:=` on a node before OTP 27.
fn equal(a: &T, b: &T) -> bool {
    let all = |a: &[T], b: &[T]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b));
    match (a, b) {
        (T::List(a), T::List(b)) | (T::Tuple(a), T::Tuple(b)) => all(a, b),
        (T::Map(a), T::Map(b)) => {
            let in_b =
                |(key, value): &(T, T)| find(b, key).is_some_and(|other| equal(value, other));
            a.len() == b.len() && a.iter().all(in_b)
        }
        _ => a == b,
    }
}

fn find<'a>(map: &'a [(T, T)], key: &T) -> Option<&'a T> {
    map.iter()
        .find(|(one, _)| equal(one, key))
        .map(|(_, value)| value)
}

/// All the integers that occur are exact in 128 bits, and so are the floats without a fraction.
fn compare(a: &T, b: &T) -> Option<Ordering> {
    let whole = |term: &T| match term {
        T::Int(n) => Some((i128::from(*n), 0.0)),
        T::Big(high, low) => {
            let sign = i128::from(high.signum());
            Some((i128::from(*high) * (1 << 64) + i128::from(*low) * sign, 0.0))
        }
        T::Float(f) => Some((f.trunc() as i128, f.fract())),
        _ => None,
    };
    let ((a, a_rest), (b, b_rest)) = (whole(a)?, whole(b)?);
    Some(a.cmp(&b).then(a_rest.partial_cmp(&b_rest)?))
}

fn meets(condition: &T, value: &T) -> bool {
    let is = |admitted: &[Ordering], bound| {
        compare(value, bound).is_some_and(|ordering| admitted.contains(&ordering))
    };
    use Ordering::{Equal, Greater, Less};
    match condition {
        T::Atom("_") => true,
        T::Map(pairs) => match value {
            T::Map(values) => pairs.iter().all(|(key, condition)| {
                find(values, key).is_some_and(|value| meets(condition, value))
            }),
            _ => false,
        },
        T::Tuple(parts) => match &parts[..] {
            [T::Atom("gt"), bound] => is(&[Greater], bound),
            [T::Atom("gte" | "ge"), bound] => is(&[Greater, Equal], bound),
            [T::Atom("lt"), bound] => is(&[Less], bound),
            [T::Atom("lte" | "le"), bound] => is(&[Less, Equal], bound),
            [T::Atom("eq"), other] => equal(other, value),
            [T::Atom("ne"), other] => !equal(other, value),
            [T::Atom("in"), T::List(values)] => values.iter().any(|one| equal(one, value)),
            _ => equal(condition, value),
        },
        _ => equal(condition, value),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn payloads(pattern in random::payload(), data in random::data(), respelled: bool) {
        let mut event = Event::new("s", "t").data(&data);
        if respelled {
            event.data = data.respelled();
        }
        let selector = parse("by_event_payload", &pattern).unwrap();
        prop_assert_eq!(selector.matches(&event.recorded()), meets(&pattern, &data));
    }

    /// One value under one key: where most of the random maps above have none in common.
    #[test]
    fn single_values(condition in random::condition(), value in random::value(), respelled: bool) {
        let data = T::Map(vec![(atom("a"), value.clone())]);
        let mut event = Event::new("s", "t").data(&data);
        if respelled {
            event.data = data.respelled();
        }
        let selector = parse("by_event_payload", &T::Map(vec![(atom("a"), condition.clone())]));
        prop_assert_eq!(selector.unwrap().matches(&event.recorded()), meets(&condition, &value));
    }
}
