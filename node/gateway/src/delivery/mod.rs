//! Subscriptions: every matching event, in order, once it is committed, to the right process.
//!
//! A subscription is a cursor over positions. While it is behind, a [`feed`] reads what comes after
//! the cursor from the store; once it has caught up, [`live`] hands it each new event. What a
//! subscription is and how far it has come are records of the store, so it survives whatever restarts.
//!
//! # Layout
//! - [`registry`]: the subscriptions of a store: save, remove, load; [`acknowledged`]: whose an
//!   acknowledgement is
//! - [`definition`], [`progress`]: what is durable of a subscription, and how it is written
//! - [`subscription`]: one subscription in memory; its `save`: what it writes down
//! - [`deliver`]: sends events to a published client's subscriber
//! - [`flow`]: a queue for those that ask for one; `flowing`: delivery through it
//! - `pool`: sends them to the members of `pg` groups
//! - [`subscriber`]: is it there, does it live
//! - [`feed`]: the events after a cursor; [`live`]: new events to those who have caught up
//! - `forget`: removes those that nobody comes back for
//! - `table`: those that run, by key and name
//! - `changes`: what becomes of those that the log refuses to save or to remove
//! - [`start`]: where a subscription begins
//! - [`batch`]: events on their way

pub(crate) mod acknowledged;
pub(crate) mod batch;
mod changes;
pub(crate) mod definition;
pub(crate) mod deliver;
pub(crate) mod feed;
pub(crate) mod flow;
mod flowing;
mod forget;
pub(crate) mod live;
mod pool;
pub(crate) mod progress;
pub(crate) mod registry;
pub(crate) mod start;
pub(crate) mod subscriber;
pub(crate) mod subscription;
mod table;
