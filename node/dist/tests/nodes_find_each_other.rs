//! Nodes find each other, whoever dials.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::{Cluster, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_beam_node_dials() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let mut beam = cluster.beam();
    assert_eq!(beam.ping(node.name()), "pong");
    assert_eq!(
        beam.eval("{nodes(), nodes(hidden)}"),
        format!("{{[],['{}']}}", node.name())
    );
    let [connection] = &node.connections()[..] else {
        panic!("one connection")
    };
    assert_eq!(
        (connection.peer.as_str(), connection.dialled),
        (beam.name.as_str(), false)
    );
    assert_eq!(
        beam.eval("net_kernel:connect_node('nobody@127.0.0.1')"),
        "false"
    );
    node.shutdown().await;
    until("it is gone", || beam.eval("nodes(hidden)") == "[]").await;
    assert_eq!(beam.ping(node.name()), "pang");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_dials_and_dials_again() {
    let cluster = Cluster::new();
    let mut beam = cluster.beam();
    let node = cluster.node_connected_to(&[&beam]).await;
    assert!(node.connections()[0].dialled);
    for _ in 0..3 {
        let lost = format!("erlang:disconnect_node('{}')", node.name());
        assert_eq!(beam.eval(&lost), "true");
        until("connected again", || {
            beam.eval("length(nodes(hidden))") == "1"
        })
        .await;
    }
    assert_eq!(beam.ping(node.name()), "pong");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_late_is_dialled() {
    let cluster = Cluster::new();
    let mut config = cluster.config();
    let name = cluster.name("late");
    config.connect = vec![name.clone()];
    let node = esdb_dist::Node::start(config).await.unwrap();
    let mut beam = common::beam::Beam::start(&name, cluster.epmd_port, common::COOKIE, &[]);
    until("connected", || !node.connections().is_empty()).await;
    assert_eq!(beam.eval("length(nodes(hidden))"), "1");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_names() {
    let cluster = Cluster {
        host: "localhost",
        ..Cluster::new()
    };
    let mut first = cluster.beam();
    let mut second = cluster.beam();
    let node = cluster.node_connected_to(&[&first]).await;
    assert_eq!(first.ping(node.name()), "pong");
    assert_eq!(second.ping(node.name()), "pong");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_of_this_kind() {
    let cluster = Cluster::new();
    let first = cluster.node().await;
    let mut config = cluster.config();
    config.connect = vec![first.name().to_owned()];
    let second = esdb_dist::Node::start(config).await.unwrap();
    until("connected", || !second.connections().is_empty()).await;
    let mut nil = Vec::new();
    esdb_etf::put::nil(&mut nil);
    let answer = second
        .call(first.name(), "erlang", "node", &nil)
        .await
        .unwrap();
    assert_eq!(answer, common::atom(first.name()));
    second.shutdown().await;
    first.shutdown().await;
}
