//! What is sent when a process joins or leaves does not grow with the number of groups, or of leavers.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::echo::Echo;
use common::raw_peer::RawPeer;
use common::{COOKIE, free_port};
use esdb_dist::{Config, Cookie, Node};
use esdb_etf::{Pid, put};
use std::sync::Arc;

const SCOPE: &str = "a_scope";

fn contains(frame: &[u8], word: &str) -> bool {
    frame
        .windows(word.len())
        .any(|part| part == word.as_bytes())
}

/// The next frame of those about groups.
async fn told(peer: &mut RawPeer) -> Vec<u8> {
    loop {
        let frame = peer.next_frame().await.unwrap();
        if ["sync", "join", "leave"]
            .iter()
            .any(|word| contains(&frame, word))
        {
            return frame;
        }
    }
}

/// The answer of a scope process of the peer: it has no groups.
async fn answer_discovery(peer: &mut RawPeer) {
    while !contains(&peer.next_frame().await.unwrap(), "discover") {}
    let scope = Pid {
        node: Arc::from(peer.name.as_str()),
        id: 60,
        serial: 0,
        creation: peer.creation,
    };
    let mut frame = vec![112, 131];
    put::tuple(&mut frame, 4);
    put::integer(&mut frame, 6);
    scope.put(&mut frame);
    put::atom(&mut frame, "");
    put::atom(&mut frame, SCOPE);
    frame.push(131);
    put::tuple(&mut frame, 2);
    put::atom(&mut frame, "$gen_cast");
    put::tuple(&mut frame, 3);
    put::atom(&mut frame, "sync");
    scope.put(&mut frame);
    put::nil(&mut frame);
    peer.frame(&frame).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_groups() {
    let mut config = Config::new("rust@127.0.0.1", Cookie::new(COOKIE));
    (config.register, config.listen_port) = (false, free_port());
    let port = config.listen_port;
    let node = Node::start(config).await.unwrap();
    let pid = node.spawn(Echo::new().0);
    node.pg_join(SCOPE, "the_first", std::slice::from_ref(&pid));
    let mut peer = RawPeer::reach(port, "peer@127.0.0.1").await;
    let hello = peer.hello();
    peer.shake(&hello).await;
    answer_discovery(&mut peer).await;
    let first = told(&mut peer).await;
    assert!(contains(&first, "sync") && contains(&first, "the_first"));

    let groups: Vec<_> = (0..1_000)
        .map(|n| (format!("group_{n:04}"), pid.clone()))
        .collect();
    let mut sizes = Vec::new();
    for (group, pid) in &groups {
        node.pg_join(SCOPE, group, std::slice::from_ref(pid));
        let frame = told(&mut peer).await;
        assert!(contains(&frame, group));
        sizes.push(frame.len());
    }
    sizes.dedup();
    assert_eq!(sizes.len(), 1, "bytes of each join: {sizes:?}");

    node.pg_leave(SCOPE, &groups);
    assert_eq!(told(&mut peer).await, first);
    // Nothing more was said in between.
    node.pg_join(SCOPE, "the_last", std::slice::from_ref(&pid));
    assert!(contains(&told(&mut peer).await, "the_last"));
    node.shutdown().await;
}
