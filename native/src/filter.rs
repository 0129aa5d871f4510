//! `esdb_filter_nif`, the functions over texts: wildcards, regular expressions, prefixes, suffixes.

use crate::budget::{Budget, Run, Stop};
use crate::pcre::Expression;
use crate::raw::Terms;
use crate::term::{binary, bytes, each};
use crate::wildcard::{self, Pattern};
use rustler::{Encoder, Env, Term};

/// Estimated nanoseconds to compile an expression.
const COMPILE: usize = 120_000;
/// More estimated nanoseconds than this for one text are the twin's: it can be interrupted, a dirty scheduler cannot.
const ENDLESS: usize = 5_000_000_000;

/// `wildcard_to_regex(Pattern)`.
pub fn wildcard_to_regex<'a>(env: Env<'a>, budget: &mut Budget, pattern: Term<'a>) -> Run<'a> {
    let pattern = bytes(pattern)?;
    budget.spend(pattern.len() * 3)?;
    Ok(binary(env, &wildcard::to_regex(pattern)))
}

/// Cuts the pattern in `term`; that costs about as much as matching.
///
/// # Errors
/// [`Stop::Twin`] when it is not a binary, [`Stop::Dirty`] when the budget is used up.
pub fn read_pattern<'a>(term: Term<'a>, budget: &mut Budget) -> Result<Pattern<'a>, Stop> {
    let pattern = bytes(term)?;
    budget.spend(50 + pattern.len() * 2)?;
    Ok(Pattern::new(pattern))
}

/// Whether the whole of `text` matches.
///
/// # Errors
/// [`Stop::Dirty`] when the budget is used up, [`Stop::Twin`] when it would take seconds.
#[inline(always)]
pub fn fits(pattern: &Pattern<'_>, text: &[u8], budget: &mut Budget) -> Result<bool, Stop> {
    let cost = pattern.cost(text.len());
    if cost > ENDLESS {
        return Err(Stop::Twin);
    }
    budget.spend(cost)?;
    Ok(pattern.matches(text))
}

/// `wildcard_match(Text, Pattern)`.
pub fn wildcard_match<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    text: Term<'a>,
    pattern: Term<'a>,
) -> Run<'a> {
    let (text, pattern) = (bytes(text)?, read_pattern(pattern, budget)?);
    Ok(fits(&pattern, text, budget)?.encode(env))
}

/// `regex_match(Text, Regex)`.
pub fn regex_match<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    text: Term<'a>,
    regex: Term<'a>,
) -> Run<'a> {
    let (text, regex) = (bytes(text)?, bytes(regex)?);
    budget.spend(COMPILE + text.len() * 50)?;
    let found = Expression::translate(regex).and_then(|expression| expression.is_match(text));
    found.map(|found| found.encode(env)).ok_or(Stop::Twin)
}

/// `has_prefix(Text, Prefix)`.
pub fn has_prefix<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    text: Term<'a>,
    prefix: Term<'a>,
) -> Run<'a> {
    let (text, prefix) = (bytes(text)?, bytes(prefix)?);
    budget.spend(prefix.len() / 8)?;
    Ok(text.starts_with(prefix).encode(env))
}

/// `has_suffix(Text, Suffix)`.
pub fn has_suffix<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    text: Term<'a>,
    suffix: Term<'a>,
) -> Run<'a> {
    let (text, suffix) = (bytes(text)?, bytes(suffix)?);
    budget.spend(suffix.len() / 8)?;
    Ok(text.ends_with(suffix).encode(env))
}

/// Calls `found` with index and term of each item that `test` accepts. The order of checks is the twin's: all items
/// must be binaries, also those after which the answer would be known.
fn matching<'a>(
    items: Term<'a>,
    budget: &mut Budget,
    mut test: impl FnMut(&'a [u8], &mut Budget) -> Result<bool, Stop>,
    mut found: impl FnMut(u64, Term<'a>),
) -> Result<(), Stop> {
    let mut index = 0;
    each(items, budget, 20, |item, budget| {
        if test(bytes(item)?, budget)? {
            found(index, item);
        }
        index += 1;
        Ok(())
    })
}

fn by_wildcard<'a>(
    items: Term<'a>,
    pattern: Term<'a>,
    budget: &mut Budget,
    found: impl FnMut(u64, Term<'a>),
) -> Result<(), Stop> {
    let pattern = read_pattern(pattern, budget)?;
    let test = |text: &[u8], budget: &mut Budget| fits(&pattern, text, budget);
    matching(items, budget, test, found)
}

/// `filter_by_wildcard(Items, Pattern)`.
pub fn filter_by_wildcard<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    items: Term<'a>,
    pattern: Term<'a>,
) -> Run<'a> {
    let mut results = Terms::new(env);
    by_wildcard(items, pattern, budget, |_, item| results.push(item))?;
    results.list()
}

/// `match_indices(Items, Pattern)`, from 0.
pub fn match_indices<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    items: Term<'a>,
    pattern: Term<'a>,
) -> Run<'a> {
    let mut results = Terms::new(env);
    by_wildcard(items, pattern, budget, |index, _| {
        results.push(index.encode(env))
    })?;
    results.list()
}

/// `count_matches(Items, Pattern)`.
pub fn count_matches<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    items: Term<'a>,
    pattern: Term<'a>,
) -> Run<'a> {
    let mut count = 0u64;
    by_wildcard(items, pattern, budget, |_, _| count += 1)?;
    Ok(count.encode(env))
}

/// `filter_by_regex(Items, Regex)`.
pub fn filter_by_regex<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    items: Term<'a>,
    regex: Term<'a>,
) -> Run<'a> {
    let regex = bytes(regex)?;
    budget.spend(COMPILE)?;
    let expression = Expression::translate(regex).ok_or(Stop::Twin)?;
    let test = |text: &[u8], budget: &mut Budget| {
        budget.spend(30 + text.len() * 4)?;
        expression.is_match(text).ok_or(Stop::Twin)
    };
    let mut results = Terms::new(env);
    matching(items, budget, test, |_, item| results.push(item))?;
    results.list()
}

/// `filter_by_prefix(Items, Prefix)`.
pub fn filter_by_prefix<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    items: Term<'a>,
    prefix: Term<'a>,
) -> Run<'a> {
    let prefix = bytes(prefix)?;
    let mut results = Terms::new(env);
    let test = |text: &[u8], budget: &mut Budget| {
        budget.spend(prefix.len() / 8)?;
        Ok(text.starts_with(prefix))
    };
    matching(items, budget, test, |_, item| results.push(item))?;
    results.list()
}

/// `filter_by_suffix(Items, Suffix)`.
pub fn filter_by_suffix<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    items: Term<'a>,
    suffix: Term<'a>,
) -> Run<'a> {
    let suffix = bytes(suffix)?;
    let mut results = Terms::new(env);
    let test = |text: &[u8], budget: &mut Budget| {
        budget.spend(suffix.len() / 8)?;
        Ok(text.ends_with(suffix))
    };
    matching(items, budget, test, |_, item| results.push(item))?;
    results.list()
}
