//! `esdb_aggregate_nif`: events folded into one map, with tagged values.
//!
//! Values are collected natively, one slot for each key, and one map is built at the end; the twin builds a map for
//! each field of each event.

use crate::budget::{Budget, Run, Stop};
use crate::event::Event;
use crate::intern::Keys;
use crate::number::Number;
use crate::predicate::comparing_cost;
use crate::raw::{Fields, Terms};
use crate::term::{bytes, each, pair};
use rustler::{Encoder, Env, Term};

rustler::atoms! { sum, overwrite, total_events, events_with_data, unique_fields }

/// A value with its tag.
enum Tagged<'a> {
    Sum(Term<'a>),
    Overwrite(Term<'a>),
    Plain,
}

/// The tag of `value`, if it has one.
#[inline]
fn tagged<'a>(value: Term<'a>) -> Tagged<'a> {
    match pair(value) {
        Ok((tag, inner)) if sum() == tag => Tagged::Sum(inner),
        Ok((tag, inner)) if overwrite() == tag => Tagged::Overwrite(inner),
        _ => Tagged::Plain,
    }
}

/// The map while it is being folded: what each key holds, by the number of the key.
struct State<'a> {
    keys: Keys<'a>,
    /// `{sum, N}`, where N came from an event; `None` where there is any other value.
    sums: Vec<Option<Number>>,
    /// The other values.
    values: Terms<'a>,
}

impl<'a> State<'a> {
    /// Starts from `initial`.
    fn new(initial: Term<'a>, budget: &mut Budget) -> Result<Self, Stop> {
        let mut state = State {
            keys: Keys::new(initial.get_env()),
            sums: Vec::with_capacity(32),
            values: Terms::new(initial.get_env()),
        };
        for (key, value) in Fields::of(initial).ok_or(Stop::Twin)? {
            budget.spend(40)?;
            state.keys.number(key, budget)?;
            state.sums.push(None);
            state.values.push(value);
        }
        Ok(state)
    }

    /// Applies one field.
    #[inline]
    fn apply(&mut self, key: Term<'a>, value: Term<'a>, budget: &mut Budget) -> Result<(), Stop> {
        budget.spend(25)?;
        let (number, new) = self.keys.number(key, budget)?;
        if new {
            self.sums.push(Some(Number::Int(0)));
            self.values.push(value);
        }
        let number = number as usize;
        let (sum, value) = match tagged(value) {
            Tagged::Sum(inner) => match Number::read(inner)? {
                Some(amount) => (Some(self.current(number)?.plus(amount)?), None),
                None => (None, Some(value)),
            },
            Tagged::Overwrite(inner) => (None, Some(inner)),
            Tagged::Plain => (None, Some(value)),
        };
        if let Some(place) = self.sums.get_mut(number) {
            *place = sum;
        }
        if let Some(value) = value {
            self.values.set(number, value);
        }
        Ok(())
    }

    /// The number that a sum goes on from: 0 where there is none.
    #[inline]
    fn current(&self, number: usize) -> Result<Number, Stop> {
        if let Some(Some(sum)) = self.sums.get(number) {
            return Ok(*sum);
        }
        let Some(value) = self.values.get(number) else {
            return Ok(Number::Int(0));
        };
        let inner = match tagged(value) {
            Tagged::Sum(inner) => inner,
            _ => value,
        };
        Ok(Number::read(inner)?.unwrap_or(Number::Int(0)))
    }

    /// The map, with its tags or without.
    fn finish(mut self, env: Env<'a>, finalize: bool) -> Run<'a> {
        for (number, total) in self.sums.into_iter().enumerate() {
            let value = match (total, self.values.get(number)) {
                (Some(amount), _) if finalize => amount.term(env),
                (Some(amount), _) => (sum(), amount.term(env)).encode(env),
                (None, Some(value)) if finalize => untagged(value),
                (None, _) => continue,
            };
            self.values.set(number, value);
        }
        self.keys.terms().map(&self.values)
    }
}

/// A value without its tag.
fn untagged<'a>(value: Term<'a>) -> Term<'a> {
    match tagged(value) {
        Tagged::Sum(inner) | Tagged::Overwrite(inner) => inner,
        Tagged::Plain => value,
    }
}

