//! Finding the end of a term, and checking on the way that a BEAM node would accept it.
//!
//! One loop with a counter of terms still to come: no recursion, no allocation, so neither deep
//! nesting nor a lying length costs more than the bytes that are really there.

use crate::{Error, tag};

/// Length in bytes of the term at the start of `bytes`, which has no version byte.
///
/// # Errors
/// [`Error`] if no well-formed term is there. Bytes after the term are not looked at.
pub fn term_len(bytes: &[u8]) -> Result<usize, Error> {
    let mut cursor = Cursor { bytes, at: 0 };
    // Terms that must still be read before the outermost one is complete. Every pending term needs
    // at least one byte, so a counter above what is left is refused at once.
    let mut pending: u64 = 1;
    while pending > 0 {
        if pending > (bytes.len() - cursor.at) as u64 {
            return Err(Error::Truncated { at: bytes.len() });
        }
        pending = pending - 1 + cursor.head()?;
    }
    Ok(cursor.at)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Passes over one term's own bytes and says how many terms it contains.
    fn head(&mut self) -> Result<u64, Error> {
        let at = self.at;
        let tag = self.u8()?;
        match tag {
            tag::SMALL_INTEGER => self.pass(1),
            tag::INTEGER => self.pass(4),
            tag::NEW_FLOAT => self.float(at),
            tag::FLOAT => self.old_float(at),
            tag::SMALL_ATOM_UTF8 => self.utf8_atom(at, 1),
            tag::ATOM_UTF8 => self.utf8_atom(at, 2),
            tag::SMALL_ATOM => self.latin1_atom(at, 1),
            tag::ATOM => self.latin1_atom(at, 2),
            tag::BINARY => self.sized(4),
            tag::BIT_BINARY => self.bit_binary(at),
            tag::STRING => self.sized(2),
            tag::NIL => Ok(0),
            tag::LIST => Ok(self.count(4)? + 1),
            tag::SMALL_TUPLE => self.count(1),
            tag::LARGE_TUPLE => self.count(4),
            tag::MAP => Ok(self.count(4)? * 2),
            tag::SMALL_BIG => self.big(1),
            tag::LARGE_BIG => self.big(4),
            tag::NEW_PID => self.node_then(at, 12),
            tag::PID | tag::PORT => self.node_then(at, if tag == tag::PID { 9 } else { 5 }),
            tag::NEW_PORT => self.node_then(at, 8),
            tag::V4_PORT => self.node_then(at, 12),
            tag::REFERENCE => self.node_then(at, 5),
            tag::NEW_REFERENCE => self.reference(at, 1),
            tag::NEWER_REFERENCE => self.reference(at, 4),
            tag::NEW_FUN => self.fun(at),
            tag::EXPORT => Ok(3),
            _ => Err(Error::Tag { tag, at }),
        }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Error> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..n).ok_or(Error::Truncated { at: self.bytes.len() })?;
        self.at += n;
        Ok(taken)
    }

    fn pass(&mut self, n: usize) -> Result<u64, Error> {
        self.take(n).map(|_| 0)
    }

    fn u8(&mut self) -> Result<u8, Error> {
        self.count(1).map(|n| n as u8)
    }

    /// A big-endian unsigned number of `width` bytes.
    fn count(&mut self, width: usize) -> Result<u64, Error> {
        Ok(self.take(width)?.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn sized(&mut self, width: usize) -> Result<u64, Error> {
        let n = self.count(width)?;
        self.pass(n as usize)
    }

    fn utf8_atom(&mut self, at: usize, width: usize) -> Result<u64, Error> {
        let n = self.count(width)?;
        let name = self.take(n as usize)?;
        match std::str::from_utf8(name) {
            // An atom has at most 255 characters, of up to four bytes each.
            Ok(name) if name.len() <= 255 || name.chars().count() <= 255 => Ok(0),
            _ => Err(Error::Malformed { what: "atom", at }),
        }
    }

    fn latin1_atom(&mut self, at: usize, width: usize) -> Result<u64, Error> {
        match self.count(width)? {
            n @ ..=255 => self.pass(n as usize),
            _ => Err(Error::Malformed { what: "atom", at }),
        }
    }

    /// A float that is not finite is refused by `binary_to_term`, so it is refused here.
    fn float(&mut self, at: usize) -> Result<u64, Error> {
        let bits = self.count(8)?;
        match f64::from_bits(bits).is_finite() {
            true => Ok(0),
            false => Err(Error::Malformed { what: "float", at }),
        }
    }

    fn old_float(&mut self, at: usize) -> Result<u64, Error> {
        let text = self.take(31)?;
        let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
        let number = text.get(..end).and_then(|t| std::str::from_utf8(t).ok());
        match number.and_then(|t| t.trim().parse::<f64>().ok()) {
            Some(f) if f.is_finite() => Ok(0),
            _ => Err(Error::Malformed { what: "float", at }),
        }
    }

    fn bit_binary(&mut self, at: usize) -> Result<u64, Error> {
        let n = self.count(4)?;
        let bits = self.u8()?;
        if !(1..=8).contains(&bits) || n == 0 {
            return Err(Error::Malformed { what: "bit string", at });
        }
        self.pass(n as usize)
    }

    fn big(&mut self, width: usize) -> Result<u64, Error> {
        let n = self.count(width)?;
        self.pass(1)?;
        self.pass(n as usize)
    }

    /// An atom (the node) and then `n` plain bytes.
    fn node_then(&mut self, at: usize, n: usize) -> Result<u64, Error> {
        self.atom(at)?;
        self.pass(n)
    }

    fn reference(&mut self, at: usize, creation: usize) -> Result<u64, Error> {
        let words = self.count(2)?;
        if !(1..=5).contains(&words) {
            return Err(Error::Malformed { what: "reference", at });
        }
        self.node_then(at, creation + 4 * words as usize)
    }

    fn atom(&mut self, at: usize) -> Result<u64, Error> {
        match self.u8()? {
            tag::SMALL_ATOM_UTF8 => self.utf8_atom(at, 1),
            tag::ATOM_UTF8 => self.utf8_atom(at, 2),
            tag::SMALL_ATOM => self.latin1_atom(at, 1),
            tag::ATOM => self.latin1_atom(at, 2),
            _ => Err(Error::Malformed { what: "node name", at }),
        }
    }

    /// NEW_FUN: its size field, then module, old index, old unique, pid and the free variables. The
    /// terms after the fixed part are counted like any others; the size must agree with them, which
    /// `binary_to_term` does not check, so neither does this.
    fn fun(&mut self, _at: usize) -> Result<u64, Error> {
        self.pass(4 + 1 + 16 + 4)?;
        let free = self.count(4)?;
        Ok(4 + free)
    }
}
