//! `erlang:phash2/1`: the hash that every BEAM release computes alike, so that names derived from
//! it on one node mean the same on another.
//!
//! The hash of a term is folded, word by word, by the mixing step of Bob Jenkins' 1996 hash
//! ("lookup2"); each sort of term has a multiple of the golden ratio of its own. Pairs of a map are
//! hashed apart from each other and joined by exclusive or, which makes their order indifferent.
//! Runs of bytes in a list count as words of four bytes.
//!
//! One pass and no recursion; memory grows with the nesting, by less than the bytes that it takes.

use crate::cursor::Cursor;
use crate::{Kind, Pid, Reference, Term, tag};

/// The golden ratio, times `n`: what sets the sorts of terms apart.
const fn golden(n: u32) -> u32 {
    0x9E37_79B9_u32.wrapping_mul(n)
}

/// What the empty list counts as at the very beginning, and later.
const NIL_FIRST: u32 = 3_468_870_702;
const NIL: u32 = 2;

/// A term that has begun and whose end has not been reached.
enum Open {
    /// Of a tuple or a fun, this many terms are still to come.
    Sequence(u64),
    List {
        /// Terms still to come; the last is the tail.
        left: u64,
        run: Run,
    },
    Map {
        /// Terms still to come: keys and values take turns.
        left: u64,
        /// The hash and the joined pairs of what is around the map.
        hash: u32,
        pairs: u32,
    },
}

/// Bytes of a list that have not been mixed in yet, at most three.
#[derive(Default)]
struct Run {
    count: u8,
    word: u32,
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    open: Vec<Open>,
    /// Of all that was read in the innermost pair, or since the start.
    hash: u32,
    /// The pairs of the innermost map, joined.
    pairs: u32,
}

/// The hash of one well-formed term, below 2^27.
pub(crate) fn phash2(bytes: &[u8]) -> u32 {
    let mut walk = Walk {
        cursor: Cursor::new(bytes),
        open: Vec::new(),
        hash: 0,
        pairs: 0,
    };
    loop {
        if walk.read() {
            walk.complete();
        }
        // Checked bytes end with the outermost term.
        if walk.open.is_empty() || walk.cursor.left() == 0 {
            return walk.hash & ((1 << 27) - 1);
        }
    }
}

impl<'a> Walk<'a> {
    /// Reads one head. Answers whether a term is complete with it.
    fn read(&mut self) -> bool {
        // `[|Tail]`, which is `Tail`, wherever it stands.
        while self.cursor.rest().starts_with(&[tag::LIST, 0, 0, 0, 0]) {
            if self.cursor.head::<false>().is_err() {
                return true;
            }
        }
        let (at, start) = (self.cursor.at(), self.cursor.rest());
        let Ok(terms) = self.cursor.head::<false>() else {
            return true;
        };
        let head = start.get(..self.cursor.at() - at).unwrap_or_default();
        match self.open.last_mut() {
            None => {}
            Some(Open::Sequence(left) | Open::Map { left, .. }) => *left -= 1,
            Some(Open::List { left, run }) => {
                *left -= 1;
                match (*left == 0, head) {
                    // A list as the tail of a list: more elements of the same list.
                    (true, [tag::LIST, ..]) => {
                        *left = terms;
                        return false;
                    }
                    (true, [tag::STRING, _, _, bytes @ ..]) => {
                        bytes
                            .iter()
                            .for_each(|byte| run.push(*byte, &mut self.hash));
                        run.flush(&mut self.hash);
                        nil(&mut self.hash);
                        return true;
                    }
                    (false, _) => {
                        if let Some(byte) = byte(head) {
                            run.push(byte, &mut self.hash);
                            return true;
                        }
                    }
                    _ => {}
                }
                run.flush(&mut self.hash);
            }
        }
        self.term(head, terms)
    }

    /// Mixes in a term, or the head of one that contains others, which is then open.
    fn term(&mut self, head: &'a [u8], terms: u64) -> bool {
        let Some(open) = (match head.first() {
            Some(&tag::LIST) => Some(Open::List {
                left: terms,
                run: Run::default(),
            }),
            Some(&tag::SMALL_TUPLE | &tag::LARGE_TUPLE) => {
                mix1(&mut self.hash, terms as u32, golden(9));
                (terms > 0).then_some(Open::Sequence(terms))
            }
            Some(&tag::MAP) => {
                mix1(&mut self.hash, (terms / 2) as u32, golden(16));
                (terms > 0).then(|| Open::Map {
                    left: terms,
                    hash: std::mem::take(&mut self.hash),
                    pairs: std::mem::take(&mut self.pairs),
                })
            }
            Some(&tag::NEW_FUN) => {
                fun(&mut self.hash, head, terms as u32);
                (terms > 0).then_some(Open::Sequence(terms))
            }
            _ => {
                scalar(&mut self.hash, Term::checked(head));
                None
            }
        }) else {
            return true;
        };
        self.open.push(open);
        false
    }

