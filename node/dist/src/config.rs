//! What a node is told when it starts.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The secret that the nodes of a cluster share. It is never printed.
#[derive(Clone)]
pub struct Cookie(String);

impl Cookie {
    /// The cookie `text`.
    pub fn new(text: &str) -> Self {
        Cookie(text.to_owned())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// How a node joins a cluster.
#[derive(Debug, Clone)]
pub struct Config {
    /// Full name, `alive@host`.
    pub name: String,
    /// The cluster's secret.
    pub cookie: Cookie,
    /// Address on which peers are accepted; default: all of IPv4.
    pub listen: IpAddr,
    /// Port on which peers are accepted; 0, the default, lets the system choose.
    pub listen_port: u16,
    /// Whether others shall find the node: registered at the port mapper, or at our own where there is
    /// none. Default: true.
    pub register: bool,
    /// Port of the port mapper on every host of the cluster; default 4369.
    pub epmd_port: u16,
    /// A peer silent for so long is taken for lost; default 60 s. A tick goes out every quarter.
    pub net_ticktime: Duration,
    /// Full names of the nodes to dial, and to dial again whenever the connection is lost.
    pub connect: Vec<String>,
    /// What a peer may use up.
    pub limits: Limits,
}

impl Config {
    /// The defaults for a node of that name.
    pub fn new(name: &str, cookie: Cookie) -> Self {
        Config {
            name: name.to_owned(),
            cookie,
            listen: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            listen_port: 0,
            register: true,
            epmd_port: 4369,
            net_ticktime: Duration::from_secs(60),
            connect: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// What a peer may use up before its connection is closed.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most bytes of one frame that a peer sends; default 72 MiB.
    pub frame_bytes: usize,
    /// Most frames waiting to be written to one peer; default 10,000.
    pub queued_frames: usize,
    /// Most bytes waiting to be written to one peer; default 256 MiB.
    pub queued_bytes: usize,
    /// Most large answers being prepared for one peer, or waiting for room in its queue; default 8.
    pub answers: usize,
    /// Most connections; default 1,000.
    pub connections: usize,
    /// Most handshakes under way that peers have begun; default 256. One more takes the place of the
    /// oldest, so that silent connections keep nobody out.
    pub handshakes: usize,
    /// Longest time for a handshake; default 5 s.
    pub handshake: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            frame_bytes: 72 << 20,
            queued_frames: 10_000,
            queued_bytes: 256 << 20,
            answers: 8,
            connections: 1_000,
            handshakes: 256,
            handshake: Duration::from_secs(5),
        }
    }
}
