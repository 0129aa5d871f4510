//! Predicates over events, compiled once.
//!
//! The Erlang side flattens a predicate into tests that jump: each names the test to go on with when it holds and
//! when it does not. Jumps only go to lower numbers, so a run ends, and nothing here recurses however deep the
//! predicate was. Field names and values stay terms of the caller: the program holds their places in a tuple.

use crate::budget::{Budget, Run, Stop};
use crate::event::Event;
use crate::term::{bytes, each};
use crate::wildcard::Pattern;
use rustler::types::tuple::get_tuple;
use rustler::{Encoder, Env, ResourceArc, Term, TermType};
use std::cmp::Ordering;

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
    /// Places of the names that lead to the field.
    path: Vec<usize>,
    /// The place of the value.
    value: usize,
    on_true: Next,
    on_false: Next,
}

/// A compiled predicate; the emulator frees it with its last reference.
#[derive(Debug)]
pub struct Program {
    tests: Vec<Test>,
    entry: Next,
}

impl rustler::Resource for Program {}

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

/// Whether comparing with `term` takes a time that its own size bounds.
pub fn simple(term: Term<'_>) -> bool {
    term.is_atom() || term.is_number() || bytes(term).is_ok()
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
    let constants = get_tuple(constants).map_err(|_| Stop::Twin)?;
    let mut program = Program {
        tests: Vec::new(),
        entry: Next::Reject,
    };
    each(tests, budget, 200, |test, budget| {
        type Parts<'a> = (Term<'a>, Vec<usize>, usize, Term<'a>, Term<'a>);
        let (name, path, value, on_true, on_false) =
            test.decode::<Parts<'a>>().map_err(|_| Stop::Twin)?;
        let op = op(name).ok_or(Stop::Twin)?;
        let constant = constants.get(value).ok_or(Stop::Twin)?;
        let known = match op {
            Op::Exists => true,
            Op::Wildcard | Op::StartsWith | Op::EndsWith => bytes(*constant).is_ok(),
            Op::Member => {
                let mut all = true;
                each(*constant, budget, 20, |value, _| {
                    all &= simple(value);
                    Ok(())
                })?;
                all
            }
            _ => simple(*constant),
        };
        let at = program.tests.len();
        match (next(on_true, at), next(on_false, at)) {
            (Some(on_true), Some(on_false))
                if known && path.iter().all(|place| *place < constants.len()) =>
            {
                program.tests.push(Test {
                    op,
                    path,
                    value,
                    on_true,
                    on_false,
                });
                Ok(())
            }
            _ => Err(Stop::Twin),
        }
    })?;
    program.entry = next(entry, program.tests.len()).ok_or(Stop::Twin)?;
    Ok(ResourceArc::new(program).encode(env))
}

/// A program with the constants of the caller.
pub struct Predicate<'a> {
    program: ResourceArc<Program>,
    constants: Vec<Term<'a>>,
    patterns: Vec<Option<Pattern<'a>>>,
}

impl<'a> Predicate<'a> {
    /// Puts both together.
    ///
    /// # Errors
    /// [`Stop::Twin`] when `program` is not one, or one of another version of the library.
    pub fn new(program: Term<'a>, constants: Term<'a>) -> Result<Self, Stop> {
        let program: ResourceArc<Program> = program.decode().map_err(|_| Stop::Twin)?;
        let constants = get_tuple(constants).map_err(|_| Stop::Twin)?;
        let pattern = |test: &Test| match test.op {
            Op::Wildcard => bytes(*constants.get(test.value)?).ok().map(Pattern::new),
            _ => None,
        };
        let patterns = program.tests.iter().map(pattern).collect();
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

    /// The field that `path` leads to. One name alone is looked for in the event, then in its data.
    fn field(&self, path: &[usize], event: &Event<'a>) -> Option<Term<'a>> {
        let (first, rest) = path.split_first()?;
        let name = *self.constants.get(*first)?;
        let Some(mut found) = event.field(name) else {
            return if rest.is_empty() {
                event.data()?.map_get(name).ok()
            } else {
                None
            };
        };
        for name in rest {
            found = found.map_get(*self.constants.get(*name)?).ok()?;
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
        budget.spend(60 + 40 * test.path.len())?;
        let Some(field) = self.field(&test.path, event) else {
            return Ok(test.op == Op::Ne);
        };
        let value = *self.constants.get(test.value).ok_or(Stop::Twin)?;
        Ok(match test.op {
            Op::Exists => true,
            Op::Eq => field == value,
            Op::Ne => field != value,
            Op::Gt | Op::Gte | Op::Lt | Op::Lte => ordered(test.op, field, value),
            Op::Member => {
                let mut found = false;
                each(value, budget, 10, |element, _| {
                    found |= element == field;
                    Ok(())
                })?;
                found
            }
            Op::Wildcard | Op::StartsWith | Op::EndsWith => match (bytes(field), bytes(value)) {
                (Ok(text), Ok(affix)) => {
                    let pattern = self.patterns.get(place).and_then(Option::as_ref);
                    budget.spend(
                        pattern.map_or(affix.len() / 8, |pattern| pattern.cost(text.len())),
                    )?;
                    match test.op {
                        Op::StartsWith => text.starts_with(affix),
                        Op::EndsWith => text.ends_with(affix),
                        _ => pattern.is_some_and(|pattern| pattern.matches(text)),
                    }
                }
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
