//! Writing terms: each function appends one term, or the head of one, to a buffer.
//!
//! Lengths above what the format can carry do not occur: callers write what they hold in memory
//! and frames are limited far below 2^32 bytes.

use crate::tag;

/// The atom `name`. An atom has at most 255 characters; callers pass names that a peer sent or
/// that this program's text contains.
pub fn atom(out: &mut Vec<u8>, name: &str) {
    match u8::try_from(name.len()) {
        Ok(len) => out.extend_from_slice(&[tag::SMALL_ATOM_UTF8, len]),
        Err(_) => {
            out.push(tag::ATOM_UTF8);
            out.extend_from_slice(&(name.len() as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(name.as_bytes());
}

/// A binary.
pub fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(tag::BINARY);
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// An integer, in the shortest form, as an emulator writes it.
pub fn integer(out: &mut Vec<u8>, n: i64) {
    if let Ok(small) = u8::try_from(n) {
        out.extend_from_slice(&[tag::SMALL_INTEGER, small]);
    } else if let Ok(int) = i32::try_from(n) {
        out.push(tag::INTEGER);
        out.extend_from_slice(&int.to_be_bytes());
    } else {
        big(out, n < 0, n.unsigned_abs());
    }
}

/// An unsigned integer, in the shortest form.
pub fn unsigned(out: &mut Vec<u8>, n: u64) {
    match i64::try_from(n) {
        Ok(n) => integer(out, n),
        Err(_) => big(out, false, n),
    }
}

fn big(out: &mut Vec<u8>, negative: bool, magnitude: u64) {
    let len = 8 - magnitude.leading_zeros() as usize / 8;
    out.extend_from_slice(&[tag::SMALL_BIG, len as u8, u8::from(negative)]);
    out.extend(magnitude.to_le_bytes().into_iter().take(len));
}

/// A float, which must be finite: no other is a term.
pub fn float(out: &mut Vec<u8>, f: f64) {
    debug_assert!(f.is_finite());
    out.push(tag::NEW_FLOAT);
    out.extend_from_slice(&f.to_bits().to_be_bytes());
}

/// The head of a tuple of at most 2^24 - 1 elements: its `arity` elements must follow.
pub fn tuple(out: &mut Vec<u8>, arity: usize) {
    match u8::try_from(arity) {
        Ok(arity) => out.extend_from_slice(&[tag::SMALL_TUPLE, arity]),
        Err(_) => {
            out.push(tag::LARGE_TUPLE);
            out.extend_from_slice(&(arity as u32).to_be_bytes());
        }
    }
}

/// The head of a non-empty list: its `len` elements and then its tail, usually [`nil`], must
/// follow.
pub fn list(out: &mut Vec<u8>, len: usize) {
    out.push(tag::LIST);
    out.extend_from_slice(&(len as u32).to_be_bytes());
}

/// The empty list.
pub fn nil(out: &mut Vec<u8>) {
    out.push(tag::NIL);
}

/// The head of a map: `pairs` keys, each followed by its value, must follow.
pub fn map(out: &mut Vec<u8>, pairs: usize) {
    out.push(tag::MAP);
    out.extend_from_slice(&(pairs as u32).to_be_bytes());
}
