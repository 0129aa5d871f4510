//! Digests that are equal for terms that a BEAM node holds equal, however they are spelled.

use crate::{Kind, Pid, Reference, Term, tag};

/// Digest of the empty list, and of a list before its first element.
pub(crate) const NIL: u64 = seed(1);
/// Digest of a map before its first pair.
pub(crate) const MAP: u64 = seed(2);
/// Sets a list's tail apart from its elements.
pub(crate) const TAIL: u64 = seed(3);
const INTEGER: u64 = seed(4);
const BIG: u64 = seed(5);
const FLOAT: u64 = seed(6);
const ATOM: u64 = seed(7);
const BITS: u64 = seed(8);
const PID: u64 = seed(9);
const PORT: u64 = seed(10);
const REFERENCE: u64 = seed(11);
const FUN: u64 = seed(12);
const EXPORT: u64 = seed(13);
const TUPLE: u64 = seed(14);

/// Different odd-looking numbers for different sorts of terms: multiples of 2^64 over the golden
/// ratio.
const fn seed(n: u64) -> u64 {
    0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(n)
}

/// Folds `word` into `digest`: a product of 128 bits, its high half laid over its low half.
#[inline]
pub(crate) fn mix(digest: u64, word: u64) -> u64 {
    let product = u128::from(digest.rotate_left(23) ^ word) * u128::from(0xA076_1D64_78BD_642F_u64);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline]
fn bytes(digest: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let digest = words.iter().fold(digest, |digest, word| {
        mix(digest, u64::from_le_bytes(*word))
    });
    let last = rest
        .iter()
        .rev()
        .fold(0, |n, byte| n << 8 | u64::from(*byte));
    mix(mix(digest, last), bytes.len() as u64)
}

/// The digest of a term that contains no others.
pub(crate) fn scalar(term: Term<'_>) -> u64 {
    let head = term.as_bytes();
    // Nearly all keys are one of these two.
    match head {
        [tag::SMALL_ATOM_UTF8, _, name @ ..] => return bytes(ATOM, name),
        [tag::BINARY, _, _, _, _, content @ ..] => return bytes(BITS, content),
        _ => {}
    }
    match term.kind() {
        Kind::Atom => atom(ATOM, term),
        Kind::Binary => BITS,
        Kind::BitString => match head {
            [_, _, _, _, _, used, content @ ..] => bits(content, *used),
            _ => BITS,
        },
        Kind::Integer => integer(term),
        // Adding zero turns -0.0 into 0.0 and leaves all others.
        Kind::Float => mix(FLOAT, (term.as_f64().unwrap_or_default() + 0.0).to_bits()),
        Kind::List => string(NIL, head),
        Kind::Map => MAP,
        Kind::Tuple => tuple(0),
        Kind::Pid => Pid::from_term(term).map_or(PID, |pid| {
            let digest = mix(bytes(PID, pid.node.as_bytes()), u64::from(pid.creation));
            mix(mix(digest, u64::from(pid.id)), u64::from(pid.serial))
        }),
        Kind::Reference => Reference::from_term(term).map_or(REFERENCE, |reference| {
            let digest = bytes(REFERENCE, reference.node.as_bytes());
            let digest = mix(digest, u64::from(reference.creation));
            // Words that are missing are zero.
            let words = reference.words.iter().rev().skip_while(|word| **word == 0);
            words.fold(digest, |digest, word| mix(digest, u64::from(*word)))
        }),
        Kind::Port => port(head),
        Kind::Fun => match head.first() {
            Some(&tag::NEW_FUN) => fun(head),
            _ => export(head),
        },
    }
}

/// The digest of a tuple before its first element.
pub(crate) fn tuple(arity: u64) -> u64 {
    mix(TUPLE, arity)
}

/// Folds the elements of a string, the bytes after its head of three, into a list's digest.
pub(crate) fn string(digest: u64, string: &[u8]) -> u64 {
    let elements = string.get(3..).unwrap_or_default();
    elements.iter().fold(digest, |digest, byte| {
        mix(digest, mix(INTEGER, u64::from(*byte)))
    })
}

/// The digest of a fun before its free variables. Two funs are equal if module, index, free
/// variables, and depending on the release one or the other checksum are: checksums are left out.
pub(crate) fn fun(head: &[u8]) -> u64 {
    let Some((_tag_size_arity_uniq, [i, j, k, l, _, _, _, free, module @ ..])) =
        head.split_at_checked(1 + 4 + 1 + 16)
    else {
        return FUN;
    };
    let index = u32::from_be_bytes([*i, *j, *k, *l]);
    let module = Term::first(module).map_or(FUN, |(module, _)| atom(FUN, module));
    mix(mix(module, u64::from(index)), u64::from(*free))
}

fn export(head: &[u8]) -> u64 {
    let mut rest = head.get(1..).unwrap_or_default();
    let mut digest = EXPORT;
    while let Some((part, after)) = Term::first(rest) {
        digest = mix(digest, scalar(part));
        rest = after;
    }
    digest
}

fn port(head: &[u8]) -> u64 {
    let Some((node, numbers)) = head.get(1..).and_then(Term::first) else {
        return PORT;
    };
    let width = match head.first() {
        Some(&tag::V4_PORT) => 8,
        _ => 4,
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    let (id, creation) = numbers.split_at_checked(width).unwrap_or_default();
    mix(mix(atom(PORT, node), number(id)), number(creation))
}

fn atom(digest: u64, term: Term<'_>) -> u64 {
    match term.as_atom() {
        Some(atom) => bytes(digest, atom.text().as_bytes()),
        None => digest,
    }
}

/// A binary is a bit string that uses all eight bits of its last byte.
fn bits(content: &[u8], used: u8) -> u64 {
    match content.split_last() {
        Some((last, most)) if used < 8 => {
            let last = last.checked_shr(8 - u32::from(used)).unwrap_or_default();
            mix(mix(bytes(BITS, most), u64::from(last)), u64::from(used))
        }
        _ => bytes(BITS, content),
    }
}

fn integer(term: Term<'_>) -> u64 {
    if let Some(n) = term.as_i64() {
        return mix(INTEGER, n as u64);
    }
    let (negative, magnitude) = match term.as_bytes() {
        [tag::SMALL_BIG, _, sign, magnitude @ ..]
        | [tag::LARGE_BIG, _, _, _, _, sign, magnitude @ ..] => (*sign != 0, magnitude),
        _ => (false, [].as_slice()),
    };
    let significant = magnitude
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    bytes(
        mix(BIG, u64::from(negative)),
        magnitude.get(..significant).unwrap_or_default(),
    )
}
