//! `esdb_aggregate_nif`: events folded into one map, with tagged values.
//!
//! Values are collected natively, one slot for each key, and one map is built at the end; the twin builds a map for
//! each field of each event.

use crate::budget::{Budget, Run, Stop};
use crate::event::Event;
use crate::intern::Keys;
use crate::number::Number;
use crate::predicate::comparing_cost;
use crate::raw::Fields;
use crate::term::{bytes, each, pair};
use rustler::{Encoder, Env, Term};

rustler::atoms! { sum, overwrite, total_events, events_with_data, unique_fields }

/// What a key holds.
#[derive(Clone, Copy)]
enum Slot<'a> {
    /// Any value.
    Plain(Term<'a>),
    /// `{sum, N}`, where N came from an event.
    Sum(Number),
}

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

/// The map while it is being folded.
struct State<'a> {
    keys: Keys<'a>,
    slots: Vec<Slot<'a>>,
}

impl<'a> State<'a> {
    /// Starts from `initial`.
    fn new(initial: Term<'a>, budget: &mut Budget) -> Result<Self, Stop> {
        let mut state = State {
            keys: Keys::new(),
            slots: Vec::new(),
        };
        for (key, value) in Fields::of(initial).ok_or(Stop::Twin)? {
            budget.spend(40)?;
            state.keys.number(key, budget)?;
            state.slots.push(Slot::Plain(value));
        }
        Ok(state)
    }

    /// Applies one field.
    #[inline]
    fn apply(&mut self, key: Term<'a>, value: Term<'a>, budget: &mut Budget) -> Result<(), Stop> {
        budget.spend(25)?;
        let (number, new) = self.keys.number(key, budget)?;
        let slot = match tagged(value) {
            Tagged::Sum(inner) => match Number::read(inner)? {
                Some(amount) => {
                    let current = if new {
                        Number::Int(0)
                    } else {
                        self.current(number)?
                    };
                    Slot::Sum(current.plus(amount)?)
                }
                None => Slot::Plain(value),
            },
            Tagged::Overwrite(inner) => Slot::Plain(inner),
            Tagged::Plain => Slot::Plain(value),
        };
        match self.slots.get_mut(number as usize) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        Ok(())
    }

    /// The number that a sum goes on from: 0 where there is none.
    fn current(&self, number: u32) -> Result<Number, Stop> {
        let value = match self.slots.get(number as usize) {
            Some(Slot::Sum(current)) => return Ok(*current),
            Some(Slot::Plain(value)) => *value,
            None => return Ok(Number::Int(0)),
        };
        let inner = match tagged(value) {
            Tagged::Sum(inner) => inner,
            _ => value,
        };
        Ok(Number::read(inner)?.unwrap_or(Number::Int(0)))
    }

    /// The map, with its tags or without.
    fn finish(self, env: Env<'a>, finalize: bool) -> Run<'a> {
        let keys: Vec<Term<'a>> = self.keys.terms().collect();
        let values: Vec<Term<'a>> = self
            .slots
            .into_iter()
            .map(|slot| match slot {
                Slot::Sum(number) if finalize => number.term(env),
                Slot::Sum(number) => (sum(), number.term(env)).encode(env),
                Slot::Plain(value) if finalize => untagged(value),
                Slot::Plain(value) => value,
            })
            .collect();
        Term::map_from_term_arrays(env, &keys, &values).map_err(|_| Stop::Twin)
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
    let (mut keys, mut values) = (Vec::with_capacity(size), Vec::with_capacity(size));
    for (key, value) in Fields::of(map).ok_or(Stop::Twin)? {
        // The emulator hashes the keys of the new map.
        budget.spend(bytes(key).map_or(0, <[u8]>::len))?;
        keys.push(key);
        values.push(untagged(value));
    }
    Term::map_from_term_arrays(env, &keys, &values).map_err(|_| Stop::Twin)
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
    let (mut total, mut with_data, mut keys) = (0u64, 0u64, Keys::new());
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
