//! An established connection with a peer.

pub(crate) mod control;
pub(crate) mod dispatch;
pub(crate) mod outbox;
pub(crate) mod receipts;
pub(crate) mod run;
pub(crate) mod watchers;

use crate::handshake;
use crate::node::Shared;
use crate::raw::Raw;
use esdb_etf::{Pid, Reference, VERSION};
use outbox::{Full, Outbox};
use receipts::Receipts;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use watchers::Watchers;

/// Tag of a frame that holds one whole message in plain terms.
pub(crate) const PASS_THROUGH: u8 = 112;

/// A connection with a peer; clones are the same connection. When it is lost, what is sent is
/// dropped silently, as between Erlang nodes.
#[derive(Clone)]
pub struct Connection(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) peer: Arc<str>,
    pub(crate) creation: u32,
    pub(crate) flags: u64,
    pub(crate) dialled: bool,
    /// The number of its handshake, among all that this node has begun or answered.
    pub(crate) handshake: u64,
    pub(crate) since: Instant,
    pub(crate) outbox: Outbox,
    pub(crate) watchers: Watchers,
    pub(crate) receipts: Receipts,
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) places: Arc<Semaphore>,
    /// Why the connection is to be closed.
    pub(crate) closing: watch::Sender<Option<String>>,
    /// The connection is no longer in use: its processes have been told.
    pub(crate) gone: watch::Sender<bool>,
    /// Milliseconds after `since` when the peer was last heard.
    pub(crate) heard: AtomicU64,
    pub(crate) local: Arc<Local>,
}

/// What every connection needs to know of its own node.
pub(crate) struct Local {
    pub(crate) name: Arc<str>,
    pub(crate) creation: u32,
    /// A process of the node, as raw term: the sender where no other is named.
    pub(crate) system: Raw,
    /// The process that learns what peers have read, as raw term.
    pub(crate) receipts: Raw,
    pub(crate) references: AtomicU64,
}

impl Local {
    /// A reference that this start of the node has not used.
    pub(crate) fn new_reference(&self) -> Reference {
        let n = self.references.fetch_add(1, Ordering::Relaxed);
        Reference {
            node: self.name.clone(),
            creation: self.creation,
            // The first word has 18 bits on nodes of before OTP 24.
            words: vec![(n & 0x3_ffff) as u32, (n >> 18) as u32, 0],
        }
    }
}

impl Connection {
    /// With a peer that has shaken hands.
    pub(crate) fn new(
        shared: &Shared,
        stream: Arc<TcpStream>,
        peer: handshake::Peer,
        dialled: bool,
        handshake: u64,
    ) -> Self {
        let limits = &shared.config.limits;
        Connection(Arc::new(Inner {
            peer: Arc::from(peer.name),
            creation: peer.creation,
            flags: peer.flags,
            dialled,
            handshake,
            since: Instant::now(),
            outbox: Outbox::new(stream, limits.queued_frames, limits.queued_bytes),
            watchers: Watchers::default(),
            receipts: Receipts::default(),
            turns: Arc::new(Semaphore::new(limits.answers)),
            places: Arc::new(Semaphore::new(limits.queued_frames)),
            closing: watch::Sender::new(None),
            gone: watch::Sender::new(false),
            heard: AtomicU64::new(0),
            local: shared.local.clone(),
        }))
    }

    /// Full name of the peer.
    pub fn peer(&self) -> &str {
        &self.0.peer
    }

    /// Which start of the peer it is.
    pub fn peer_creation(&self) -> u32 {
        self.0.creation
    }

    /// Queues the term that `message` writes as a message to the peer's process `to`, a raw pid.
    /// `flush`: tries to write at once, from this thread; otherwise the connection's writer task
    /// does. Never blocks.
    pub fn send(&self, to: &[u8], flush: bool, message: impl FnOnce(&mut Vec<u8>)) {
        self.frame(flush, |out| {
            control::send(out, to);
            out.push(VERSION);
            message(out);
        });
    }

    /// As [`Connection::send`], to the peer's process registered under `name`.
    pub fn send_to_name(
        &self,
        from: &Pid,
        name: &str,
        flush: bool,
        message: impl FnOnce(&mut Vec<u8>),
    ) {
        self.frame(flush, |out| {
            control::reg_send(out, from, name);
            out.push(VERSION);
            message(out);
        });
    }

    /// As [`Connection::send`], to the alias `reference`, a raw reference.
    pub fn alias_send(&self, reference: &[u8], flush: bool, message: impl FnOnce(&mut Vec<u8>)) {
        self.frame(flush, |out| {
            control::alias_send(out, &self.0.local.system, reference);
            out.push(VERSION);
            message(out);
        });
    }

    /// Most bytes of an answer's body: what [`crate::gen_server::Caller::reply_with`] takes.
    pub fn largest_answer(&self) -> usize {
        self.0.outbox.largest_body()
    }

