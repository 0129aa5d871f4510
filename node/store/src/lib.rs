//! The state machine of an event store: streams of events, found by stream, type, tag and
//! position. It has no network and no clock: a log feeds it batches of commands, in an order, and
//! equal logs make equal stores.
//!
//! What has been applied lies in a memtable until a checkpoint writes it to a database of sorted
//! tables; a [`View`] shows both as one, and stays as it was while commands are applied and
//! checkpoints written.
//!
//! # Layout
//! - [`store`]: owns the state, applies entries, writes checkpoints, hands out views
//! - [`command`], [`batch`]: what a log entry holds; `body`: one event in it
//! - `apply`: what each command does; `heads`, `window`: what that needs to know of streams
//! - `memtable`, `run`: what is not on disk yet
//! - `checkpoint`: writes it there
//! - `base`: the database, and how it gets over a full disk
//! - `disk`: reads it back; `tables`, `postings`, `meta`: the rows, to the byte
//! - `published`: both levels together; [`view`]: the queries over them
//! - `record`: small rows beside the events; [`key`]: their keys
//! - `codec`, `terms`: integers; the terms under which an event is found
//! - `guard`: a damaged page is an error
//! - [`verify`]: checks everything offline; `pages`: the database's file, page by page

mod apply;
mod base;
pub mod batch;
mod body;
mod checkpoint;
mod codec;
pub mod command;
mod disk;
mod error;
mod event;
mod guard;
mod heads;
pub mod key;
mod memtable;
mod meta;
mod outcome;
mod pages;
mod postings;
mod published;
mod record;
mod run;
pub mod store;
mod tables;
mod terms;
pub mod usual;
pub mod verify;
pub mod view;
mod window;

pub use command::Expected;
pub use error::StoreError;
pub use event::{Direction, NewEvent, RecordedEvent, TagMatch};
pub use outcome::{Applied, LogPosition, Outcome, Stats};
pub use record::{Record, RecordOp, Space};
pub use store::{Options, Store};
pub use view::View;
