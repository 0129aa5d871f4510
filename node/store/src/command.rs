//! Commands: what a log entry asks the store to do.

/// What an append expects of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Any,
    /// That there is no such stream.
    NoStream,
    /// That there is such a stream.
    Exists,
    /// That this is its last version.
    Exactly(u64),
    /// That this is its last version; 0 is also met by a stream that does not exist.
    ExactlyOrEmpty(u64),
}
use crate::NewEvent;
/// Writes an append of `events` to `stream`.
pub fn append(out: &mut Vec<u8>, stream: &[u8], expected: Expected, events: &[NewEvent<'_>]) { todo!() }
/// Writes a deletion of `stream`.
pub fn delete(out: &mut Vec<u8>, stream: &[u8]) { todo!() }
