//! What can be wrong with bytes that claim to be a term.

/// Why bytes are not a term. `at` is the offset of the offending byte in the slice given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end inside the term.
    #[error("the term ends early: byte {at} is missing")]
    Truncated {
        /// Offset of the first missing byte.
        at: usize,
    },
    /// A tag that the format does not define, or that the distribution flags rule out.
    #[error("unknown term tag {tag} at byte {at}")]
    Tag {
        /// The tag found.
        tag: u8,
        /// Its offset.
        at: usize,
    },
    /// A field inside a term has a value that no emulator writes.
    #[error("malformed {what} at byte {at}")]
    Malformed {
        /// Which field.
        what: &'static str,
        /// Offset of the term that holds it.
        at: usize,
    },
    /// The first byte is not [`crate::VERSION`].
    #[error("external terms begin with byte 131, this one with {0}")]
    Version(u8),
    /// Bytes follow the term.
    #[error("{count} bytes follow the term")]
    Trailing {
        /// How many.
        count: usize,
    },
}
