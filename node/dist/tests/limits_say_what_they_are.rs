//! What a peer may use up is limited: what exceeds a limit ends that connection, or never becomes one,
//! and the log says which limit it was; other peers do not notice.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::echo::Echo;
use common::log::Log;
use common::raw_peer::RawPeer;
use common::{Cluster, pid, until};
use esdb_dist::{Limits, Node};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

struct Setup {
    cluster: Cluster,
    node: Node,
    port: u16,
    log: Log,
}

async fn setup(change: impl FnOnce(&mut Limits)) -> Setup {
    let log = Log::capture();
    let cluster = Cluster::new();
    let mut config = cluster.config();
    change(&mut config.limits);
    let node = Node::start(config).await.unwrap();
    let epmd = ([127, 0, 0, 1], cluster.epmd_port).into();
    let port = esdb_dist::epmd_names(epmd).await.unwrap().remove(0).1;
    Setup {
        cluster,
        node,
        port,
        log,
    }
}

impl Setup {
    async fn told(&self, peer: &str, words: &str) {
        until(words, || {
            let lines = self.log.lines();
            lines.iter().any(|l| l.contains(peer) && l.contains(words))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_the_documentation_has_them() {
    let limits = Limits::default();
    assert_eq!(limits.frame_bytes, 72 << 20);
    assert_eq!(limits.queued_frames, 10_000);
    assert_eq!(limits.connections, 1_000);
    assert_eq!(limits.handshake, Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections() {
    let s = setup(|limits| limits.connections = 2).await;
    let mut beams = [s.cluster.beam(), s.cluster.beam()];
    for beam in &mut beams {
        assert_eq!(beam.ping(s.node.name()), "pong");
    }
    let mut third = s.cluster.beam();
    assert_eq!(third.ping(s.node.name()), "pang");
    s.told(
        &third.name,
        "there are 2 connections, and no more are allowed",
    )
    .await;
    let refused = s.node.connect(&third.name).await.unwrap_err();
    assert!(refused.to_string().contains("2 connections"), "{refused}");
    // A member that comes again needs no other place.
    let again = "erlang:disconnect_node";
    let name = s.node.name();
    beams[0].eval(&format!("{again}('{name}'), pong = net_adm:ping('{name}')"));
    // What one member gives up is another's.
    beams[1].eval(&format!("{again}('{name}')"));
    until("there is room", || third.ping(name) == "pong").await;
    s.node.shutdown().await;
}

/// A peer that believes its connection lost comes again while ours still stands, and all are taken.
#[tokio::test(flavor = "multi_thread")]
async fn connections_made_again() {
    let s = setup(|limits| limits.connections = 1).await;
    let mut first = RawPeer::reach(s.port, "again@127.0.0.1").await;
    let hello = first.hello();
    assert_eq!(first.shake(&hello).await, "ok");
    let mut second = RawPeer::reach(s.port, "again@127.0.0.1").await;
    assert_eq!(second.shake(&hello).await, "alive");
    while first.next_frame().await.is_some() {}
    let echo = s.node.spawn(Echo::new().0);
    s.node.register("echo", &echo);
    assert!(second.is_answered().await);
    assert_eq!(s.node.connections().len(), 1);
    s.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_for_a_handshake() {
    let s = setup(|limits| limits.handshake = Duration::from_millis(300)).await;
    let began = Instant::now();
    let mut silent = RawPeer::reach(s.port, "nobody@127.0.0.1").await;
    // One that has said its name has no more time than one that has not.
    let mut named = RawPeer::reach(s.port, "named@127.0.0.1").await;
    let hello = named.hello();
    named.packet(&hello).await;
    assert_eq!(silent.stream.read(&mut [0]).await.unwrap(), 0);
    while named.stream.read(&mut [0; 64]).await.unwrap_or_default() > 0 {}
    assert!(began.elapsed() >= Duration::from_millis(300));
    s.told("named@127.0.0.1", "the handshake took too long")
        .await;
    s.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_a_frame() {
    let s = setup(|limits| limits.frame_bytes = 1_000).await;
    let mut good = s.cluster.beam();
    let echo = s.node.spawn(Echo::new().0);
    good.eval(&format!("Echo = {}", pid(&echo)));
    assert_eq!(good.eval("gen_server:call(Echo, hello)"), "hello");
    let mut peer = RawPeer::reach(s.port, "large@127.0.0.1").await;
    let hello = peer.hello();
    peer.shake(&hello).await;
    peer.frame(&[0; 1_001]).await;
    while peer.next_frame().await.is_some() {}
    s.told(
        "large@127.0.0.1",
        "a frame of 1001 bytes; at most 1000 are accepted",
    )
    .await;
    assert_eq!(good.eval("gen_server:call(Echo, again)"), "again");
    s.node.shutdown().await;
}

/// A peer that never reads: what waits for it is bounded, and others go on.
#[tokio::test(flavor = "multi_thread")]
async fn frames_that_wait() {
    let s = setup(|limits| limits.queued_frames = 500).await;
    let mut good = s.cluster.beam();
    let echo = s.node.spawn(Echo::new().0);
    good.eval(&format!("Echo = {}", pid(&echo)));
    let mut peer = RawPeer::reach(s.port, "deaf@127.0.0.1").await;
    let hello = peer.hello();
    peer.shake(&hello).await;
    let connection = s.node.connection("deaf@127.0.0.1").unwrap();
    let (to, body) = (common::atom("nobody"), [0; 1_000]);
    let mut most = 0;
    until("it is dropped", || {
        for _ in 0..1_000 {
            connection.send(&to, true, |out| esdb_etf::put::binary(out, &body));
        }
        let queued = s
            .node
            .connections()
            .into_iter()
            .find(|c| c.peer == "deaf@127.0.0.1");
        most = most.max(queued.as_ref().map_or(0, |c| c.queued_bytes));
        assert_eq!(good.eval("gen_server:call(Echo, hello)"), "hello");
        queued.is_none()
    })
    .await;
    assert!(most <= 501 * 1_100, "{most} bytes were queued");
    s.told("deaf@127.0.0.1", "the peer reads too slowly: 501 frames")
        .await;
    s.node.shutdown().await;
}

/// One byte at a time is slow, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn none_for_how_few_bytes_come_at_once() {
    let s = setup(|_| {}).await;
    let mut peer = RawPeer::reach(s.port, "slow@127.0.0.1").await;
    peer.byte_by_byte = true;
    let hello = peer.hello();
    assert_eq!(peer.shake(&hello).await, "ok");
    let echo = s.node.spawn(Echo::new().0);
    s.node.register("echo", &echo);
    assert!(peer.is_answered().await);
    s.node.shutdown().await;
}
