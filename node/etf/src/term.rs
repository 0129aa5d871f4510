//! A checked slice that holds one term, and what can be asked of it.

use crate::parts::{Atom, List, Map, Tuple};
use crate::{Error, Pid, Reference, VERSION, canonical, float, keys, phash2, scan, tag};
use std::borrow::Cow;

/// One well-formed term, without version byte. Copying it copies a pointer and a length.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Term<'a>(&'a [u8]);

/// What sort of term it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each name is Erlang's own
pub enum Kind {
    Atom,
    Integer,
    Float,
    Tuple,
    List,
    Binary,
    BitString,
    Map,
    Pid,
    Port,
    Reference,
    Fun,
}

impl<'a> Term<'a> {
    /// The term that `bytes` holds from first to last byte.
    ///
    /// # Errors
    /// [`Error`] if there is no well-formed term, or bytes follow it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        match Self::take(bytes)? {
            (term, []) => Ok(term),
            (_, rest) => Err(Error::Trailing { count: rest.len() }),
        }
    }

    /// As [`Term::parse`], for bytes that begin with the version byte.
    ///
    /// # Errors
    /// [`Error`], also if the version byte is missing.
    pub fn parse_external(bytes: &'a [u8]) -> Result<Self, Error> {
        match bytes {
            [VERSION, rest @ ..] => Self::parse(rest),
            [other, ..] => Err(Error::Version(*other)),
            [] => Err(Error::Truncated { at: 0 }),
        }
    }

    /// The term at the start of `bytes`, and the bytes after it.
    ///
    /// # Errors
    /// [`Error`] if no well-formed term begins there.
    pub fn take(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        let len = scan::term_len(bytes)?;
        match bytes.split_at_checked(len) {
            Some((term, rest)) => Ok((Term(term), rest)),
            None => Err(Error::Truncated { at: bytes.len() }),
        }
    }

    /// As [`Term::parse`], for bytes that should be a list: hands each element to `each` on the
    /// way, in one pass over the bytes where parsing and iterating would be two. The result is the
    /// tail: `[]` if the list is proper. What is not a list is its own tail.
    ///
    /// # Errors
    /// [`Error`] as for [`Term::parse`]; elements before the fault have been handed over by then.
    /// Its offset counts from the start of the element that holds the fault.
    pub fn parse_list(bytes: &'a [u8], mut each: impl FnMut(Term<'a>)) -> Result<Self, Error> {
        let [tag::LIST, a, b, c, d, rest @ ..] = bytes else {
            let term = Self::parse(bytes)?;
            let Some(list) = term.as_list() else {
                return Ok(term);
            };
            list.for_each(each);
            return Ok(list.tail());
        };
        let mut rest = rest;
        for _ in 0..u32::from_be_bytes([*a, *b, *c, *d]) {
            let (element, after) = Self::take(rest)?;
            each(element);
            rest = after;
        }
        Self::parse(rest)
    }

    /// The term at the start of bytes that were checked before, and the bytes after it.
    pub(crate) fn first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let len = scan::checked_len(bytes).ok()?;
        bytes
            .split_at_checked(len)
            .map(|(term, rest)| (Term(term), rest))
    }

    /// Bytes that were checked before.
    pub(crate) fn checked(bytes: &'a [u8]) -> Self {
        Term(bytes)
    }

    /// Refuses a term in which some map holds a key twice. A BEAM node's terms never do, but it
    /// drops the connection on which such a term arrives: to be asked before bytes that a peer
    /// sent are kept for others.
    ///
    /// # Errors
    /// [`Error::Malformed`] `map key`; or `depth`, if maps, or terms in a key, are nested more
    /// than 10,000 deep.
    pub fn check_keys(self) -> Result<(), Error> {
        keys::check(self.0)
    }

    /// `erlang:phash2/1` of the term: a number below 2^27 that is the same on every node.
    pub fn phash2(self) -> u32 {
        phash2::phash2(self.0)
    }

    /// The one spelling that all terms equal to this one have: `A =:= B` on a BEAM node exactly
    /// when their canonical bytes are the same. As on nodes before OTP 27, -0.0 is 0.0. `None` if
    /// it has more than `limit` bytes, which is found out without writing more than that.
    pub fn canonical(self, limit: usize) -> Option<Cow<'a, [u8]>> {
        canonical::canonical(self, limit)
    }

    /// The bytes as they came.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    fn tag(self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    fn from(self, at: usize) -> &'a [u8] {
        self.0.get(at..).unwrap_or_default()
    }

    fn uint(self, at: usize, width: usize) -> u64 {
        let bytes = self.0.get(at..at + width).unwrap_or_default();
        bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
    }

    /// What sort of term it is.
    pub fn kind(self) -> Kind {
        match self.tag() {
            tag::SMALL_INTEGER | tag::INTEGER | tag::SMALL_BIG | tag::LARGE_BIG => Kind::Integer,
            tag::NEW_FLOAT | tag::FLOAT => Kind::Float,
            tag::SMALL_TUPLE | tag::LARGE_TUPLE => Kind::Tuple,
            tag::NIL | tag::STRING | tag::LIST => Kind::List,
            tag::BINARY => Kind::Binary,
            tag::BIT_BINARY => Kind::BitString,
            tag::MAP => Kind::Map,
            tag::PID | tag::NEW_PID => Kind::Pid,
            tag::PORT | tag::NEW_PORT | tag::V4_PORT => Kind::Port,
            tag::REFERENCE | tag::NEW_REFERENCE | tag::NEWER_REFERENCE => Kind::Reference,
            tag::NEW_FUN | tag::EXPORT => Kind::Fun,
            _ => Kind::Atom,
        }
    }

    /// The atom, if it is one.
    pub fn as_atom(self) -> Option<Atom<'a>> {
        let (skip, latin1) = match self.tag() {
            tag::SMALL_ATOM_UTF8 => (2, false),
            tag::ATOM_UTF8 => (3, false),
            tag::SMALL_ATOM => (2, true),
            tag::ATOM => (3, true),
            _ => return None,
        };
        Some(Atom {
            name: self.from(skip),
            latin1,
        })
    }

    /// Whether it is the atom `name`.
    pub fn is_atom(self, name: &str) -> bool {
        self.as_atom().is_some_and(|atom| atom.is(name))
    }

    /// The bytes of a binary, if it is one.
    pub fn as_binary(self) -> Option<&'a [u8]> {
        (self.tag() == tag::BINARY).then(|| self.from(5))
    }

    /// The integer, if it is one between -2^63 and 2^63 - 1.
    pub fn as_i64(self) -> Option<i64> {
        match self.tag() {
            tag::SMALL_INTEGER => Some(self.uint(1, 1) as i64),
            tag::INTEGER => Some(i64::from(self.uint(1, 4) as u32 as i32)),
            tag::SMALL_BIG | tag::LARGE_BIG => {
                let (negative, magnitude) = self.magnitude();
                big_i64(negative, magnitude)
            }
            _ => None,
        }
    }

    /// The integer, if it is one between 0 and 2^63 - 1.
    pub fn as_u64(self) -> Option<u64> {
        self.as_i64().and_then(|n| u64::try_from(n).ok())
    }

    /// Of an integer in one of the two big formats: whether it is negative, and the little-endian
    /// bytes of its magnitude, of which the last is not zero. Of any other term: no bytes.
    pub fn magnitude(self) -> (bool, &'a [u8]) {
        let skip = match self.tag() {
            tag::SMALL_BIG => 2,
            tag::LARGE_BIG => 5,
            _ => return (false, &[]),
        };
        (self.uint(skip, 1) != 0, significant(self.from(skip + 1)))
    }

    /// The float, if it is one.
    pub fn as_f64(self) -> Option<f64> {
        match self.tag() {
            tag::NEW_FLOAT => Some(f64::from_bits(self.uint(1, 8))),
            tag::FLOAT => float::parse_text(self.from(1)),
            _ => None,
        }
    }

    /// The elements of a tuple, if it is one.
    pub fn as_tuple(self) -> Option<Tuple<'a>> {
        match self.tag() {
            tag::SMALL_TUPLE => Some(Tuple {
                left: self.uint(1, 1) as usize,
                rest: self.from(2),
            }),
            tag::LARGE_TUPLE => Some(Tuple {
                left: self.uint(1, 4) as usize,
                rest: self.from(5),
            }),
            _ => None,
        }
    }

    /// The elements of a tuple of exactly `N`, if it is one.
    pub fn as_array<const N: usize>(self) -> Option<[Term<'a>; N]> {
        let mut elements = self.as_tuple().filter(|tuple| tuple.len() == N)?;
        let mut array = [Term(&[]); N];
        for slot in &mut array {
            *slot = elements.next()?;
        }
        Some(array)
    }

    /// The elements of a list, proper or not, if it is one. A list of small integers that came as
    /// a string is a list like any other.
    pub fn as_list(self) -> Option<List<'a>> {
        match self.tag() {
            tag::NIL => Some(List {
                left: 0,
                string: false,
                rest: self.0,
            }),
            tag::STRING => Some(List {
                left: self.uint(1, 2) as usize,
                string: true,
                rest: self.from(3),
            }),
            tag::LIST => Some(List {
                left: self.uint(1, 4) as usize,
                string: false,
                rest: self.from(5),
            }),
            _ => None,
        }
    }

    /// The elements of a list that ends in `[]`, if it is one.
    pub fn as_proper_list(self) -> Option<List<'a>> {
        self.as_list().filter(|list| list.is_proper())
    }

    /// The pairs of a map, if it is one, in the order in which they came.
    pub fn as_map(self) -> Option<Map<'a>> {
        (self.tag() == tag::MAP).then(|| Map {
            left: self.uint(1, 4) as usize,
            rest: self.from(5),
        })
    }

    /// The process identifier, if it is one.
    pub fn as_pid(self) -> Option<Pid> {
        Pid::from_term(self)
    }

    /// The reference, if it is one.
    pub fn as_reference(self) -> Option<Reference> {
        Reference::from_term(self)
    }
}

/// A magnitude without the zero bytes at its end.
fn significant(magnitude: &[u8]) -> &[u8] {
    let last = magnitude.iter().rposition(|b| *b != 0);
    magnitude
        .get(..last.map_or(0, |last| last + 1))
        .unwrap_or_default()
}

/// The integer of this sign and these significant bytes, if it fits.
fn big_i64(negative: bool, magnitude: &[u8]) -> Option<i64> {
    let digits = Some(magnitude).filter(|d| d.len() <= 8)?;
    let n = digits
        .iter()
        .rev()
        .fold(0u64, |n, b| n << 8 | u64::from(*b));
    let n = i128::from(n);
    i64::try_from(if negative { -n } else { n }).ok()
}

impl std::fmt::Debug for Term<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}({} bytes)", self.kind(), self.0.len())
    }
}