    /// The right to prepare a large answer for this peer, of which there are
    /// [`crate::Limits::answers`]; none if all are in use.
    pub fn try_turn(&self) -> Option<OwnedSemaphorePermit> {
        self.0.turns.clone().try_acquire_owned().ok()
    }

    /// A place among those that wait for a turn, of which there are as many as frames may be queued;
    /// none if all are taken.
    pub fn try_place(&self) -> Option<OwnedSemaphorePermit> {
        self.0.places.clone().try_acquire_owned().ok()
    }

    /// As [`Connection::try_turn`], but waits; none if the connection is lost.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.0.turns.clone().acquire_owned().await.ok()
    }

    /// Whether a process of the peer monitors one of this node under `reference`, a raw reference.
    pub fn is_monitored(&self, reference: &[u8]) -> bool {
        self.0.watchers.has(reference)
    }

    /// Monitors `target`, the raw pid or name (an atom) of a process of the peer, for `watcher`,
    /// which must be a process of this node: its [`crate::Process::down`] is called at the end.
    pub fn monitor(&self, watcher: &Pid, target: &[u8]) -> Reference {
        let reference = self.0.local.new_reference();
        let mut from = Vec::new();
        watcher.put(&mut from);
        self.frame(true, |out| control::monitor(out, &from, target, &reference));
        reference
    }

    /// Takes a monitor back.
    pub fn demonitor(&self, watcher: &Pid, target: &[u8], reference: &Reference) {
        self.frame(true, |out| {
            control::demonitor(out, watcher, target, reference)
        });
    }

    /// Closes the connection; `reason` is for the log.
    pub fn close(&self, reason: &str) {
        self.0.outbox.close();
        self.0.turns.close();
        self.0.closing.send_if_modified(|closing| {
            let first = closing.is_none();
            if first {
                *closing = Some(reason.to_owned());
            }
            first
        });
    }

    /// Queues one frame: control message and, after another version byte, the message.
    pub(crate) fn frame(&self, flush: bool, write: impl FnOnce(&mut Vec<u8>)) {
        let pushed = self.0.outbox.push(flush, |out| {
            out.extend_from_slice(&[PASS_THROUGH, VERSION]);
            write(out);
        });
        self.check(pushed);
    }

    /// As [`Connection::frame`], `body` coming last; given back if there is no room for it.
    pub(crate) fn try_frame(
        &self,
        body: Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Vec<u8>> {
        if body.len() < outbox::LARGE {
            self.frame(true, |out| {
                write(out);
                out.extend_from_slice(&body);
            });
            return Ok(());
        }
        self.0.outbox.try_push(body, |out| {
            out.extend_from_slice(&[PASS_THROUGH, VERSION]);
            write(out);
        })
    }

    /// As [`Connection::frame`], `body` coming last; waits until there is room for it.
    pub(crate) async fn frame_in_time(&self, body: Vec<u8>, write: impl Fn(&mut Vec<u8>)) {
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(&[PASS_THROUGH, VERSION]);
            write(out);
        };
        self.0.outbox.push_in_time(body, write).await;
    }

    pub(crate) fn check(&self, pushed: Result<(), Full>) {
        match pushed {
            Ok(()) => {}
            Err(Full::Io(error)) => self.close(&error.to_string()),
            Err(Full::Slow { frames, bytes }) => self.close(&format!(
                "the peer reads too slowly: {frames} frames of {bytes} bytes wait for it"
            )),
        }
    }

    /// Waits, while a quarter of what may be queued is, until the peer has taken some of it.
    pub async fn room(&self) {
        while self.0.outbox.is_crowded() {
            self.0.outbox.moved().await;
        }
    }

    /// Waits until the connection is no longer in use.
    pub async fn gone(&self) {
        let mut gone = self.0.gone.subscribe();
        let _is_gone = gone.wait_for(|gone| *gone).await;
    }
}

/// Another connection with the same peer is not equal.
impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Connection {}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({})", self.0.peer)
    }
}

/// A connection, as it stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Full name of the peer.
    pub peer: String,
    /// Which start of the peer it is.
    pub creation: u32,
    /// The peer's capability flags.
    pub flags: u64,
    /// This node dialled the peer.
    pub dialled: bool,
    /// How long it has been up.
    pub uptime: std::time::Duration,
    /// Bytes waiting to be written.
    pub queued_bytes: usize,
}

impl From<&Connection> for ConnectionInfo {
    fn from(connection: &Connection) -> Self {
        let inner = &connection.0;
        ConnectionInfo {
            peer: inner.peer.to_string(),
            creation: inner.creation,
            flags: inner.flags,
            dialled: inner.dialled,
            uptime: inner.since.elapsed(),
            queued_bytes: inner.outbox.queued_bytes(),
        }
    }
}
