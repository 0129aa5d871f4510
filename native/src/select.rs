//! `esdb_filter_nif`, the functions over events: filter, count, partition, first, all with indexes, any, all.

use crate::budget::{Budget, Run, Stop};
use crate::predicate::Predicate;
use crate::raw::Terms;
use crate::term::{Cells, each};
use rustler::{Encoder, Env, Term};

rustler::atoms! { ok, not_found }

/// Calls `visit` with index, event and verdict of each event.
fn judged<'a>(
    events: Term<'a>,
    program: Term<'a>,
    constants: Term<'a>,
    budget: &mut Budget,
    mut visit: impl FnMut(u64, Term<'a>, bool),
) -> Result<(), Stop> {
    let predicate = Predicate::new(program, constants, budget)?;
    let mut index = 0;
    each(events, budget, 30, |event, budget| {
        visit(index, event, predicate.accepts(event, budget)?);
        index += 1;
        Ok(())
    })
}

/// `filter_events`: the events that pass.
pub fn filter<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    events: Term<'a>,
    program: Term<'a>,
    constants: Term<'a>,
) -> Run<'a> {
    let mut passed = Terms::new(env);
    judged(events, program, constants, budget, |_, event, passes| {
        if passes {
            passed.push(event);
        }
    })?;
    passed.list()
}

/// `filter_count`: how many pass.
pub fn count<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    events: Term<'a>,
    program: Term<'a>,
    constants: Term<'a>,
) -> Run<'a> {
    let mut count = 0u64;
    judged(events, program, constants, budget, |_, _, passes| {
        count += u64::from(passes)
    })?;
    Ok(count.encode(env))
}

/// `partition_events`: those that pass, and the others.
pub fn partition<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    events: Term<'a>,
    program: Term<'a>,
    constants: Term<'a>,
) -> Run<'a> {
    let (mut passed, mut others) = (Terms::new(env), Terms::new(env));
    judged(
        events,
        program,
        constants,
        budget,
        |_, event, passes| match passes {
            true => passed.push(event),
            false => others.push(event),
        },
    )?;
    Ok((passed.list()?, others.list()?).encode(env))
}

/// `find_all`: the events that pass, each with its index from 0.
pub fn find_all<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    events: Term<'a>,
    program: Term<'a>,
    constants: Term<'a>,
) -> Run<'a> {
    let mut found = Terms::new(env);
    judged(
        events,
        program,
        constants,
        budget,
        |index, event, passes| {
            if passes {
                found.push((index, event).encode(env));
            }
        },
    )?;
    found.list()
}

/// The first event with the verdict `wanted`; what follows it is not looked at.
fn first<'a>(
    events: Term<'a>,
    program: Term<'a>,
    constants: Term<'a>,
    wanted: bool,
    budget: &mut Budget,
) -> Result<Option<Term<'a>>, Stop> {
    let predicate = Predicate::new(program, constants, budget)?;
    let mut cells = Cells::new(events);
    while let Some(event) = cells.next()? {
        budget.spend(30)?;
        if predicate.accepts(event, budget)? == wanted {
            return Ok(Some(event));
        }
    }
    Ok(None)
}

/// `first_match`: `{ok, Event}` or `not_found`.
pub fn first_match<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    events: Term<'a>,
    program: Term<'a>,
    constants: Term<'a>,
) -> Run<'a> {
    Ok(match first(events, program, constants, true, budget)? {
        Some(event) => (ok(), event).encode(env),
        None => not_found().encode(env),
    })
}

/// `any_match`: whether one passes.
pub fn any<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    events: Term<'a>,
    program: Term<'a>,
    constants: Term<'a>,
) -> Run<'a> {
    Ok(first(events, program, constants, true, budget)?
        .is_some()
        .encode(env))
}

/// `all_match`: whether none fails.
pub fn all<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    events: Term<'a>,
    program: Term<'a>,
    constants: Term<'a>,
) -> Run<'a> {
    Ok(first(events, program, constants, false, budget)?
        .is_none()
        .encode(env))
}
