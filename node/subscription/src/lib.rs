//! Which events a subscription is for, how subscriptions are found by event, and who gets the next
//! one when several consumers share a subscription.
//!
//! Pure: no network, no clock, no files. A [`Selector`] says whether an event belongs to a
//! subscription; an [`Index`] finds, for an event, the subscriptions that it belongs to, without
//! asking those that it cannot belong to.
//!
//! Events come as the store keeps them. Their terms were checked when they arrived, and are compared
//! where they lie; nothing here recurses on an event or panics on one.
//!
//! # Layout
//! - [`selector`]: the clauses that must all hold; `parse`: selectors as clients write them
//! - `condition`: what one field, or one value in a map, must be; `number`: numbers in order
//! - `glob`: names with wildcards
//! - `field`: the fields of an event, by name and as terms
//! - [`index`]: subscriptions by what their events must have
//! - [`id`]: the name of a subscription
//! - [`group`]: consumers that share a subscription's events

mod condition;
mod error;
mod field;
mod glob;
pub mod group;
pub mod id;
pub mod index;
mod number;
mod parse;
pub mod selector;

pub use error::InvalidSelector;
pub use id::subscription_id;
pub use index::Index;
pub use selector::{Access, Kind, Selector};
