//! Reading one term's own bytes, without the terms inside it.

use crate::{Error, float, tag};

/// Most bytes of an integer's magnitude: OTP 25 takes eight times as much, newer releases
/// no more than 4 Mbit.
const BIG_MAX: u64 = 65_535 * 8;

/// Most elements of a tuple: the emulator's `MAX_ARITYVAL`.
const TUPLE_MAX: u64 = (1 << 24) - 1;

/// Most free variables of a fun.
const FREE_MAX: u64 = 255;

/// A place in bytes that hold terms.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor {
            rest: bytes,
            len: bytes.len(),
        }
    }

    /// Offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    /// Bytes not yet read.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Bytes not yet read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Passes over one term's own bytes and says how many terms it contains. Without `CHECK` the
    /// fields are taken as they are, for bytes that were checked before.
    #[inline(always)]
    pub(crate) fn head<const CHECK: bool>(&mut self) -> Result<u64, Error> {
        let at = self.at();
        let tag = self.u8()?;
        match tag {
            tag::SMALL_INTEGER => self.pass(1),
            tag::INTEGER => self.pass(4),
            tag::SMALL_ATOM_UTF8 => self.u8_sized().and_then(|name| utf8::<CHECK>(name, at)),
            tag::BINARY => self.u32_sized().map(|_| 0),
            tag::NIL => Ok(0),
            tag::LIST => Ok(self.u32()? + 1),
            tag::SMALL_TUPLE => self.u8().map(u64::from),
            tag::MAP => Ok(self.u32()? * 2),
            tag::NEW_FLOAT => {
                let finite = f64::from_bits(u64::from_be_bytes(self.array()?)).is_finite();
                check::<CHECK>(finite, "float", at)
            }
            tag::STRING => self.u16_sized().map(|_| 0),
            tag::ATOM_UTF8 => self.u16_sized().and_then(|name| utf8::<CHECK>(name, at)),
            tag::SMALL_ATOM => self.u8_sized().map(|_| 0),
            tag::ATOM => check::<CHECK>(self.u16_sized()?.len() <= 255, "atom", at),
            tag::SMALL_BIG => {
                let bytes = self.u8()?;
                self.pass(1 + usize::from(bytes))
            }
            tag::LARGE_TUPLE => {
                let arity = self.u32()?;
                check::<CHECK>(arity <= TUPLE_MAX, "tuple", at)?;
                Ok(arity)
            }
            _ => self.rare_head::<CHECK>(tag, at),
        }
    }

    /// As [`Cursor::head`], for the few terms that are fields of others, never deeper than one.
    #[inline(never)]
    fn inner_head<const CHECK: bool>(&mut self) -> Result<u64, Error> {
        self.head::<CHECK>()
    }

    /// As [`Cursor::head`], for the tags that are seldom met.
    #[inline(never)]
    fn rare_head<const CHECK: bool>(&mut self, tag: u8, at: usize) -> Result<u64, Error> {
        match tag {
            tag::FLOAT => {
                let text: [u8; 31] = self.array()?;
                check::<CHECK>(float::parse_text(&text).is_some(), "float", at)
            }
            tag::BIT_BINARY => {
                let (bytes, bits) = (self.u32()?, self.u8()?);
                // No bits of no byte is the empty binary; otherwise one to eight of the last byte.
                let possible = if bytes == 0 {
                    bits == 0
                } else {
                    (1..=8).contains(&bits)
                };
                check::<CHECK>(possible, "bit string", at)?;
                self.pass(bytes as usize)
            }
            tag::LARGE_BIG => {
                let bytes = self.u32()?;
                check::<CHECK>(bytes <= BIG_MAX, "integer", at)?;
                self.pass(1 + bytes as usize)
            }
            tag::NEW_PID | tag::V4_PORT => self.identifier(12, false, at),
            tag::NEW_PORT => self.identifier(8, false, at),
            tag::PID => self.identifier(9, true, at),
            tag::PORT => self.identifier(5, true, at),
            tag::REFERENCE => {
                let start = self.node(at)?;
                let [a, b, c, d, creation] = start.array()?;
                old_reference(u32::from_be_bytes([a, b, c, d]), creation, at)
            }
            tag::NEW_REFERENCE | tag::NEWER_REFERENCE => self.reference(tag, at),
            tag::NEW_FUN => self.fun::<CHECK>(at),
            tag::EXPORT => {
                self.atom("exported fun", at)?;
                self.atom("exported fun", at)?;
                let [tag, _arity] = self.array()?;
                check::<CHECK>(tag == tag::SMALL_INTEGER, "exported fun", at)
            }
            _ => Err(Error::Tag { tag, at }),
        }
    }

    #[inline]
    fn take(&mut self, n: usize) -> Result<&'a [u8], Error> {
        match self.rest.split_at_checked(n) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Error::Truncated { at: self.len }),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        match self.rest.split_first_chunk::<N>() {
            Some((array, rest)) => {
                self.rest = rest;
                Ok(*array)
            }
            None => Err(Error::Truncated { at: self.len }),
        }
    }

    #[inline]
    fn pass(&mut self, n: usize) -> Result<u64, Error> {
        self.take(n).map(|_| 0)
    }

    #[inline]
    fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    #[inline]
    fn u32(&mut self) -> Result<u64, Error> {
        self.array()
            .map(|bytes| u64::from(u32::from_be_bytes(bytes)))
    }

    #[inline]
    fn u8_sized(&mut self) -> Result<&'a [u8], Error> {
        let n = self.u8()?;
        self.take(usize::from(n))
    }

    #[inline]
    fn u16_sized(&mut self) -> Result<&'a [u8], Error> {
        let n = self.array().map(u16::from_be_bytes)?;
        self.take(usize::from(n))
    }

    #[inline]
    fn u32_sized(&mut self) -> Result<&'a [u8], Error> {
        let n = self.u32()?;
        self.take(n as usize)
    }

    /// The node of an identifier; hands the cursor on.
    fn node(&mut self, at: usize) -> Result<&mut Self, Error> {
        self.atom("node name", at)?;
        Ok(self)
    }

    /// A node and `n` bytes, the last of which is the `creation` if that is `small`.
    fn identifier(&mut self, n: usize, small: bool, at: usize) -> Result<u64, Error> {
        let creation = self.node(at)?.take(n)?.last();
        check::<true>(!small || creation.is_some_and(|c| *c <= 3), "creation", at)
    }

    fn reference(&mut self, tag: u8, at: usize) -> Result<u64, Error> {
        let words = self.array().map(u16::from_be_bytes)?;
        check::<true>((1..=5).contains(&words), "reference", at)?;
        let more = 4 * (usize::from(words) - 1);
        let start = self.node(at)?;
        if tag == tag::NEWER_REFERENCE {
            return start.pass(4 + 4 + more);
        }
        let creation = start.u8()?;
        let word = start.array().map(u32::from_be_bytes)?;
        start.pass(more)?;
        old_reference(word, creation, at)
    }

    fn atom(&mut self, what: &'static str, at: usize) -> Result<u64, Error> {
        match self.rest.first() {
            Some(&(tag::SMALL_ATOM_UTF8 | tag::ATOM_UTF8 | tag::SMALL_ATOM | tag::ATOM)) => {
                self.inner_head::<true>()
            }
            Some(_) => Err(Error::Malformed { what, at }),
            None => Err(Error::Truncated { at: self.len }),
        }
    }

    /// The size field is not looked at, as `binary_to_term` does not: the fun ends where its free
    /// variables end.
    fn fun<const CHECK: bool>(&mut self, at: usize) -> Result<u64, Error> {
        self.pass(4 + 1 + 16 + 4)?;
        let free = self.u32()?;
        check::<CHECK>(free <= FREE_MAX, "fun", at)?;
        self.atom("fun", at)?;
        for allowed in [
            [tag::SMALL_INTEGER, tag::INTEGER],
            [tag::SMALL_INTEGER, tag::INTEGER],
            [tag::PID, tag::NEW_PID],
        ] {
            let tag = self.rest.first().ok_or(Error::Truncated { at: self.len })?;
            check::<CHECK>(allowed.contains(tag), "fun", at)?;
            self.inner_head::<CHECK>()?;
        }
        Ok(free)
    }
}

#[inline]
fn check<const CHECK: bool>(good: bool, what: &'static str, at: usize) -> Result<u64, Error> {
    if CHECK && !good {
        Err(Error::Malformed { what, at })
    } else {
        Ok(0)
    }
}

/// An atom has at most 255 characters, of up to four bytes each.
#[inline]
fn utf8<const CHECK: bool>(name: &[u8], at: usize) -> Result<u64, Error> {
    if !CHECK || (name.len() <= 255 && name.is_ascii()) {
        return Ok(0);
    }
    let text = std::str::from_utf8(name);
    check::<true>(
        text.is_ok_and(|name| name.chars().count() <= 255),
        "atom",
        at,
    )
}

/// References of the old formats have 18 bits in their first word, and two bits of creation.
fn old_reference(word: u32, creation: u8, at: usize) -> Result<u64, Error> {
    check::<true>(word < 1 << 18 && creation <= 3, "reference", at)
}
