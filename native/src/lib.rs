//! The accelerators of the Erlang application `esdb_nifs`: one NIF library for its seven modules.
//!
//! Each function has a pure Erlang twin. A function here either gives exactly what its twin gives, or gives up: with
//! `twin` (wrong types, and forms that only the emulator treats) or with `dirty` (more work than an ordinary scheduler
//! may do, to be started again on a dirty one). All errors are raised by the twins.
//!
//! # Layout
//! * [`entry`](self): `entry.rs`, what the emulator calls when it loads the library or a new version of it
//! * `nifs.rs`: the table of functions
//! * `raw.rs`: the C interface, where rustler's own is not enough
//! * `budget.rs`, `term.rs`, `event.rs`, `intern.rs`, `number.rs`: time, terms, events, keys and sums
//! * `crypto.rs` with `base64.rs`, `base58/`; `hash.rs` with `phash.rs`; `archive.rs` with `lz4.rs`
//! * `aggregate.rs`; `filter.rs` with `wildcard.rs`, `pcre.rs`; `select.rs` with `predicate.rs`
//! * `graph.rs` with `digraph.rs`

mod aggregate;
mod archive;
mod base58;
mod base64;
mod budget;
mod crypto;
mod digraph;
mod entry;
mod event;
mod filter;
mod graph;
mod hash;
mod intern;
mod lz4;
mod nifs;
mod number;
mod pcre;
mod phash;
mod predicate;
mod raw;
mod select;
mod term;
mod wildcard;
