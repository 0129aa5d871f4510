//! Predicates over events, compiled once.
//!
//! The Erlang side flattens a predicate into tests that jump: each names the test to go on with when it holds and
//! when it does not. Jumps only go to lower numbers, so a run ends, and nothing here recurses however deep the
//! predicate was. Field names and values stay terms of the caller: the program holds their places in a tuple.

use crate::budget::{Budget, Run, Stop};
use crate::event::Event;
use crate::filter::{fits, read_pattern};
use crate::raw::{Elements, make_program, program};
use crate::term::{bytes, each};
use crate::wildcard::Pattern;
use rustler::{Env, Term, TermType};
use std::cmp::Ordering;
use std::ops::Range;

rustler::atoms! { eq, ne, gt, gte, lt, lte, member, exists, wildcard, starts_with, ends_with, accept, reject }

/// What a test asks of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    Member,
    Exists,
    Wildcard,
    StartsWith,
    EndsWith,
}

/// Where a test leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Accept,
    Reject,
    Test(usize),
}

/// One test.
#[derive(Debug)]
struct Test {
    op: Op,
    /// Where [`Program::places`] has the places of the names that lead to the field.
    path: Range<usize>,
    /// The place of the value.
    value: usize,
    /// Estimated nanoseconds to read the field and to compare it.
    cost: usize,
    on_true: Next,
    on_false: Next,
}

/// A compiled predicate; the emulator frees it with its last reference. Three allocations, however many tests: it may be
/// freed on an ordinary scheduler.
#[derive(Debug)]
pub struct Program {
    tests: Vec<Test>,
    /// Places among the constants.
    places: Vec<usize>,
    entry: Next,
    /// How many constants belong to it.
    constants: usize,
    /// Whether a test has a wildcard pattern.
    wildcards: bool,
}

fn op(term: Term<'_>) -> Option<Op> {
    let ops = [
        (eq(), Op::Eq),
        (ne(), Op::Ne),
        (gt(), Op::Gt),
        (gte(), Op::Gte),
        (lt(), Op::Lt),
        (lte(), Op::Lte),
        (member(), Op::Member),
        (exists(), Op::Exists),
        (wildcard(), Op::Wildcard),
        (starts_with(), Op::StartsWith),
        (ends_with(), Op::EndsWith),
    ];
    ops.into_iter()
        .find(|(name, _)| *name == term)
        .map(|(_, op)| op)
}

/// A jump out of the test `from`.
fn next(term: Term<'_>, from: usize) -> Option<Next> {
    if accept() == term {
        Some(Next::Accept)
    } else if reject() == term {
        Some(Next::Reject)
    } else {
        term.decode::<usize>()
            .ok()
            .filter(|to| *to < from)
            .map(Next::Test)
    }
}

/// Estimated nanoseconds to compare a field with `term`; `None` when only the field says how long that takes, or when
/// it is an integer of more than 64 bits.
pub fn comparing_cost(term: Term<'_>) -> Option<usize> {
    match bytes(term) {
        Ok(text) => Some(text.len() / 4),
        Err(_) if term.is_atom() || term.is_float() || term.decode::<i64>().is_ok() => Some(0),
        Err(_) => None,
    }
}

/// `compile(Tests, Entry, Constants)`: a reference to the program.
///
/// Values that are neither atoms, numbers nor binaries are the twin's.
pub fn compile<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    tests: Term<'a>,
    entry: Term<'a>,
    constants: Term<'a>,
) -> Run<'a> {
    let constants = Elements::of(constants).ok_or(Stop::Twin)?;
    let mut program = Program {
        tests: Vec::new(),
        places: Vec::new(),
        entry: Next::Reject,
        constants: constants.len(),
        wildcards: false,
    };
    each(tests, budget, 200, |test, budget| {
        add(&mut program, test, constants, budget)
    })?;
    program.entry = next(entry, program.tests.len()).ok_or(Stop::Twin)?;
    Ok(make_program(env, program))
}

fn add<'a>(
    program: &mut Program,
    test: Term<'a>,
    constants: Elements<'a>,
    budget: &mut Budget,
) -> Result<(), Stop> {
    type Parts<'a> = (Term<'a>, Term<'a>, usize, Term<'a>, Term<'a>);
    let (name, path, value, on_true, on_false) =
        test.decode::<Parts<'a>>().map_err(|_| Stop::Twin)?;
    let op = op(name).ok_or(Stop::Twin)?;
    let constant = constants.get(value).ok_or(Stop::Twin)?;
    let start = program.places.len();
    let mut cost = 60;
    each(path, budget, 40, |place, _| {
        let place = place.decode::<usize>().map_err(|_| Stop::Twin)?;
        let name = constants.get(place).ok_or(Stop::Twin)?;
        // Maps hash a name each time they are asked for it.
        cost += 40 + bytes(name).map_or(0, <[u8]>::len);
        program.places.push(place);
        Ok(())
    })?;
    cost += match op {
        Op::Exists => 0,
        Op::Wildcard | Op::StartsWith | Op::EndsWith => bytes(constant)?.len() / 8,
        Op::Member => {
            let mut all = 0;
            each(constant, budget, 20, |value, _| {
                all += 10 + comparing_cost(value).ok_or(Stop::Twin)?;
                Ok(())
            })?;
            all
        }
        _ => comparing_cost(constant).ok_or(Stop::Twin)?,
    };
    let at = program.tests.len();
    let (on_true, on_false) = next(on_true, at)
        .zip(next(on_false, at))
        .ok_or(Stop::Twin)?;
    program.wildcards |= op == Op::Wildcard;
    program.tests.push(Test {
        op,
        path: start..program.places.len(),
        value,
        cost,
        on_true,
        on_false,
    });
    Ok(())
}

