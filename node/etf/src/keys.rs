//! Whether some map holds a key twice, which makes a BEAM node refuse the whole term.
//!
//! A node compares keys as terms, not as bytes: an integer, an atom, a list and an identifier have
//! several spellings each. So every key gets a digest that is equal for equal terms, and a map is
//! refused if two of its keys have the same. Different keys share a digest with a probability of
//! n² / 2^65 in a map of n keys.
//!
//! One pass and no recursion. Only what is inside a key is digested; the rest is passed over with
//! a counter. 0.0 and -0.0 count as one key: before OTP 27 they are.

use crate::cursor::Cursor;
use crate::digest::{self, mix};
use crate::{Error, Term, tag};

/// Most levels of maps of two keys or more around a value, and of any terms inside a key.
const MAX_DEPTH: usize = 10_000;

/// Room for the keys of so many closed maps is used again, if it is for no more than so many keys.
const MAX_SPARE: usize = 16;

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// Maps: keys and values take turns, a key comes when an even number of terms is left.
    Map,
    /// Lists: the last of the terms left is the tail.
    List,
    Other,
}

/// A term that has begun and whose end has not been reached.
struct Open {
    shape: Shape,
    /// It is in a key: all that it contains is digested.
    in_key: bool,
    /// Terms directly in it that are still to come.
    left: u64,
    /// Terms still to come of the value that is being passed over.
    inside: u64,
    /// Offset of the term.
    at: usize,
    /// Digests of a map's keys; room for all of them from the begin.
    keys: Vec<u64>,
    digest: u64,
}

/// Refuses `bytes`, one well-formed term, if a map in it holds a key twice.
///
/// # Errors
/// [`Error::Malformed`] `map key`, or `depth` if maps or keys are nested more than 10,000 deep.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Error> {
    let mut walk = Walk {
        cursor: Cursor::new(bytes),
        open: Vec::new(),
        spare: Vec::new(),
    };
    walk.skip(1)?;
    while let Some(top) = walk.open.last() {
        match top.left == 0 && top.inside == 0 {
            true => walk.close()?,
            false => walk.next()?,
        }
    }
    Ok(())
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    open: Vec<Open>,
    /// Empty, for the keys of the next maps.
    spare: Vec<Vec<u64>>,
}

impl<'a> Walk<'a> {
    /// Passes over terms that are not in a key, up to and with the next head of a map that can
    /// hold a key twice; `inside` terms are to come when there is no such map yet.
    fn skip(&mut self, mut inside: u64) -> Result<(), Error> {
        while inside > 0 {
            let at = self.cursor.at();
            let map = self.cursor.rest().first() == Some(&tag::MAP);
            let terms = self.cursor.head::<false>()?;
            inside -= 1;
            if map && terms >= 4 {
                if let Some(top) = self.open.last_mut() {
                    top.inside = inside;
                } else if inside > 0 {
                    // Not in any map yet: a frame that only remembers what is left to pass over.
                    self.push(Shape::Other, false, 0, inside, at)?;
                }
                return self.push(Shape::Map, false, terms, 0, at);
            }
            inside += terms;
        }
        if let Some(top) = self.open.last_mut() {
            top.inside = 0;
        }
        Ok(())
    }

    fn push(
        &mut self,
        shape: Shape,
        in_key: bool,
        left: u64,
        inside: u64,
        at: usize,
    ) -> Result<(), Error> {
        let depth = self.open.len();
        if depth >= MAX_DEPTH {
            return Err(Error::Malformed { what: "depth", at });
        }
        if depth == self.open.capacity() {
            self.open
                .reserve_exact((3 * depth).clamp(16, MAX_DEPTH - depth));
        }
        let keys = match shape {
            Shape::Map => self.room(left as usize / 2),
            Shape::List | Shape::Other => Vec::new(),
        };
        let digest = 0;
        self.open.push(Open {
            shape,
            in_key,
            left,
            inside,
            at,
            keys,
            digest,
        });
        Ok(())
    }

    /// Room for `count` keys, all of which are there: each pair of a map has at least two bytes, so
    /// its keys take at most four times as much memory as the map.
    fn room(&mut self, count: usize) -> Vec<u64> {
        let spare = self.spare.pop().unwrap_or_default();
        match spare.capacity() >= count {
            true => spare,
            false => Vec::with_capacity(count),
        }
    }

    /// Goes on with the innermost open term.
    fn next(&mut self) -> Result<(), Error> {
        let Some(top) = self.open.last_mut() else {
            return Ok(());
        };
        if top.inside > 0 {
            let inside = top.inside;
            return self.skip(inside);
        }
        top.left -= 1;
        match top.shape == Shape::Map && !top.in_key && top.left % 2 == 0 {
            true => self.skip(1),
            false => self.digest(),
        }
    }

    /// Reads the next term, which is a key or in one.
    fn digest(&mut self) -> Result<(), Error> {
        let (at, start) = (self.cursor.at(), self.cursor.rest());
        let terms = self.cursor.head::<false>()?;
        let head = start.get(..self.cursor.at() - at).unwrap_or_default();
        let tag = head.first().copied().unwrap_or_default();
        let tail = self
            .open
            .last_mut()
            .filter(|top| top.shape == Shape::List && top.left == 0);
        match (tag, tail) {
            // A list as the tail of a list: more elements of the same list.
            (tag::LIST, Some(list)) => list.left = terms,
            (tag::NIL, Some(_)) => {}
            (tag::STRING, Some(list)) => list.digest = digest::string(list.digest, head),
            _ if terms == 0 => self.deliver(digest::scalar(Term::checked(head))),
            _ => {
                let (shape, seed) = match tag {
                    tag::MAP => (Shape::Map, digest::MAP),
                    tag::LIST => (Shape::List, digest::NIL),
                    tag::NEW_FUN => (Shape::Other, digest::fun(head)),
                    _ => (Shape::Other, digest::tuple(terms)),
                };
                self.push(shape, true, terms, 0, at)?;
                if let Some(top) = self.open.last_mut() {
                    top.digest = seed;
                }
            }
        }
        Ok(())
    }

    /// Adds a complete term of that digest to the one that it is in.
    fn deliver(&mut self, digest: u64) {
        let Some(top) = self.open.last_mut() else {
            return;
        };
        match top.shape {
            Shape::Map if top.left % 2 == 1 => top.keys.push(digest),
            Shape::Map => {
                // In whatever order the pairs come, their sum is the same.
                let key = top.keys.last().copied().unwrap_or_default();
                top.digest = top.digest.wrapping_add(mix(mix(digest::MAP, key), digest));
            }
            // `[|Tail]`, which is `Tail`.
            Shape::List if top.left == 0 && top.digest == digest::NIL => top.digest = digest,
            Shape::List if top.left == 0 => top.digest = mix(top.digest ^ digest::TAIL, digest),
            Shape::List | Shape::Other => top.digest = mix(top.digest, digest),
        }
    }

    /// Ends the innermost open term.
    fn close(&mut self) -> Result<(), Error> {
        let Some(mut done) = self.open.pop() else {
            return Ok(());
        };
        if done.shape == Shape::Map {
            done.keys.sort_unstable();
            if done.keys.windows(2).any(|pair| pair.first() == pair.last()) {
                return Err(Error::Malformed {
                    what: "map key",
                    at: done.at,
                });
            }
            if done.keys.capacity() <= MAX_SPARE && self.spare.len() < MAX_SPARE {
                done.keys.clear();
                self.spare.push(done.keys);
            }
        }
        if done.in_key {
            self.deliver(done.digest);
        }
        Ok(())
    }
}