    /// A term has ended: and with it the pair that it closes, and all terms whose last it is.
    fn complete(&mut self) {
        while let Some(top) = self.open.last() {
            if let Open::Map { left, .. } = top
                && left % 2 == 0
            {
                self.pairs ^= std::mem::take(&mut self.hash);
            }
            match *top {
                Open::Sequence(0) | Open::List { left: 0, .. } => {}
                Open::Map {
                    left: 0,
                    hash,
                    pairs,
                } => {
                    self.hash = hash;
                    mix1(&mut self.hash, self.pairs, golden(19));
                    self.pairs = pairs;
                }
                _ => return,
            }
            self.open.pop();
        }
    }
}

impl Run {
    fn push(&mut self, byte: u8, hash: &mut u32) {
        self.word = self.word << 8 | u32::from(byte);
        self.count += 1;
        if self.count == 4 {
            self.flush(hash);
        }
    }

    fn flush(&mut self, hash: &mut u32) {
        if self.count > 0 {
            mix1(hash, self.word, golden(4));
        }
        *self = Run::default();
    }
}

/// The integer from 0 to 255 that `head` is, if it is one.
fn byte(head: &[u8]) -> Option<u8> {
    match head {
        [tag::SMALL_INTEGER, byte] => Some(*byte),
        [tag::INTEGER | tag::SMALL_BIG | tag::LARGE_BIG, ..] => Term::checked(head)
            .as_i64()
            .and_then(|n| u8::try_from(n).ok()),
        _ => None,
    }
}

/// Mixes in a term that contains no others.
fn scalar(hash: &mut u32, term: Term<'_>) {
    match term.kind() {
        Kind::Atom => match (*hash, atom(term)) {
            (0, atom) => *hash = atom,
            (_, atom) => mix1(hash, atom, golden(3)),
        },
        Kind::Integer => integer(hash, term),
        Kind::Float => {
            // Adding zero turns -0.0 into 0.0 and leaves all others.
            let bits = (term.as_f64().unwrap_or_default() + 0.0).to_bits();
            mix2(hash, (bits >> 32) as u32, bits as u32, golden(12));
        }
        Kind::Binary | Kind::BitString => bits(hash, term),
        Kind::List => {
            let mut run = Run::default();
            let string = term.as_bytes().get(3..).unwrap_or_default();
            string.iter().for_each(|byte| run.push(*byte, hash));
            run.flush(hash);
            nil(hash);
        }
        Kind::Pid => {
            let id = Pid::from_term(term).map_or(0, |pid| pid.id);
            mix1(hash, id, golden(5));
        }
        Kind::Port => {
            let number = port_number(term.as_bytes()).unwrap_or_default();
            mix2(hash, number as u32, (number >> 32) as u32, golden(6));
        }
        Kind::Reference => {
            let words = Reference::from_term(term).map(|reference| reference.words);
            let first = words.and_then(|words| words.first().copied());
            mix1(hash, first.unwrap_or_default(), golden(7));
        }
        Kind::Fun => export(hash, term.as_bytes()),
        Kind::Tuple | Kind::Map => {}
    }
}

fn nil(hash: &mut u32) {
    match *hash {
        0 => *hash = NIL_FIRST,
        _ => mix1(hash, NIL, golden(2)),
    }
}

/// P. J. Weinberger's hash over the characters below 256 and the UTF-8 bytes of the others.
fn atom(term: Term<'_>) -> u32 {
    let Some(atom) = term.as_atom() else { return 0 };
    let mut utf8 = [0; 4];
    let step = |hash: u32, value: u32| {
        let hash = (hash << 4).wrapping_add(value);
        let high = hash & 0xF000_0000;
        (hash ^ high >> 24) ^ high
    };
    atom.text()
        .chars()
        .fold(0, |hash, char| match u8::try_from(char) {
            Ok(latin1) => step(hash, u32::from(latin1)),
            Err(_) => {
                let bytes = char.encode_utf8(&mut utf8).bytes();
                bytes.fold(hash, |hash, byte| step(hash, u32::from(byte)))
            }
        })
}

/// Integers of 28 bits count as one word, twice if negative; greater ones as their magnitude.
fn integer(hash: &mut u32, term: Term<'_>) {
    match term.as_i64() {
        Some(n @ -0x800_0000..=0x7FF_FFFF) => {
            if n < 0 {
                mix1(hash, -n as u32, golden(1));
            }
            mix1(hash, n as u32, golden(1));
        }
        Some(n) => {
            let sort = if n < 0 { golden(10) } else { golden(11) };
            let magnitude = n.unsigned_abs();
            mix2(hash, magnitude as u32, (magnitude >> 32) as u32, sort);
        }
        None => {
            let (negative, magnitude) = term.magnitude();
            let sort = if negative { golden(10) } else { golden(11) };
            for digit in magnitude.chunks(8) {
                let digit = digit
                    .iter()
                    .rev()
                    .fold(0, |n, byte| n << 8 | u64::from(*byte));
                mix2(hash, digit as u32, (digit >> 32) as u32, sort);
            }
        }
    }
}