/// A program with the constants of the caller.
pub struct Predicate<'a> {
    program: &'a Program,
    constants: Elements<'a>,
    /// The patterns of the tests; empty when no test has one.
    patterns: Vec<Option<Pattern<'a>>>,
}

impl<'a> Predicate<'a> {
    /// Puts both together.
    ///
    /// # Errors
    /// [`Stop::Twin`] when `reference` is not one to a program, or to one of another version of the library;
    /// [`Stop::Dirty`] when there are very many tests.
    pub fn new(
        reference: Term<'a>,
        constants: Term<'a>,
        budget: &mut Budget,
    ) -> Result<Self, Stop> {
        let program = program(reference).ok_or(Stop::Twin)?;
        let constants = Elements::of(constants).ok_or(Stop::Twin)?;
        if constants.len() != program.constants {
            return Err(Stop::Twin);
        }
        let mut patterns = Vec::new();
        if program.wildcards {
            budget.spend(program.tests.len().saturating_mul(10))?;
            for test in &program.tests {
                patterns.push(match test.op {
                    Op::Wildcard => {
                        let pattern = constants.get(test.value).ok_or(Stop::Twin)?;
                        Some(read_pattern(pattern, budget)?)
                    }
                    _ => None,
                });
            }
        }
        Ok(Predicate {
            program,
            constants,
            patterns,
        })
    }

    /// Whether `event` passes.
    ///
    /// # Errors
    /// [`Stop::Twin`] when it is no event, [`Stop::Dirty`] when the budget is used up.
    pub fn accepts(&self, event: Term<'a>, budget: &mut Budget) -> Result<bool, Stop> {
        let event = Event::read(event)?;
        let mut at = self.program.entry;
        loop {
            let place = match at {
                Next::Accept => return Ok(true),
                Next::Reject => return Ok(false),
                Next::Test(place) => place,
            };
            let test = self.program.tests.get(place).ok_or(Stop::Twin)?;
            at = if self.holds(place, test, &event, budget)? {
                test.on_true
            } else {
                test.on_false
            };
        }
    }

    /// The field that the path of `test` leads to. One name alone is looked for in the event, then in its data.
    fn field(&self, test: &Test, event: &Event<'a>) -> Option<Term<'a>> {
        let (first, rest) = self.program.places.get(test.path.clone())?.split_first()?;
        let name = self.constants.get(*first)?;
        let Some(mut found) = event.field(name) else {
            return if rest.is_empty() {
                event.data()?.map_get(name).ok()
            } else {
                None
            };
        };
        for name in rest {
            found = found.map_get(self.constants.get(*name)?).ok()?;
        }
        Some(found)
    }

    fn holds(
        &self,
        place: usize,
        test: &Test,
        event: &Event<'a>,
        budget: &mut Budget,
    ) -> Result<bool, Stop> {
        budget.spend(test.cost)?;
        let Some(field) = self.field(test, event) else {
            return Ok(test.op == Op::Ne);
        };
        let value = self.constants.get(test.value).ok_or(Stop::Twin)?;
        Ok(match test.op {
            Op::Exists => true,
            Op::Eq => field == value,
            Op::Ne => field != value,
            Op::Gt | Op::Gte | Op::Lt | Op::Lte => ordered(test.op, field, value),
            Op::Member => {
                let mut found = false;
                each(value, budget, 0, |element, _| {
                    found |= element == field;
                    Ok(())
                })?;
                found
            }
            Op::StartsWith => bytes(field)
                .is_ok_and(|text| bytes(value).is_ok_and(|affix| text.starts_with(affix))),
            Op::EndsWith => {
                bytes(field).is_ok_and(|text| bytes(value).is_ok_and(|affix| text.ends_with(affix)))
            }
            Op::Wildcard => match (bytes(field), self.patterns.get(place)) {
                (Ok(text), Some(Some(pattern))) => fits(pattern, text, budget)?,
                _ => false,
            },
        })
    }
}

/// Order among numbers, among binaries, and among atoms, as the emulator has it; false between kinds.
fn ordered<'a>(op: Op, field: Term<'a>, value: Term<'a>) -> bool {
    let kind = |term: Term<'_>| match term.get_type() {
        TermType::Integer | TermType::Float => Some(0),
        TermType::Binary => Some(1),
        TermType::Atom => Some(2),
        _ => None,
    };
    if kind(field).is_none() || kind(field) != kind(value) {
        return false;
    }
    match field.cmp(&value) {
        Ordering::Less => matches!(op, Op::Lt | Op::Lte),
        Ordering::Equal => matches!(op, Op::Gte | Op::Lte),
        Ordering::Greater => matches!(op, Op::Gt | Op::Gte),
    }
}