/// `aggregate_events(Events, InitialState, Finalize)`.
pub fn aggregate_events<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    events: Term<'a>,
    initial: Term<'a>,
    finalize: Term<'a>,
) -> Run<'a> {
    let finalize = finalize.decode::<bool>().map_err(|_| Stop::Twin)?;
    let mut state = State::new(initial, budget)?;
    each(events, budget, 40, |event, budget| {
        if let Some(data) = Event::read(event)?.data() {
            for (key, value) in Fields::of(data).ok_or(Stop::Twin)? {
                state.apply(key, value, budget)?;
            }
        }
        Ok(())
    })?;
    state.finish(env, finalize)
}

/// `merge_tagged_batch(Pairs, State)`.
pub fn merge_tagged_batch<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    pairs: Term<'a>,
    state: Term<'a>,
) -> Run<'a> {
    let mut state = State::new(state, budget)?;
    each(pairs, budget, 5, |element, budget| {
        let (key, value) = pair(element)?;
        state.apply(key, value, budget)
    })?;
    state.finish(env, false)
}

/// `finalize(TaggedMap)`.
pub fn finalize<'a>(env: Env<'a>, budget: &mut Budget, map: Term<'a>) -> Run<'a> {
    let size = map.map_size().map_err(|_| Stop::Twin)?;
    budget.spend(size.saturating_mul(100))?;
    let (mut keys, mut values) = (Terms::new(env), Terms::new(env));
    for (key, value) in Fields::of(map).ok_or(Stop::Twin)? {
        // The emulator hashes the keys of the new map.
        budget.spend(bytes(key).map_or(0, <[u8]>::len))?;
        keys.push(key);
        values.push(untagged(value));
    }
    keys.map(&values)
}

/// Estimated nanoseconds to look up a field name, an atom or a binary: maps hash it each time.
fn name_cost(term: Term<'_>) -> Result<usize, Stop> {
    match term.is_atom() {
        true => Ok(0),
        false => bytes(term).map(<[u8]>::len),
    }
}

/// The field of the data of an event.
#[inline]
fn field_of<'a>(event: Term<'a>, field: Term<'a>) -> Result<Option<Term<'a>>, Stop> {
    Ok(Event::read(event)?
        .data()
        .and_then(|data| data.map_get(field).ok()))
}

/// `sum_field(Events, Field)`.
pub fn sum_field<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    events: Term<'a>,
    field: Term<'a>,
) -> Run<'a> {
    let cost = 80 + name_cost(field)?;
    let mut total = Number::Int(0);
    each(events, budget, cost, |event, _| {
        let Some(value) = field_of(event, field)? else {
            return Ok(());
        };
        let value = match tagged(value) {
            Tagged::Sum(inner) => inner,
            _ => value,
        };
        if let Some(number) = Number::read(value)? {
            total = total.plus(number)?;
        }
        Ok(())
    })?;
    Ok(total.term(env))
}

/// `count_where(Events, Field, Value)`.
pub fn count_where<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    events: Term<'a>,
    field: Term<'a>,
    value: Term<'a>,
) -> Run<'a> {
    let cost = 80 + name_cost(field)? + comparing_cost(value).ok_or(Stop::Twin)?;
    let mut count = 0u64;
    each(events, budget, cost, |event, _| {
        count += u64::from(field_of(event, field)? == Some(value));
        Ok(())
    })?;
    Ok(count.encode(env))
}

/// `aggregation_stats(Events)`.
pub fn aggregation_stats<'a>(env: Env<'a>, budget: &mut Budget, events: Term<'a>) -> Run<'a> {
    let (mut total, mut with_data, mut keys) = (0u64, 0u64, Keys::new(env));
    each(events, budget, 40, |event, budget| {
        total += 1;
        let Some(data) = Event::read(event)?.data() else {
            return Ok(());
        };
        with_data += u64::from(data.map_size().is_ok_and(|size| size > 0));
        for (key, _) in Fields::of(data).ok_or(Stop::Twin)? {
            budget.spend(25)?;
            keys.number(key, budget)?;
        }
        Ok(())
    })?;
    let names = [total_events(), events_with_data(), unique_fields()];
    Term::map_from_arrays(env, &names, &[total, with_data, keys.len() as u64])
        .map_err(|_| Stop::Twin)
}
