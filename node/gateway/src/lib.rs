//! The `esdb_gater_api` term protocol, served to unmodified clients.
//!
//! A [`Gateway`] puts worker processes of each store into the pg groups that the published clients
//! look in. A request is a term; it becomes a command for the store's log or a query on its view,
//! and the outcome becomes the term that this generation of clients expects.
//!
//! # Layout
//! - [`gateway`]: the stores that are served, their workers and groups
//! - [`caches`]: what each store gets of the memory for caches
//! - [`data_dir`], `identity`: their directories; [`verify`]: checking them offline
//! - `offer`: whether clients can find a store; `rivals`: other servers that offer one of that name
//! - `lifecycle`: requests about stores themselves
//! - `worker`: one process: envelope in, answer out
//! - `asked`: what a request term asks for; `probe`: that for tests and fuzz targets
//! - `reading`: how many reads of a client are under way, and how large answers reach it
//! - `request`: one file per request: term in, command or query out
//! - `generation`: what the client generations expect differently, in one table
//! - `store_options`: what the options of a store change; `stream_id`: the strict format of stream ids
//! - `refusal`: every error a request can be answered with, in one table
//! - `new_event`, `expected`, `record`, `snapshot`: the terms that several requests share
//! - `order`: a sender's reads see the writes it sent before
//! - `calls`: a call that was given up is not executed
//! - `clients`: which version of the client library a node runs

pub mod caches;
pub mod data_dir;
pub mod gateway;
#[cfg(feature = "probe")]
pub mod probe;
pub mod verify;

mod asked;
mod calls;
mod clients;
mod delivery;
mod expected;
mod generation;
mod identity;
mod info;
mod lifecycle;
mod new_event;
mod offer;
mod order;
mod persistent;
mod reading;
mod record;
mod refusal;
mod replays;
mod request;
#[cfg(test)]
mod retries;
mod rivals;
mod served;
mod snapshot;
mod store_options;
mod stream_id;
mod worker;

pub use data_dir::{DataDir, DataDirError, StoreDir, Stores};
pub use gateway::{Gateway, RefusedStore, Settings, StoreError};
pub use generation::MAX_STORE_NAME;
