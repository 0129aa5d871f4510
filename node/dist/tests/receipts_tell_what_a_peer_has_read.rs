//! A receipt comes when what was sent before it stands in the mailbox, and not at all from a peer
//! that is lost.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::{Cluster, PATIENCE, beam::Beam, until};
use esdb_dist::Connection;
use esdb_etf::put;
use tokio::time::timeout;

/// The raw pid of a process that keeps its messages, known to the BEAM node as `Keeper`.
fn keeper(beam: &mut Beam) -> Vec<u8> {
    beam.eval("Keeper = spawn(fun() -> receive stop -> ok end end), ok");
    let bytes = beam.eval("binary_to_list(term_to_binary(Keeper))");
    let bytes = bytes.trim_matches(['[', ']']).split(',');
    bytes.skip(1).map(|byte| byte.parse().unwrap()).collect()
}

fn send(connection: &Connection, to: &[u8], messages: u64) -> u64 {
    let mut receipt = 0;
    for n in 0..messages {
        connection.send(to, false, |out| put::unsigned(out, n));
        receipt = connection.receipt();
    }
    receipt
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_sent_before_is_there() {
    let cluster = Cluster::new();
    let mut beam = cluster.beam();
    let node = cluster.node_connected_to(&[&beam]).await;
    let to = keeper(&mut beam);
    let connection = node.connection(&beam.name).unwrap();
    let mut sent = 0;
    for messages in [1, 1_000, 1, 5_000] {
        let receipt = send(&connection, &to, messages);
        sent += messages;
        assert_eq!(receipt, sent);
        let mut received = connection.received();
        let waited = timeout(PATIENCE, received.wait_for(|n| *n >= receipt)).await;
        assert_eq!(*waited.unwrap().unwrap(), receipt);
        let there = beam.eval("element(2, process_info(Keeper, message_queue_len))");
        assert_eq!(there, sent.to_string());
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_peer_gives_none() {
    let cluster = Cluster::new();
    let mut beam = cluster.beam();
    let node = cluster.node_connected_to(&[&beam]).await;
    let to = keeper(&mut beam);
    let connection = node.connection(&beam.name).unwrap();
    drop(beam);
    timeout(PATIENCE, connection.gone()).await.unwrap();
    let receipt = send(&connection, &to, 3);
    assert_eq!(receipt, 3);
    until("it is forgotten", || node.connections().is_empty()).await;
    assert_eq!(*connection.received().borrow(), 0);
    node.shutdown().await;
}
