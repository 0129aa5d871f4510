//! The port mapper: where the nodes of a host are found. Client, server, and the task that keeps
//! this node registered.
//!
//! Source: "EPMD Protocol", ERTS User's Guide.

pub(crate) mod client;
pub(crate) mod keeper;
pub(crate) mod server;

const ALIVE2_REQ: u8 = 120;
const PORT_PLEASE2_REQ: u8 = 122;
const NAMES_REQ: u8 = 110;
const ALIVE2_X_RESP: u8 = 118;
const PORT2_RESP: u8 = 119;
const ALIVE2_RESP: u8 = 121;

/// Version of the handshake that this node speaks: the highest and the lowest.
const VERSION: u16 = 6;
/// Type of a hidden node.
const HIDDEN: u8 = 72;
/// Protocol: TCP over IPv4.
const TCP: u8 = 0;

/// Why the port mapper did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum EpmdError {
    /// It cannot be reached, or hangs up.
    #[error("the port mapper (EPMD) does not answer: {0}")]
    Io(#[from] std::io::Error),
    /// It did not answer in time.
    #[error("the port mapper (EPMD) does not answer in time")]
    Timeout,
    /// Its answer makes no sense.
    #[error("the port mapper (EPMD) gave an answer that makes no sense")]
    Malformed,
    /// Another node has the name.
    #[error("the port mapper (EPMD) has another node of that name (result {0})")]
    Taken(u8),
    /// No node of that name is registered.
    #[error("the port mapper (EPMD) knows no such node")]
    Unknown,
}
