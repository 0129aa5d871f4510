//! The handshake of version 6, from both sides.
//!
//! Both sides prove that they know the cookie by the MD5 of the cookie and a number which the other
//! side has chosen; the cookie itself does not travel.

mod accept;
mod connect;
pub(crate) mod message;

pub(crate) use accept::accept;
pub(crate) use connect::connect;

use crate::config::Cookie;
use crate::flags;
use md5::{Digest as _, Md5};
use message::{Digest, Introduction};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use subtle::ConstantTimeEq;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the handshake took too long")]
    Timeout,
    #[error("malformed {0} message in the handshake")]
    Malformed(&'static str),
    #[error("the peer lacks mandatory capabilities {missing:#x}")]
    Flags { missing: u64 },
    #[error("the cookies differ")]
    Cookie,
    #[error("the node calls itself {0}")]
    Name(String),
    #[error("the peer answered {0:?}")]
    Refused(String),
    #[error("the peer is dialling, too, and its connection is the one that counts")]
    Simultaneous,
    #[error("there are {0} connections, and no more are allowed")]
    Limit(usize),
    #[error("more than {0} handshakes were under way, and it was the oldest")]
    GaveWay(usize),
}

/// What a peer has proved itself to be.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) creation: u32,
    pub(crate) flags: u64,
}

fn digest(cookie: &Cookie, challenge: u32) -> Digest {
    let mut md5 = Md5::new();
    md5.update(cookie.bytes());
    md5.update(challenge.to_string());
    md5.finalize().into()
}

/// In constant time, so that a forger does not learn how many bytes were right.
fn check(cookie: &Cookie, challenge: u32, claimed: &Digest) -> Result<(), HandshakeError> {
    match digest(cookie, challenge).ct_eq(claimed).into() {
        true => Ok(()),
        false => Err(HandshakeError::Cookie),
    }
}

fn check_flags(peer: &Introduction) -> Result<u64, HandshakeError> {
    let flags = flags::expand(peer.flags);
    match flags::MANDATORY & !flags {
        0 => Ok(flags),
        missing => Err(HandshakeError::Flags { missing }),
    }
}

/// A number that nobody can foresee: the keyed hash of a counter, the key from the system.
pub(crate) fn random() -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    KEY.hash_one(COUNT.fetch_add(1, Ordering::Relaxed))
}
