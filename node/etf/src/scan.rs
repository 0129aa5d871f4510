//! Finding the end of a term, and checking on the way that a BEAM node would accept it.
//!
//! One loop with a counter of terms still to come: no recursion, no allocation, so neither deep
//! nesting nor a lying length costs more than the bytes that are really there.
//!
//! What is refused is what `binary_to_term` of OTP 25 refuses, and a few forms more that no
//! emulator writes. Two checks of a BEAM node are not made here. Whether a map holds a key twice
//! is [`crate::Term::check_keys`]'s to say. And a node knows which identifiers of its own are
//! impossible (a process identifier of 2^32 - 1, say), which nobody else can.

use crate::Error;
use crate::cursor::Cursor;

/// Length in bytes of the term at the start of `bytes`, which has no version byte.
///
/// # Errors
/// [`Error`] if no well-formed term is there. Bytes after the term are not looked at.
pub fn term_len(bytes: &[u8]) -> Result<usize, Error> {
    len::<true>(bytes)
}

/// As [`term_len`], for bytes inside a term that has been checked before: only finds the end.
pub(crate) fn checked_len(bytes: &[u8]) -> Result<usize, Error> {
    len::<false>(bytes)
}

fn len<const CHECK: bool>(bytes: &[u8]) -> Result<usize, Error> {
    let mut cursor = Cursor::new(bytes);
    // Terms that must still be read before the outermost one is complete. Every pending term needs
    // at least one byte, so a counter above what is left is refused at once.
    let mut pending: u64 = 1;
    while pending > 0 {
        if pending > cursor.left() as u64 {
            return Err(Error::Truncated { at: bytes.len() });
        }
        pending = pending - 1 + cursor.head::<CHECK>()?;
    }
    Ok(cursor.at())
}
