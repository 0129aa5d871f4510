//! Nobody without the cookie gets in, whoever dials; the log names the peer and no cookie.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::beam::Beam;
use common::log::Log;
use common::{COOKIE, Cluster, until};
use esdb_dist::Node;

const OTHER: &str = "the_cookie_of_a_stranger";

#[tokio::test(flavor = "multi_thread")]
async fn from_both_sides() {
    let log = Log::capture();
    let cluster = Cluster::new();
    let mut stranger = Beam::start(&cluster.name("stranger"), cluster.epmd_port, OTHER, &[]);
    let node = cluster.node().await;
    for _ in 0..3 {
        assert_eq!(stranger.ping(node.name()), "pang");
    }
    let refused = |line: &str| line.contains(&stranger.name) && line.contains("the cookies differ");
    // The peer knows before the line is written.
    let count = || log.lines().iter().filter(|line| refused(line)).count();
    until("each refusal is logged", || count() == 3).await;

    let mut config = cluster.config();
    config.connect = vec![stranger.name.clone()];
    let dialling = Node::start(config).await.unwrap();
    let cannot = |line: &String| refused(line) && line.contains("cannot connect");
    until("the refusal is logged", || log.lines().iter().any(cannot)).await;
    assert_eq!(
        (dialling.connections().len(), node.connections().len()),
        (0, 0)
    );
    assert_eq!(stranger.eval("nodes(connected)"), "[]");

    let mut friend = cluster.beam();
    assert_eq!(friend.ping(node.name()), "pong");
    node.shutdown().await;
    dialling.shutdown().await;
    for line in log.lines() {
        assert!(!line.contains(COOKIE) && !line.contains(OTHER), "{line}");
    }
    assert!(!format!("{:?}", cluster.config()).contains(COOKIE));
}
