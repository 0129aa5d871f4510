//! Connections that say nothing take no place from nodes that do: neither from those that want to come
//! in, nor from those that are in, nor do they fill the log.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::log::Log;
use common::raw_peer::RawPeer;
use common::{Cluster, until};
use esdb_dist::Node;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

/// A fraction of a second, but on a machine that is busy with other tests; less than a handshake and a
/// port mapper's client may take, which is how long a newcomer would wait otherwise.
const AT_ONCE: Duration = Duration::from_secs(3);

async fn port_of(cluster: &Cluster) -> u16 {
    let epmd = ([127, 0, 0, 1], cluster.epmd_port).into();
    esdb_dist::epmd_names(epmd).await.unwrap().remove(0).1
}

/// So many connections from `address` that say nothing.
async fn silent(address: &str, port: u16, count: usize) -> Vec<TcpStream> {
    let mut silent = Vec::new();
    for _ in 0..count {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(format!("{address}:0").parse().unwrap())
            .unwrap();
        let to = ([127, 0, 0, 1], port).into();
        silent.push(socket.connect(to).await.unwrap());
    }
    silent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_in_past_a_thousand() {
    let log = Log::capture();
    let cluster = Cluster::new();
    let mut config = cluster.config();
    config.limits.handshake = Duration::from_secs(60);
    let node = Node::start(config).await.unwrap();
    let port = port_of(&cluster).await;
    let mut member = cluster.beam();
    assert_eq!(member.ping(node.name()), "pong");
    let mut newcomer = cluster.beam();
    let mut silent = silent("127.0.0.1", port, 1_000).await;
    let ping = format!("timer:tc(net_adm, ping, ['{}'])", node.name());
    let answer = newcomer.eval(&ping);
    let micros = answer.strip_suffix(",pong}").expect(&answer);
    let took = Duration::from_micros(micros[1..].parse().unwrap());
    assert!(took < AT_ONCE, "{answer}");
    assert_eq!(member.ping(node.name()), "pong");
    assert_eq!(node.connections().len(), 2);
    // The first ones gave way, the last ones are still waited for.
    let closed = silent[0].read(&mut [0]).await.unwrap();
    assert_eq!(closed, 0);
    let last = silent[999].read_u8();
    let waiting = tokio::time::timeout(Duration::from_millis(50), last).await;
    assert!(waiting.is_err(), "{waiting:?}");
    let told = |lines: Vec<String>| {
        let of_these = |l: &&String| l.contains("it was the oldest") && l.contains("=127.0.0.1:");
        lines.iter().filter(of_these).count()
    };
    until("it is told", || told(log.lines()) > 0).await;
    assert!(told(log.lines()) <= 10, "{}", told(log.lines()));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_handshake_survives_a_flood_from_elsewhere() {
    let cluster = Cluster::new();
    let mut config = cluster.config();
    config.limits.handshakes = 8;
    config.limits.handshake = Duration::from_secs(60);
    let node = Node::start(config).await.unwrap();
    let port = port_of(&cluster).await;
    let mut slow = RawPeer::reach(port, "slow@127.0.0.1").await;
    let mut flood = silent("127.0.0.2", port, 100).await;
    assert_eq!(flood[0].read(&mut [0]).await.unwrap(), 0);
    let hello = slow.hello();
    assert_eq!(slow.shake(&hello).await, "ok");
    until("it is connected", || {
        node.connection("slow@127.0.0.1").is_some()
    })
    .await;
    node.shutdown().await;
}

/// Our own port mapper is where a newcomer asks first.
#[tokio::test(flavor = "multi_thread")]
async fn the_port_mapper_answers_past_a_thousand() {
    let cluster = Cluster::without_epmd();
    let node = cluster.node().await;
    let _silent = silent("127.0.0.1", cluster.epmd_port, 1_010).await;
    let asked = tokio::time::timeout(AT_ONCE, port_of(&cluster));
    asked.await.expect("it answers at once");
    node.shutdown().await;
}
