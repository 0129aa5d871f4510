//! The log of a store, and what keeps the store and its log in step.
//!
//! # Layout
//! - [`disk`]: the seam to the file system
//! - [`wal`]: the write-ahead log

pub mod disk;
pub mod wal;
