//! An idle connection stays up, whatever tick times the two sides have; a silent peer is dropped.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::raw_peer::RawPeer;
use common::{Cluster, until};
use esdb_dist::Node;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// A BEAM node that drops peers after 8 s, with a node of the default of 60 s: only answers to its
/// ticks keep the connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_a_shorter_tick_time() {
    let cluster = Cluster::new();
    let mut beam = cluster.beam_with(&["-kernel", "net_ticktime", "8"]);
    let node = cluster.node_connected_to(&[&beam]).await;
    beam.eval("net_kernel:monitor_nodes(true, [{node_type, all}])");
    let lost = beam.eval("receive {nodedown, _, _} -> lost after 13000 -> kept end");
    assert_eq!(lost, "kept");
    assert!(node.connections()[0].uptime > Duration::from_secs(13));
    assert_eq!(beam.eval("length(nodes(hidden))"), "1");
    node.shutdown().await;
}

/// The other way about: the BEAM node is silent for longer than this node waits, and must be asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_a_longer_tick_time() {
    let cluster = Cluster::new();
    let mut beam = cluster.beam();
    let mut config = cluster.config();
    config.net_ticktime = Duration::from_secs(1);
    config.connect = vec![beam.name.clone()];
    let node = Node::start(config).await.unwrap();
    until("connected", || node.connections().len() == 1).await;
    beam.eval("net_kernel:monitor_nodes(true, [{node_type, all}])");
    let lost = beam.eval("receive {nodedown, _, _} -> lost after 4000 -> kept end");
    assert_eq!(lost, "kept");
    assert!(node.connections()[0].uptime > Duration::from_secs(4));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_peer() {
    let cluster = Cluster::new();
    let mut config = cluster.config();
    config.net_ticktime = Duration::from_millis(800);
    let node = Node::start(config).await.unwrap();
    let epmd = SocketAddr::from(([127, 0, 0, 1], cluster.epmd_port));
    let (_, port) = esdb_dist::epmd_names(epmd).await.unwrap().remove(0);
    let mut peer = RawPeer::reach(port, "silent@127.0.0.1").await;
    let hello = peer.hello();
    peer.shake(&hello).await;
    let began = Instant::now();
    let mut heard = Vec::new();
    peer.stream.read_to_end(&mut heard).await.unwrap();
    assert!(began.elapsed() > Duration::from_millis(750));
    // A tick at first, then questions.
    assert!(heard.starts_with(&[0; 4]), "{heard:?}");
    assert!(heard.windows(9).any(|bytes| bytes == b"undefined"));
    until("dropped", || node.connections().is_empty()).await;
    node.shutdown().await;
}

/// Each tick is answered, but an answer is not answered.
#[tokio::test(flavor = "multi_thread")]
async fn answers_to_ticks() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let epmd = SocketAddr::from(([127, 0, 0, 1], cluster.epmd_port));
    let (_, port) = esdb_dist::epmd_names(epmd).await.unwrap().remove(0);
    let mut peer = RawPeer::reach(port, "ticking@127.0.0.1").await;
    let hello = peer.hello();
    peer.shake(&hello).await;
    for _ in 0..100 {
        peer.frame(&[]).await;
        let mut tick = [1; 4];
        peer.stream.read_exact(&mut tick).await.unwrap();
        assert_eq!(tick, [0; 4]);
    }
    node.shutdown().await;
    // Nothing but the end is left.
    let mut rest = Vec::new();
    peer.stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, []);
}
