//! The state machine of an event store: streams of events, found by stream, type, tag and position.
#![allow(unused_variables, clippy::todo, clippy::missing_errors_doc)]

pub mod batch;
pub mod command;
mod error;
mod event;
mod outcome;
mod store;
mod view;

pub use command::Expected;
pub use error::StoreError;
pub use event::{Direction, NewEvent, RecordedEvent, TagMatch};
pub use outcome::{Applied, LogPosition, Outcome, Stats};
pub use store::{Options, Store};
pub use view::View;
