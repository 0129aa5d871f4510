//! Whatever bytes a peer sends, nothing panics, at most that connection ends, and others go on.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::dice::Dice;
use common::echo::Echo;
use common::frames::valid_frames;
use common::log::Log;
use common::raw_peer::RawPeer;
use common::{Cluster, until};
use esdb_dist::Node;
use esdb_etf::Pid;
use std::net::SocketAddr;

struct Setup {
    cluster: Cluster,
    node: Node,
    echo: Pid,
    port: u16,
}

async fn setup() -> Setup {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let echo = node.spawn(Echo::new().0);
    node.register("echo", &echo);
    node.pg_join("a_scope", "group", std::slice::from_ref(&echo));
    let epmd = SocketAddr::from(([127, 0, 0, 1], cluster.epmd_port));
    let (_, port) = esdb_dist::epmd_names(epmd).await.unwrap().remove(0);
    Setup {
        cluster,
        node,
        echo,
        port,
    }
}

async fn peer(port: u16) -> RawPeer {
    let mut peer = RawPeer::reach(port, "hostile@127.0.0.1").await;
    let hello = peer.hello();
    peer.shake(&hello).await;
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_as_they_should_be() {
    let s = setup().await;
    let mut peer = peer(s.port).await;
    for frame in valid_frames(&s.echo) {
        peer.frame(&frame).await;
        assert!(peer.is_answered().await, "{frame:?}");
    }
    s.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_and_mutations() {
    let log = Log::capture();
    let s = setup().await;
    let mut beam = s.cluster.beam();
    assert_eq!(beam.ping(s.node.name()), "pong");
    let mut hostile = vec![
        vec![112],
        vec![113, 131],
        vec![112, 132, 97, 1],
        vec![112, 131, 97, 1],
    ];
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for frame in valid_frames(&s.echo) {
        hostile.extend((1..frame.len()).step_by(7).map(|len| frame[..len].to_vec()));
        for _ in 0..40 {
            let mut mutated = frame.clone();
            for _ in 0..=dice.below(3) {
                let at = dice.below(mutated.len());
                mutated[at] = dice.below(256) as u8;
            }
            hostile.push(mutated);
        }
        hostile.push([&frame[..], &[106]].concat());
    }
    let mut peer_now = peer(s.port).await;
    let (mut closed, count) = (0, hostile.len());
    for frame in hostile {
        peer_now.frame(&frame).await;
        if !peer_now.is_answered().await {
            closed += 1;
            peer_now = peer(s.port).await;
        }
    }
    // Most break the terms; some break nothing.
    assert!(closed > count / 4 && closed < count, "{closed} of {count}");
    assert_eq!(beam.eval("length(nodes(hidden))"), "1");
    assert_eq!(
        beam.eval(&format!(
            "gen_server:call({{echo, '{}'}}, hello)",
            s.node.name()
        )),
        "hello"
    );
    let lines = log.lines();
    assert!(
        !lines.iter().any(|line| line.contains("panicked")),
        "a task panicked"
    );
    until("every end is told, with its reason", || {
        let told = |line: &&String| line.contains("hostile@127.0.0.1 lost: ");
        log.lines().iter().filter(told).count() >= closed
    })
    .await;
    s.node.shutdown().await;
}

/// A length is believed only as far as the bytes have come.
#[tokio::test(flavor = "multi_thread")]
async fn lengths_that_lie() {
    let s = setup().await;
    let mut liar = peer(s.port).await;
    tokio::io::AsyncWriteExt::write_all(&mut liar.stream, &[255, 255, 255, 255, 112])
        .await
        .unwrap();
    while liar.next_frame().await.is_some() {}
    for claimed in [
        &[112, 131, 105, 255, 255, 255, 255][..],
        &[112, 131, 108, 127, 255, 255, 255, 97],
    ] {
        let mut liar = peer(s.port).await;
        liar.frame(claimed).await;
        assert!(!liar.is_answered().await);
    }
    // Deep nesting costs no stack.
    let mut deep = peer(s.port).await;
    let mut frame = valid_frames(&s.echo)[1].clone();
    frame.truncate(frame.iter().rposition(|byte| *byte == 131).unwrap() + 1);
    frame.extend([104, 1].repeat(1_000_000));
    frame.push(106);
    deep.frame(&frame).await;
    assert!(deep.is_answered().await);
    s.node.shutdown().await;
}
