//! openraft on our storage.
//!
//! # Layout
//! - [`types`]: what an entry and a response are, and conversions to the log's
//! - [`log_store`]: openraft's log over the [`Wal`](crate::wal::Wal)
//! - [`machine`]: openraft's state machine over [`esdb_store::Store`]
//! - [`network`]: the network of a group of one

#![allow(clippy::result_large_err)] // openraft's error type, which its traits demand.

pub mod log_store;
pub mod machine;
pub mod network;
pub mod types;
