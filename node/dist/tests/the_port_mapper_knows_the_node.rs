//! The node is found through the port mapper, whatever happens to it; where there is none, the
//! node is one.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::{Cluster, Epmd, until};
use esdb_dist::{Config, Cookie, Node, StartError};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn names(cluster: &Cluster) -> Vec<String> {
    let epmd = SocketAddr::from(([127, 0, 0, 1], cluster.epmd_port));
    let names = esdb_dist::epmd_names(epmd).await.unwrap_or_default();
    names.into_iter().map(|(name, _)| name).collect()
}

/// The port mapper learns of a node's end, or of its own restart by a node, from a socket: soon, not at once.
async fn until_names(cluster: &Cluster, what: &str, hold: impl Fn(&[String]) -> bool) {
    let began = std::time::Instant::now();
    while !hold(&names(cluster).await) {
        let waited = began.elapsed();
        assert!(waited < common::PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn alive(node: &str) -> String {
    node.split('@').next().unwrap().to_owned()
}

/// What the port mapper says of a node, as bytes.
async fn port_please(cluster: &Cluster, alive: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(("127.0.0.1", cluster.epmd_port))
        .await
        .unwrap();
    let request = [&[0, alive.len() as u8 + 1, 122], alive.as_bytes()].concat();
    socket.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_mapper_that_starts_again() {
    let mut cluster = Cluster::new();
    let node = cluster.node().await;
    let creation = node.creation();
    assert!(creation > 3);
    cluster.epmd = None;
    until("it is gone", || {
        std::net::TcpStream::connect(("127.0.0.1", cluster.epmd_port)).is_err()
    })
    .await;
    cluster.epmd = Some(Epmd::start(cluster.epmd_port));
    let ours = [alive(node.name())];
    until_names(&cluster, "it is registered again", |names| names == ours).await;
    assert_eq!(node.creation(), creation);
    let mut beam = cluster.beam();
    assert_eq!(beam.ping(node.name()), "pong");
    // Peers that come now meet the same incarnation.
    node.export("node", "pid", 0, {
        let pid = node.spawn(common::echo::Echo::new().0);
        std::sync::Arc::new(move |_: &[esdb_etf::Term<'_>], out: &mut Vec<u8>| pid.put(out))
    });
    let call = format!(
        "gen_server:call(rpc:call('{}', node, pid, []), hello)",
        node.name()
    );
    assert_eq!(beam.eval(&call), "hello");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let mut config = Config::new(node.name(), Cookie::new("x"));
    config.epmd_port = cluster.epmd_port;
    let Err(error) = Node::start(config).await else {
        panic!("started twice")
    };
    assert!(matches!(error, StartError::Epmd { .. }) && error.to_string().contains(node.name()));
    node.shutdown().await;
    until_names(&cluster, "no node is registered", <[String]>::is_empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_the_port_mapper() {
    let cluster = Cluster::without_epmd();
    let node = cluster.node().await;
    assert_eq!(names(&cluster).await, [alive(node.name())]);
    let (mut first, mut second) = (cluster.beam(), cluster.beam());
    assert_eq!(first.ping(&second.name), "pong");
    assert_eq!(second.ping(node.name()), "pong");
    assert_eq!(
        first.eval("{ok, Names} = erl_epmd:names(), length(Names)"),
        "3"
    );
    let third = cluster.node().await;
    assert_eq!(first.ping(third.name()), "pong");
    third.shutdown().await;
    drop(second);
    until_names(&cluster, "the nodes that ended are not", |names| {
        names.len() == 2
    })
    .await;
    node.shutdown().await;
}

/// Both port mappers say the same of the same node.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_a_real_port_mapper() {
    let mut answers = Vec::new();
    for cluster in [Cluster::new(), Cluster::without_epmd()] {
        let mut config = Config::new("same@127.0.0.1", Cookie::new("x"));
        config.epmd_port = cluster.epmd_port;
        let node = Node::start(config).await.unwrap();
        let mut known = port_please(&cluster, "same").await;
        // the port
        known.drain(2..4);
        answers.push((known, port_please(&cluster, "other").await));
        node.shutdown().await;
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_does_not_end_our_port_mapper() {
    let cluster = Cluster::without_epmd();
    let node = cluster.node().await;
    for nonsense in [
        &[0, 0][..],
        &[0, 1, 120],
        &[0, 3, 120, 0, 1],
        &[255, 255, 1],
        &[0, 1, 9],
    ] {
        let mut socket = TcpStream::connect(("127.0.0.1", cluster.epmd_port))
            .await
            .unwrap();
        socket.write_all(nonsense).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _hung_up = socket.read_to_end(&mut answer).await;
        assert_eq!(answer, [], "{nonsense:?}");
    }
    assert_eq!(names(&cluster).await, [alive(node.name())]);
    node.shutdown().await;
}
