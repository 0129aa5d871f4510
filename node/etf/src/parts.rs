//! The insides of terms: an atom's name, and the elements of tuples, lists and maps.

use crate::{Term, tag};
use std::borrow::Cow;

/// An atom's name. Names are compared as text: `latin1` and UTF-8 spellings of one name are equal.
#[derive(Debug, Clone, Copy)]
pub struct Atom<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) latin1: bool,
}

impl<'a> Atom<'a> {
    /// Whether the name is `name`.
    pub fn is(self, name: &str) -> bool {
        match self.latin1 && !self.name.is_ascii() {
            false => self.name == name.as_bytes(),
            true => self.text() == name,
        }
    }

    /// The name as text.
    pub fn text(self) -> Cow<'a, str> {
        match std::str::from_utf8(self.name) {
            Ok(text) if !self.latin1 || text.is_ascii() => Cow::Borrowed(text),
            _ => Cow::Owned(self.name.iter().map(|b| char::from(*b)).collect()),
        }
    }
}

/// The elements of a tuple, in order.
#[derive(Debug, Clone, Copy)]
pub struct Tuple<'a> {
    pub(crate) left: usize,
    pub(crate) rest: &'a [u8],
}

/// The elements of a list, in order; then [`List::tail`] is what follows them.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    pub(crate) left: usize,
    pub(crate) string: bool,
    pub(crate) rest: &'a [u8],
}

/// The pairs of a map, in the order in which they came.
#[derive(Debug, Clone, Copy)]
pub struct Map<'a> {
    pub(crate) left: usize,
    pub(crate) rest: &'a [u8],
}

fn next_term<'a>(left: &mut usize, rest: &mut &'a [u8]) -> Option<Term<'a>> {
    *left = left.checked_sub(1)?;
    let (term, after) = Term::first(rest)?;
    *rest = after;
    Some(term)
}

/// The term that `rest` holds from first to last byte: its end is known and need not be searched.
fn last_term<'a>(rest: &mut &'a [u8]) -> Term<'a> {
    Term::checked(std::mem::take(rest))
}

impl<'a> Iterator for Tuple<'a> {
    type Item = Term<'a>;
    fn next(&mut self) -> Option<Term<'a>> {
        match self.left {
            1 => {
                self.left = 0;
                Some(last_term(&mut self.rest))
            }
            _ => next_term(&mut self.left, &mut self.rest),
        }
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Tuple<'_> {}

/// The 256 terms that a string can hold, so that its elements are terms like any others.
static BYTES: [[u8; 2]; 256] = {
    let mut table = [[tag::SMALL_INTEGER, 0]; 256];
    let mut n = 0;
    while n < 256 {
        #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
        {
            table[n] = [tag::SMALL_INTEGER, n as u8];
        }
        n += 1;
    }
    table
};

impl<'a> Iterator for List<'a> {
    type Item = Term<'a>;
    fn next(&mut self) -> Option<Term<'a>> {
        if !self.string {
            return next_term(&mut self.left, &mut self.rest);
        }
        self.left = self.left.checked_sub(1)?;
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        BYTES
            .get(usize::from(*byte))
            .map(|term| Term::checked(term))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for List<'_> {}

impl<'a> List<'a> {
    /// The term after the last element: `[]` for a proper list.
    pub fn tail(mut self) -> Term<'a> {
        if self.string {
            return Term::checked(&[tag::NIL]);
        }
        while self.left > 0 && self.next().is_some() {}
        Term::checked(self.rest)
    }

    /// Whether it ends in `[]`.
    pub fn is_proper(self) -> bool {
        // The tail's tag is the last byte exactly when the tail is `[]`, but a last byte of 106 can
        // also end another tail, so only the cheap "no" is taken from it.
        self.string || (self.rest.last() == Some(&tag::NIL) && self.tail().as_bytes() == [tag::NIL])
    }
}

impl<'a> Iterator for Map<'a> {
    type Item = (Term<'a>, Term<'a>);
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (mut one, mut two) = (1, 1);
        let key = next_term(&mut one, &mut self.rest)?;
        let value = match self.left {
            0 => last_term(&mut self.rest),
            _ => next_term(&mut two, &mut self.rest)?,
        };
        Some((key, value))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Map<'_> {}

impl<'a> Map<'a> {
    /// The value under the atom `key`.
    pub fn get(self, key: &str) -> Option<Term<'a>> {
        self.into_iter()
            .find(|(k, _)| k.is_atom(key))
            .map(|(_, v)| v)
    }
}