fn bits(hash: &mut u32, term: Term<'_>) {
    let (bytes, used) = match term.as_bytes() {
        [tag::BIT_BINARY, _, _, _, _, used, bytes @ ..] => (bytes, *used),
        [tag::BINARY, _, _, _, _, bytes @ ..] => (bytes, 8),
        _ => return,
    };
    let (whole, last) = match bytes.split_last() {
        Some((last, most)) if used < 8 => (most, Some(*last)),
        _ => (bytes, None),
    };
    let seed = golden(13).wrapping_add(*hash);
    *hash = match bytes {
        [] => seed,
        _ => block(whole, seed),
    };
    if let Some(last) = last {
        let last = last.checked_shr(8 - u32::from(used)).unwrap_or_default();
        mix2(hash, u32::from(used), u32::from(last), golden(15));
    }
}

/// Jenkins' hash of bytes: twelve at a time, and the rest beside the length.
fn block(bytes: &[u8], seed: u32) -> u32 {
    let word = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0, |n, byte| n << 8 | u32::from(*byte))
    };
    let (mut a, mut b, mut c) = (golden(1), golden(1), seed);
    let (blocks, rest) = bytes.as_chunks::<12>();
    for [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3] in blocks {
        a = a.wrapping_add(u32::from_le_bytes([*a0, *a1, *a2, *a3]));
        b = b.wrapping_add(u32::from_le_bytes([*b0, *b1, *b2, *b3]));
        c = c.wrapping_add(u32::from_le_bytes([*c0, *c1, *c2, *c3]));
        (a, b, c) = mix(a, b, c);
    }
    let (first, rest) = rest.split_at(rest.len().min(4));
    let (second, third) = rest.split_at(rest.len().min(4));
    a = a.wrapping_add(word(first));
    b = b.wrapping_add(word(second));
    // The lowest byte of the third word is the length's.
    c = c
        .wrapping_add(bytes.len() as u32)
        .wrapping_add(word(third) << 8);
    mix(a, b, c).2
}

fn port_number(bytes: &[u8]) -> Option<u64> {
    let (_node, numbers) = Term::first(bytes.get(1..)?)?;
    let width = match bytes.first()? {
        &tag::V4_PORT => 8,
        _ => 4,
    };
    let number = numbers.get(..width)?;
    Some(number.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}

/// A fun before its free variables, of which there are `free`.
fn fun(hash: &mut u32, head: &[u8], free: u32) {
    let Some((_tag_size_arity_uniq, [i, j, k, l, _, _, _, _, rest @ ..])) =
        head.split_at_checked(1 + 4 + 1 + 16)
    else {
        return;
    };
    let index = u32::from_be_bytes([*i, *j, *k, *l]);
    let fields = Term::first(rest).and_then(|(module, rest)| {
        let (_old_index, rest) = Term::first(rest)?;
        let (old_uniq, _pid) = Term::first(rest)?;
        Some((atom(module), old_uniq.as_i64()? as u32))
    });
    let (module, old_uniq) = fields.unwrap_or_default();
    mix2(hash, free, module, golden(1));
    mix2(hash, index, old_uniq, golden(1));
}

fn export(hash: &mut u32, bytes: &[u8]) {
    let fields = bytes.get(1..).and_then(|bytes| {
        let (module, rest) = Term::first(bytes)?;
        let (function, arity) = Term::first(rest)?;
        Some((atom(module), atom(function), u32::from(*arity.get(1)?)))
    });
    let (module, function, arity) = fields.unwrap_or_default();
    mix2(hash, arity, module, golden(1));
    mix1(hash, function, golden(14));
}

fn mix1(hash: &mut u32, word: u32, sort: u32) {
    mix2(hash, word, 0, sort);
}

fn mix2(hash: &mut u32, first: u32, second: u32, sort: u32) {
    (_, _, *hash) = mix(first.wrapping_add(sort), second.wrapping_add(sort), *hash);
}

/// Jenkins' mixing step: nine rounds, each of which changes one word by the two others.
fn mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    for (right, left, right_again) in [(13, 8, 13), (12, 16, 5), (3, 10, 15)] {
        a = a.wrapping_sub(b).wrapping_sub(c) ^ c >> right;
        b = b.wrapping_sub(c).wrapping_sub(a) ^ a << left;
        c = c.wrapping_sub(a).wrapping_sub(b) ^ b >> right_again;
    }
    (a, b, c)
}
