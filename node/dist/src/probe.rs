//! The way of a peer's bytes, from the socket on, without a socket and a peer: what they do is done
//! when the function returns, on the thread that calls it.

use crate::config::{Config, Cookie};
use crate::connection::{Connection, run};
use crate::handshake::{self, Peer};
use crate::link_up;
use crate::node::{Node, Shared};
use bytes::BytesMut;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use tokio::io::{join, sink};
use tokio::runtime::{Builder, Runtime};

/// Name of the node that the bytes reach. It is that of the recorded frames, as is its creation.
pub const NODE: &str = "server@127.0.0.1";
/// Name of the node that the bytes come from.
pub const PEER: &str = "client@127.0.0.1";

/// A node, and one connection on which nothing is written.
pub struct Probe {
    shared: Arc<Shared>,
    connection: Connection,
    buffer: BytesMut,
    skip: usize,
    runtime: Runtime,
    _other_end: TcpStream,
}

impl Probe {
    /// A node that takes frames of at most `frame_bytes` bytes.
    ///
    /// # Errors
    /// If there are no sockets.
    pub fn new(frame_bytes: usize) -> io::Result<Probe> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut config = Config::new(NODE, Cookie::new("recorded"));
        config.limits.frame_bytes = frame_bytes;
        let entered = runtime.enter();
        let shared = Arc::new(Shared::new(config, 1));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let other_end = TcpStream::connect(listener.local_addr()?)?;
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(true)?;
        let stream = tokio::net::TcpStream::from_std(stream)?;
        let peer = Peer {
            name: PEER.to_owned(),
            creation: 1,
            flags: u64::MAX,
        };
        let connection = Connection::new(&shared, Arc::new(stream), peer, false, 0);
        drop(entered);
        Ok(Probe {
            shared,
            connection,
            buffer: BytesMut::new(),
            skip: 0,
            runtime,
            _other_end: other_end,
        })
    }

    /// The node. It has no tasks and is not found by others.
    pub fn node(&self) -> Node {
        Node(self.shared.clone())
    }

    /// The connection that the bytes come by.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Takes bytes of the connection, wherever frames begin and end.
    ///
    /// # Errors
    /// Why the connection would be closed. It then begins anew.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), String> {
        let _entered = self.runtime.enter();
        self.buffer.extend_from_slice(bytes);
        let limit = self.shared.config.limits.frame_bytes;
        let (shared, connection) = (&self.shared, &self.connection);
        let result = run::frames(shared, connection, &mut self.buffer, limit, &mut self.skip);
        if result.is_err() {
            self.skip = 0;
            self.buffer.clear();
        }
        result
    }

    /// Takes one frame, which is given without its length.
    ///
    /// # Errors
    /// Why the connection would be closed.
    pub fn frame(&mut self, frame: &[u8]) -> Result<(), String> {
        self.receive(&(frame.len() as u32).to_be_bytes())?;
        self.receive(frame)
    }

    /// What was sent to the peer since this was last asked.
    pub fn sent(&self) -> Vec<u8> {
        self.connection.0.outbox.take()
    }

    /// Forgets the peer's monitors and links.
    pub fn forget(&self) {
        self.connection.0.watchers.take_all();
    }

    /// Shakes hands with a peer that dials and says `said`. Returns its name.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn accept(&self, said: &[u8]) -> Result<String, String> {
        let (ours, mut name) = (link_up::introduction(&self.shared), None);
        let mut stream = join(said, sink());
        let (cookie, peers) = (&self.shared.config.cookie, &self.shared.peers);
        let shake = handshake::accept(&mut stream, &ours, cookie, peers, &mut name);
        let peer = self.runtime.block_on(shake);
        peer.map(|(peer, _)| peer.name)
            .map_err(|error| error.to_string())
    }

    /// Shakes hands with the node [`PEER`], which was dialled and says `said`.
    ///
    /// # Errors
    /// Why it is not connected with.
    pub fn connect(&self, said: &[u8]) -> Result<String, String> {
        let ours = link_up::introduction(&self.shared);
        let mut stream = join(said, sink());
        let (cookie, peers) = (&self.shared.config.cookie, &self.shared.peers);
        let shake = handshake::connect(&mut stream, &ours, cookie, peers, PEER);
        let peer = self.runtime.block_on(shake);
        peer.map(|peer| peer.name)
            .map_err(|error| error.to_string())
    }
}
