//! Calls, casts and messages reach a process in every form that BEAM nodes send.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::echo::{Echo, Noted};
use common::{Cluster, atom, beam::Beam, pid};
use esdb_dist::Node;
use std::sync::mpsc::Receiver;

struct Setup {
    _cluster: Cluster,
    node: Node,
    beam: Beam,
    noted: Receiver<Noted>,
}

/// The BEAM node knows the echo process as `Echo`, and as `{echo, Node}`.
async fn setup() -> Setup {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let mut beam = cluster.beam();
    let (echo, noted) = Echo::new();
    let echo = node.spawn(echo);
    node.register("echo", &echo);
    assert_eq!(beam.ping(node.name()), "pong");
    beam.eval(&format!(
        "Echo = {}, Node = '{}', Me = self(), ok",
        pid(&echo),
        node.name()
    ));
    Setup {
        _cluster: cluster,
        node,
        beam,
        noted,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls() {
    let mut s = setup().await;
    for (call, answer) in [
        ("gen_server:call(Echo, {hello, 1})", "{hello,1}"),
        ("gen_server:call({echo, Node}, hello)", "hello"),
        (
            "T = make_ref(), Echo ! {'$gen_call', {Me, T}, 7}, receive {T, R} -> R end",
            "7",
        ),
        (
            "A = monitor(process, Echo, [{alias, reply_demonitor}]),
             Echo ! {'$gen_call', {Me, [alias | A]}, 8}, receive {[alias | A], R8} -> R8 end",
            "8",
        ),
        (
            "Echo ! {'$gen_call', {Me, {my, \"tag\"}}, 9}, receive {{my, \"tag\"}, R9} -> R9 end",
            "9",
        ),
        (
            "gen_server:call(Echo, atom_to_binary(node()))",
            &format!("<<\"{}\">>", s.beam.name),
        ),
        (
            "catch gen_server:call({nobody, Node}, hello)",
            "{'EXIT',{noproc,",
        ),
        (
            "lists:sum([gen_server:call(Echo, N) || N <- lists:seq(1, 1000)])",
            "500500",
        ),
        (
            "process_info(self(), message_queue_len)",
            "{message_queue_len,0}",
        ),
    ] {
        let value = s.beam.eval(call);
        assert!(value.starts_with(answer), "{call} gives {value}");
    }
    s.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_many_processes_at_once() {
    let mut s = setup().await;
    let value = s.beam.eval(
        "Pids = [spawn_monitor(fun() -> exit({got, gen_server:call(Echo, N)}) end)
             || N <- lists:seq(1, 2000)],
         lists:usort([receive {'DOWN', Ref, _, _, {R, _}} -> R end || {_, Ref} <- Pids])",
    );
    assert_eq!(value, "[got]");
    s.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up_is_told() {
    let mut s = setup().await;
    s.beam.eval("R1 = monitor(process, Echo), demonitor(R1)");
    let noted = s.noted.recv_timeout(common::PATIENCE).unwrap();
    assert_eq!(noted, Noted::Demonitored);
    // A lost connection takes back all monitors.
    s.beam
        .eval("monitor(process, Echo), erlang:disconnect_node(Node)");
    let noted = s.noted.recv_timeout(common::PATIENCE).unwrap();
    assert_eq!(noted, Noted::Demonitored);
    s.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn casts_and_messages() {
    let mut s = setup().await;
    let me = s.beam.eval(
        "<<131, Bytes/binary>> = term_to_binary(self(), [{minor_version, 2}]),
         binary_to_list(Bytes)",
    );
    for (cast, by_pid) in [
        ("gen_server:cast(Echo, hello)", true),
        ("gen_server:cast({echo, Node}, hello)", false),
        // with a trace token
        (
            "seq_trace:set_token(label, 1), gen_server:cast(Echo, hello)",
            true,
        ),
        (
            "gen_server:cast({echo, Node}, hello), seq_trace:set_token([]), ok",
            false,
        ),
    ] {
        assert!(["ok", "[]"].contains(&s.beam.eval(cast).as_str()), "{cast}");
        let noted = s.noted.recv_timeout(common::PATIENCE).unwrap();
        let Noted::Cast { sender, term } = noted else {
            panic!("{cast}: {noted:?}")
        };
        assert_eq!(term, atom("hello"));
        let sender = sender.expect("the sender is told");
        assert!(by_pid || !sender.is_empty());
        assert_eq!(
            format!("{:?}", sender.as_slice()).replace(' ', ""),
            me,
            "{cast}"
        );
    }
    s.beam
        .eval("Echo ! plain, {nobody, Node} ! lost, {echo, Node} ! plain");
    for _ in 0..2 {
        let noted = s.noted.recv_timeout(common::PATIENCE).unwrap();
        assert_eq!(noted, Noted::Other(atom("plain")));
    }
    s.node.shutdown().await;
}
