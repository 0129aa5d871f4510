//! There is one connection between two nodes, and it is the one that both sides count.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::beam::Beam;
use common::raw_peer::RawPeer;
use common::{COOKIE, Cluster, until};
use esdb_dist::{Config, Cookie, Node};
use std::net::SocketAddr;

async fn port_of(cluster: &Cluster, node: &Node) -> u16 {
    let epmd = SocketAddr::from(([127, 0, 0, 1], cluster.epmd_port));
    let alive = node.name().split('@').next().unwrap();
    let names = esdb_dist::epmd_names(epmd).await.unwrap();
    names.into_iter().find(|(name, _)| name == alive).unwrap().1
}

/// The peer has lost a connection that this node still holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_comes_again() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let port = port_of(&cluster, &node).await;
    let mut first = RawPeer::reach(port, "peer@127.0.0.1").await;
    let hello = first.hello();
    assert_eq!(first.shake(&hello).await, "ok");
    until("connected", || node.connections().len() == 1).await;
    // A stranger of the same name does not disturb the connection.
    let mut stranger = RawPeer::reach(port, "peer@127.0.0.1").await;
    stranger.packet(&hello).await;
    assert_eq!(stranger.answer().await, b"salive");
    stranger.packet(b"strue").await;
    stranger.answer().await;
    stranger.packet(&[b'r'; 21]).await;
    assert_eq!(stranger.next_frame().await, None);
    assert_eq!(node.connections().len(), 1);

    let mut second = RawPeer::reach(port, "peer@127.0.0.1").await;
    second.creation = 78;
    let hello = second.hello();
    assert_eq!(second.shake(&hello).await, "alive");
    assert_eq!(first.next_frame().await, None);
    until("replaced", || {
        node.connections().iter().any(|c| c.creation == 78)
    })
    .await;
    // And one that has not lost it.
    let mut third = RawPeer::reach(port, "peer@127.0.0.1").await;
    third.packet(&hello).await;
    assert_eq!(third.answer().await, b"salive");
    third.packet(b"sfalse").await;
    assert_eq!(third.next_frame().await, None);
    assert_eq!(node.connections()[0].creation, 78);
    node.shutdown().await;
}

/// This node has lost a connection that the BEAM node still holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_still_holds_the_connection() {
    let cluster = Cluster::new();
    let mut beam = cluster.beam();
    let name = cluster.name("rust");
    // Another program of this name keeps its connection.
    let epmd = SocketAddr::from(([127, 0, 0, 1], cluster.epmd_port));
    let alive = beam.name.split('@').next().unwrap().to_owned();
    let names = esdb_dist::epmd_names(epmd).await.unwrap();
    let port = names
        .into_iter()
        .find(|(known, _)| *known == alive)
        .unwrap()
        .1;
    let mut former = RawPeer::reach(port, &name).await;
    let hello = former.hello();
    assert_eq!(former.shake(&hello).await, "ok");
    until("connected", || beam.eval("length(nodes(connected))") == "1").await;

    let mut config = Config::new(&name, Cookie::new(COOKIE));
    config.epmd_port = cluster.epmd_port;
    config.connect = vec![beam.name.clone()];
    let node = Node::start(config).await.unwrap();
    until("connected anew", || node.connections().len() == 1).await;
    assert_eq!(beam.ping(&name), "pong");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_the_old_handshake() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let mut peer = RawPeer::reach(port_of(&cluster, &node).await, "old@127.0.0.1").await;
    let hello = peer.old_hello();
    assert_eq!(peer.shake(&hello).await, "ok");
    until("connected", || node.connections().len() == 1).await;
    assert_eq!(node.connections()[0].creation, 77);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in() {
    let cluster = Cluster::new();
    let mut config = cluster.config();
    config.limits.handshake = std::time::Duration::from_millis(300);
    let node = Node::start(config).await.unwrap();
    let port = port_of(&cluster, &node).await;
    // a node of this node's name
    let mut peer = RawPeer::reach(port, node.name()).await;
    let hello = peer.hello();
    peer.packet(&hello).await;
    assert_eq!(peer.answer().await, b"snot_allowed");
    // a node without big creations
    let mut peer = RawPeer::reach(port, "lacking@127.0.0.1").await;
    let mut hello = peer.hello();
    (hello[5], hello[6]) = (hello[5] & !4, hello[6] & !4);
    peer.packet(&hello).await;
    assert_eq!(peer.answer().await, b"snot_allowed");
    assert_eq!(peer.next_frame().await, None);
    // a name that is none
    let mut peer = RawPeer::reach(port, "nobody").await;
    let hello = peer.hello();
    peer.packet(&hello).await;
    assert_eq!(peer.next_frame().await, None);
    // one that says nothing
    let mut peer = RawPeer::reach(port, "silent@127.0.0.1").await;
    assert_eq!(peer.next_frame().await, None);
    assert!(node.connections().is_empty());
    node.shutdown().await;
}

/// Both dial at the same moment, many times, with the greater name on either side.
#[tokio::test(flavor = "multi_thread")]
async fn both_dial_at_once() {
    let cluster = Cluster::new();
    for alive in ["aaa", "zzz"] {
        let mut beam = Beam::start(&cluster.name("mmm"), cluster.epmd_port, COOKIE, &[]);
        let mut config = Config::new(&cluster.name(alive), Cookie::new(COOKIE));
        config.epmd_port = cluster.epmd_port;
        config.connect = vec![beam.name.clone()];
        let name = config.name.clone();
        beam.begin(&format!(
            "(fun Again(0) -> done; Again(N) ->
                net_kernel:connect_node('{name}'), erlang:disconnect_node('{name}'), Again(N - 1)
              end)(300)"
        ));
        let node = Node::start(config).await.unwrap();
        assert_eq!(beam.end(), "done");
        until("connected", || !node.connections().is_empty()).await;
        assert_eq!(beam.ping(&name), "pong");
        until("connected once", || node.connections().len() == 1).await;
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_nodes_of_this_kind_dial_at_once() {
    let cluster = Cluster::new();
    let [mut first, mut second] = [cluster.config(), cluster.config()];
    first.connect = vec![second.name.clone()];
    second.connect = vec![first.name.clone()];
    let (first, second) = tokio::join!(Node::start(first), Node::start(second));
    let (first, second) = (first.unwrap(), second.unwrap());
    until("connected", || {
        first.connections().len() == 1 && second.connections().len() == 1
    })
    .await;
    let mut nil = Vec::new();
    esdb_etf::put::nil(&mut nil);
    for (from, to) in [(&first, &second), (&second, &first)] {
        let node = from.call(to.name(), "erlang", "node", &nil).await.unwrap();
        assert_eq!(node, common::atom(to.name()));
    }
    first.shutdown().await;
    second.shutdown().await;
}
