//! What the tests of several crates share. Nothing of it is part of the server.
//!
//! # Layout
//! - [`event`]: events made of small terms, and the commands that append them
//! - [`record`]: records of small texts
//! - [`operation`]: random operations
//! - [`model`]: what a store should answer, as a plain list of events
//! - [`query`]: reads of every kind, asked of a store and of the model
//! - [`disk`]: a disk in memory that keeps a trace of what was done to it
//! - [`crash`]: what a power cut may leave of such a trace
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod content;
pub mod crash;
pub mod disk;
pub mod event;
pub mod model;
pub mod operation;
pub mod query;
pub mod record;
