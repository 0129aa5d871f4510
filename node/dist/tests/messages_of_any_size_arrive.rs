//! Messages of any size arrive whole, and come back whole; a frame beyond the limit is refused.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::echo::Echo;
use common::{Cluster, pid, until};
use esdb_dist::Node;

#[tokio::test(flavor = "multi_thread")]
async fn from_one_byte_to_64_mib() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let mut beam = cluster.beam();
    let echo = node.spawn(Echo::new().0);
    assert_eq!(beam.ping(node.name()), "pong");
    beam.eval(&format!("Echo = {}", pid(&echo)));
    let sizes = "[1, 2, 100, 1000, 4090, 4096, 65530, 65536, 65540, 1 bsl 20, 3000001, 16 bsl 20, 64 bsl 20]";
    let value = beam.eval(&format!(
        "[begin B = rand:bytes(N), {{N, true}} = {{N, gen_server:call(Echo, B, 30000) =:= B}} end
          || N <- {sizes}], done"
    ));
    assert_eq!(value, "done");
    let shapes = "[lists:seq(1, 300000), {}, #{}, list_to_tuple(lists:seq(1, 70000)), \
         maps:from_list([{N, N} || N <- lists:seq(1, 50000)]), [a | b], 1 bsl 5000, <<1:3>>, \
         fun lists:seq/2, fun() -> Echo end, make_ref(), self(), 1.5, <<>>, [], \"text\", -1]";
    let value = beam.eval(&format!(
        "[T || T <- {shapes}, gen_server:call(Echo, T, 30000) =/= T]"
    ));
    assert_eq!(value, "[]");
    // Small messages go on while large ones are on their way.
    let value = beam.eval(
        "Large = rand:bytes(8 bsl 20),
         Callers = [spawn_monitor(fun() -> Large = gen_server:call(Echo, Large, 30000), exit(done) end)
             || _ <- [1, 2, 3]],
         small = lists:last([gen_server:call(Echo, small, 30000) || _ <- lists:seq(1, 200)]),
         [receive {'DOWN', R, _, _, Why} -> Why end || {_, R} <- Callers]",
    );
    assert_eq!(value, "[done,done,done]");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_beyond_the_limit_closes_the_connection() {
    let cluster = Cluster::new();
    let mut config = cluster.config();
    config.limits.frame_bytes = 100_000;
    let node = Node::start(config).await.unwrap();
    let mut beam = cluster.beam();
    let echo = node.spawn(Echo::new().0);
    beam.eval(&format!("Echo = {}", pid(&echo)));
    assert_eq!(
        beam.eval("byte_size(gen_server:call(Echo, <<0:(8 * 90000)>>))"),
        "90000"
    );
    let refused = beam.eval("element(1, element(2, catch gen_server:call(Echo, <<0:800000>>)))");
    assert!(refused.starts_with("{nodedown,"), "{refused}");
    assert_eq!(beam.eval("gen_server:call(Echo, again)"), "again");
    node.shutdown().await;
}

/// A peer that takes nothing is not waited for, and does not fill this node's memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_reads_nothing_is_dropped() {
    let cluster = Cluster::new();
    let mut config = cluster.config();
    config.limits.queued_bytes = 1 << 20;
    let node = Node::start(config).await.unwrap();
    let mut beam = cluster.beam();
    assert_eq!(beam.ping(node.name()), "pong");
    let process = beam.eval("os:getpid()").replace('"', "");
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill")
            .args([name, &process])
            .status()
            .unwrap();
        assert!(sent.success());
    };
    let connection = node.connection(&beam.name).unwrap();
    let to = common::atom("nobody");
    signal("-STOP");
    until("it is dropped", || {
        connection.send(&to, true, |out| esdb_etf::put::binary(out, &[0; 100_000]));
        node.connections().is_empty()
    })
    .await;
    signal("-CONT");
    // It learns of its loss by its first attempt.
    until("it is back", || beam.ping(node.name()) == "pong").await;
    node.shutdown().await;
}
