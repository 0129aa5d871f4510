//! Persistent subscriptions: the subscription protocol of this server's own (docs/protocol.md), with
//! flow control, acknowledgement of single events, retries, parked events and several consumers.
//!
//! Each has a task, the [`runner`], which owns a state machine (`esdb_subscription::group`), gets
//! messages from requests, and is fed with events by another task.
//!
//! # Layout
//! - [`registry`]: those of a store: opened, found, deleted, loaded
//! - [`runner`]: one of them; `consumers`: what they do; `save`: what it writes down, and when it answers; `replay`: parked events
//!   delivered again; `status`: how it is; `problem`: why something was not done
//! - [`message`]: what the runner is told; [`notice`]: what it tells consumers
//! - [`feeder`]: events on demand
//! - [`definition`], [`progress`], [`parked`]: its records
//! - [`reached`]: waiting for a position

mod consumers;
pub(crate) mod definition;
pub(crate) mod feeder;
pub(crate) mod message;
pub(crate) mod notice;
pub(crate) mod parked;
mod problem;
pub(crate) mod progress;
pub(crate) mod reached;
pub(crate) mod registry;
mod replay;
pub(crate) mod runner;
mod save;
mod status;
