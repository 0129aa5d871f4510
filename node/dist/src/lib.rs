//! A hidden node of an Erlang cluster.
//!
//! A [`Node`] registers at the port mapper, shakes hands with BEAM nodes in both directions, and
//! gives each [`Process`] a pid that those nodes can send to, monitor, link with and find in `pg`
//! groups. It answers pings and remote calls. Bytes of a peer never make it panic: what is
//! malformed closes that peer's connection.
//!
//! # Layout
//! - [`node`]: the node and its public functions; [`config`]: what it is told at its start
//! - [`process`]: processes, their pids and names; [`gen_server`]: calls, casts and replies
//! - [`connection`]: an established connection: outgoing frames, incoming frames, control messages
//! - [`pg`]: process groups
//! - `services`: `net_kernel`, `rex`, the spawn requests of `erpc`, calls to other nodes
//! - `welcome`: peers that dial; `half_open`: how many at once; `dial`: connections that are made again when lost; `link_up`: from a
//!   socket to a connection; `peers`: who is connected
//! - `handshake`, `flags`: who a peer is, and what it can do
//! - [`epmd`]: the port mapper: client and server
//! - `raw`: short terms kept in place; `throttle`: log lines that anybody can cause
//! - `probe`: for tests and fuzz targets, the way of a peer's bytes without a peer
//!
//! Source: "Distribution Protocol" and "EPMD Protocol", ERTS User's Guide; OTP 25.

pub mod config;
pub mod connection;
pub mod epmd;
pub mod gen_server;
pub mod node;
pub mod pg;
pub mod process;

#[cfg(feature = "probe")]
pub mod probe;

mod dial;
mod flags;
mod half_open;
mod handshake;
mod link_up;
mod peers;
mod raw;
mod services;
mod throttle;
mod welcome;

pub use config::{Config, Cookie, Limits};
pub use connection::{Connection, ConnectionInfo};
pub use epmd::client::names as epmd_names;
pub use node::{ConnectError, Node, StartError};
pub use pg::Member;
pub use process::{Origin, Process};
pub use services::calls::CallError;
pub use services::exports::Function;
