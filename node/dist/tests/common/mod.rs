//! What the tests share: a port mapper, BEAM nodes that evaluate expressions, an echo process.
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

pub mod beam;
pub mod dice;
pub mod echo;
pub mod frames;
pub mod listener;
pub mod log;
pub mod raw_peer;

use esdb_dist::{Config, Cookie, Node};
use esdb_etf::Term;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const COOKIE: &str = "a_cookie_of_these_tests";

/// A deadline that a loaded machine meets, too.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits until `holds`, or fails.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A port mapper of OTP, on a port of its own.
pub struct Epmd {
    pub port: u16,
    child: Child,
}

impl Epmd {
    pub fn start(port: u16) -> Epmd {
        let child = Command::new("epmd")
            .args(["-port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "epmd does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        Epmd { port, child }
    }
}

impl Drop for Epmd {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A set of nodes around one port mapper.
pub struct Cluster {
    pub epmd: Option<Epmd>,
    pub epmd_port: u16,
    pub host: &'static str,
}

impl Cluster {
    pub fn new() -> Cluster {
        let epmd = Epmd::start(free_port());
        Cluster {
            epmd_port: epmd.port,
            epmd: Some(epmd),
            host: "127.0.0.1",
        }
    }

    pub fn without_epmd() -> Cluster {
        Cluster {
            epmd_port: free_port(),
            epmd: None,
            host: "127.0.0.1",
        }
    }

    pub fn name(&self, alive: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        format!("{alive}{n}_{}@{}", std::process::id(), self.host)
    }

    pub fn config(&self) -> Config {
        let mut config = Config::new(&self.name("rust"), Cookie::new(COOKIE));
        config.epmd_port = self.epmd_port;
        config
    }

    pub async fn node(&self) -> Node {
        Node::start(self.config()).await.unwrap()
    }

    pub async fn node_connected_to(&self, beams: &[&beam::Beam]) -> Node {
        let mut config = self.config();
        config.connect = beams.iter().map(|beam| beam.name.clone()).collect();
        let node = Node::start(config).await.unwrap();
        until("all are connected", || {
            node.connections().len() == beams.len()
        })
        .await;
        node
    }

    pub fn beam(&self) -> beam::Beam {
        self.beam_with(&[])
    }

    pub fn beam_with(&self, arguments: &[&str]) -> beam::Beam {
        beam::Beam::start(&self.name("beam"), self.epmd_port, COOKIE, arguments)
    }
}

/// A term as Erlang source, for expressions that BEAM nodes evaluate.
pub fn source(raw: &[u8]) -> String {
    Term::parse(raw).unwrap();
    let bytes: Vec<String> = raw.iter().map(u8::to_string).collect();
    format!("binary_to_term(<<131,{}>>)", bytes.join(","))
}

pub fn pid(pid: &esdb_etf::Pid) -> String {
    let mut raw = Vec::new();
    pid.put(&mut raw);
    source(&raw)
}

pub fn atom(name: &str) -> Vec<u8> {
    let mut raw = Vec::new();
    esdb_etf::put::atom(&mut raw, name);
    raw
}
