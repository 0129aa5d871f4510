//! Monitors and links of a peer learn that a process has ended, or that it never was.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::echo::Echo;
use common::{Cluster, atom, beam::Beam, pid};
use esdb_dist::Node;
use esdb_etf::Pid;

/// The BEAM node knows a living process as `Echo` and a dead one as `Dead`; `Down` and `Exit` wait
/// for a message.
async fn setup() -> (Cluster, Node, Beam, Pid) {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let mut beam = cluster.beam();
    let echo = node.spawn(Echo::new().0);
    let dead = node.spawn(Echo::new().0);
    node.exit(&dead, &atom("normal"));
    node.register("echo", &echo);
    assert_eq!(beam.ping(node.name()), "pong");
    beam.eval(&format!(
        "Echo = {}, Dead = {}, Node = '{}',
         Down = fun(Ref) -> receive {{'DOWN', Ref, process, Of, Why}} -> {{Of, Why}} after 5000 -> none end end,
         Exit = fun(Of) -> receive {{'EXIT', Of, Why}} -> Why after 5000 -> none end end, ok",
        pid(&echo),
        pid(&dead),
        node.name()
    ));
    (cluster, node, beam, echo)
}

#[tokio::test(flavor = "multi_thread")]
async fn monitors_of_nobody() {
    let (_cluster, node, mut beam, _) = setup().await;
    assert_eq!(
        beam.eval("{Dead, noproc} =:= Down(monitor(process, Dead))"),
        "true"
    );
    let by_name = "{{nobody, Node}, noproc} =:= Down(monitor(process, {nobody, Node}))";
    assert_eq!(beam.eval(by_name), "true");
    // of an earlier start of the node
    let earlier = Pid {
        creation: node.creation() - 1,
        ..node.spawn(Echo::new().0)
    };
    let expression = format!("element(2, Down(monitor(process, {})))", pid(&earlier));
    assert_eq!(beam.eval(&expression), "noproc");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn monitors_by_pid_and_by_name() {
    let (_cluster, node, mut beam, echo) = setup().await;
    beam.eval("A = monitor(process, Echo), B = monitor(process, {echo, Node})");
    beam.eval("C = monitor(process, Echo), demonitor(C), gen_server:call(Echo, seen)");
    node.exit(&echo, &atom("finished"));
    assert_eq!(beam.eval("{Echo, finished} =:= Down(A)"), "true");
    assert_eq!(beam.eval("{{echo, Node}, finished} =:= Down(B)"), "true");
    assert_eq!(
        beam.eval("process_info(self(), message_queue_len)"),
        "{message_queue_len,0}"
    );
    assert_eq!(
        beam.eval("element(2, Down(monitor(process, {echo, Node})))"),
        "noproc"
    );
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links() {
    let (_cluster, node, mut beam, echo) = setup().await;
    assert_eq!(beam.eval("link(Dead), Exit(Dead)"), "noproc");
    beam.eval("link(Echo), unlink(Echo), link(Echo), gen_server:call(Echo, seen)");
    // Neither the end of a linked process nor an exit signal ends a process of this node.
    beam.eval("exit(Echo, kill), spawn(fun() -> link(Echo), exit(crashed) end)");
    assert_eq!(beam.eval("gen_server:call(Echo, alive)"), "alive");
    node.exit(&echo, &atom("finished"));
    assert_eq!(beam.eval("Exit(Echo)"), "finished");
    assert_eq!(
        beam.eval("process_info(self(), message_queue_len)"),
        "{message_queue_len,0}"
    );
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_taken_back_is_silent() {
    let (_cluster, node, mut beam, echo) = setup().await;
    beam.eval("link(Echo), gen_server:call(Echo, x), unlink(Echo), gen_server:call(Echo, seen)");
    beam.eval("R = monitor(process, Echo), gen_server:call(Echo, seen)");
    node.exit(&echo, &atom("finished"));
    assert_eq!(beam.eval("element(2, Down(R))"), "finished");
    assert_eq!(
        beam.eval("process_info(self(), message_queue_len)"),
        "{message_queue_len,0}"
    );
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_tells_shutdown() {
    let (_cluster, node, mut beam, _) = setup().await;
    beam.eval("A = monitor(process, Echo), link(Echo), gen_server:call(Echo, seen)");
    node.shutdown().await;
    assert_eq!(
        beam.eval("{element(2, Down(A)), Exit(Echo)}"),
        "{shutdown,shutdown}"
    );
}
