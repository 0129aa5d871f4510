//! The terms that fields of an event have unless the client gives others. They take no room where
//! events are kept.

/// `#{}`
pub const METADATA: &[u8] = &[116, 0, 0, 0, 0];
/// `undefined`
pub const TAGS: &[u8] = b"w\x09undefined";
/// `<<"application/json">>`
pub const CONTENT_TYPE: &[u8] = b"m\x00\x00\x00\x10application/json";
