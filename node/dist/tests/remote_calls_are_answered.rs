//! Remote calls behave as those to a BEAM node, in both directions.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::{Cluster, PATIENCE, beam::Beam, until};
use esdb_dist::{CallError, Node};
use esdb_etf::{Term, put, tag};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The BEAM node knows this node as `Node`, and another BEAM node as `Other`.
async fn setup() -> (Cluster, Node, Beam, Beam) {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    node.export(
        "numbers",
        "sum",
        2,
        Arc::new(|arguments: &[Term<'_>], out: &mut Vec<u8>| {
            put::integer(out, arguments.iter().filter_map(|n| n.as_i64()).sum());
        }),
    );
    let (mut beam, other) = (cluster.beam(), cluster.beam());
    assert_eq!(beam.ping(node.name()), "pong");
    assert_eq!(beam.ping(&other.name), "pong");
    beam.eval(&format!(
        "Node = '{}', Other = '{}'",
        node.name(),
        other.name
    ));
    (cluster, node, beam, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_there_are() {
    let (_cluster, node, mut beam, _other) = setup().await;
    for (call, value) in [
        ("rpc:call(Node, erlang, node, []) =:= Node", "true"),
        ("erpc:call(Node, erlang, node, []) =:= Node", "true"),
        ("erpc:call(Node, erlang, node, [], 1000) =:= Node", "true"),
        ("rpc:call(Node, numbers, sum, [1, -2])", "-1"),
        ("erpc:call(Node, numbers, sum, [1, 2])", "3"),
        (
            "rpc:multicall([Node, Node], numbers, sum, [1, 2])",
            "{[3,3],[]}",
        ),
        (
            "K = rpc:async_call(Node, numbers, sum, [1, 2]), rpc:yield(K)",
            "3",
        ),
        (
            "E = erpc:send_request(Node, numbers, sum, [1, 2]), erpc:receive_response(E)",
            "3",
        ),
        (
            "gen_server:call({rex, Node}, {call, numbers, sum, [1, 2], group_leader()})",
            "3",
        ),
        (
            "{rpc:cast(Node, numbers, sum, [1, 2]), erpc:cast(Node, numbers, sum, [1, 2])}",
            "{true,ok}",
        ),
        (
            "{rpc:cast(Node, no, no, []), erpc:cast(Node, no, no, [])}",
            "{true,ok}",
        ),
        ("rpc:call(Node, numbers, sum, [1, 2])", "3"),
        (
            "process_info(self(), message_queue_len)",
            "{message_queue_len,0}",
        ),
    ] {
        assert_eq!(beam.eval(call), value, "{call}");
    }
    node.shutdown().await;
}

/// Whatever a BEAM node makes of an undefined function of another BEAM node, it makes of ours.
#[tokio::test(flavor = "multi_thread")]
async fn functions_that_there_are_not() {
    let (_cluster, node, mut beam, _other) = setup().await;
    for call in [
        "rpc:call(N, no_module, no_function, [])",
        "rpc:call(N, no_module, no_function, [a, \"b\", 1])",
        "try erpc:call(N, no_module, no_function, [1]) catch A:B -> {A, B} end",
        "try erpc:call(N, no_module, no_function, [1], 1000) catch A1:B1 -> {A1, B1} end",
        "rpc:multicall([N], no_module, no_function, [1])",
        "erpc:multicall([N], no_module, no_function, [1])",
        "K = rpc:async_call(N, no_module, no_function, []), rpc:yield(K)",
        // what Swarm asks each node that it sees
        "element(1, element(2, element(2, rpc:call(N, application_, which_applications, []))))",
    ] {
        let expected = beam.eval(&format!("(fun(N) -> {call} end)(Other)"));
        assert!(expected.contains("undef"), "{expected}");
        let began = Instant::now();
        assert_eq!(
            beam.eval(&format!("(fun(N) -> {call} end)(Node)")),
            expected,
            "{call}"
        );
        assert!(
            began.elapsed() < Duration::from_millis(500),
            "{call} took {:?}",
            began.elapsed()
        );
    }
    let swarm =
        "element(1, element(2, element(2, rpc:call(Node, application, which_applications, []))))";
    assert_eq!(beam.eval(swarm), "undef");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_processes_are_not_spawned() {
    let (_cluster, node, mut beam, _other) = setup().await;
    for (call, value) in [
        (
            "R = spawn_request(Node, lists, seq, [1, 2], [monitor]),
             receive {spawn_reply, R, error, Why} -> Why after 5000 -> none end",
            "notsup",
        ),
        (
            "spawn_request(Node, lists, seq, [1, 2], [{reply, success_only}]),
             receive Any -> Any after 0 -> none end",
            "none",
        ),
        // spawn, monitor and link by hand what erpc spawns
        (
            "R2 = spawn_request(Node, erpc, execute_call, [me, numbers, sum, [1, 2]], [monitor, link]),
             receive {spawn_reply, R2, ok, Pid} -> ok after 5000 -> none end",
            "ok",
        ),
        ("receive {'DOWN', R2, process, Pid, Reason} -> Reason after 5000 -> none end", "{me,return,3}"),
        ("receive {'EXIT', Pid, Exit} -> Exit after 5000 -> none end", "{me,return,3}"),
        ("gen_server:call({net_kernel, Node}, {is_auth, node()})", "yes"),
        ("process_info(self(), message_queue_len)", "{message_queue_len,0}"),
    ] {
        assert_eq!(beam.eval(call), value, "{call}");
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_a_peer() {
    let (_cluster, node, mut beam, _other) = setup().await;
    let mut arguments = Vec::new();
    put::list(&mut arguments, 2);
    put::integer(&mut arguments, 1);
    put::integer(&mut arguments, 3);
    put::nil(&mut arguments);
    let value = node
        .call(&beam.name, "lists", "seq", &arguments)
        .await
        .unwrap();
    let numbers: Vec<_> = Term::parse(&value)
        .unwrap()
        .as_list()
        .unwrap()
        .filter_map(Term::as_i64)
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    let failed = node
        .call(&beam.name, "lists", "no_such_function", &arguments)
        .await;
    let Err(CallError::BadRpc(reason)) = failed else {
        panic!("{failed:?}")
    };
    let [exit, _] = Term::parse(&reason).unwrap().as_array().unwrap();
    assert!(exit.is_atom("EXIT"));
    let nowhere = node
        .call("nobody@127.0.0.1", "lists", "seq", &arguments)
        .await;
    assert!(matches!(nowhere, Err(CallError::NotConnected(_))));
    // A call under way ends with the connection.
    let mut forever = Vec::new();
    put::list(&mut forever, 1);
    put::atom(&mut forever, "infinity");
    put::nil(&mut forever);
    let (name, caller) = (beam.name.clone(), node.clone());
    let call = tokio::spawn(async move { caller.call(&name, "timer", "sleep", &forever).await });
    let sleeps = "length([P || P <- processes(), {current_function, {timer, sleep, 1}} =:=
        process_info(P, current_function)])";
    until("the call is under way", || beam.eval(sleeps) == "1").await;
    beam.eval("erlang:disconnect_node(Node)");
    assert!(matches!(call.await.unwrap(), Err(CallError::Lost)));
    // A node without rex says so.
    assert_eq!(beam.eval("unregister(rex), net_adm:ping(Node)"), "pong");
    until("connected again", || !node.connections().is_empty()).await;
    let unserved = node.call(&beam.name, "lists", "seq", &arguments).await;
    assert!(
        matches!(unserved, Err(CallError::NotServed)),
        "{unserved:?}"
    );
    node.shutdown().await;
}

/// The answer may be there before the call is known to be under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_serves_none_says_so_each_time() {
    let (_cluster, node, mut beam, _other) = setup().await;
    assert_eq!(beam.eval("unregister(rex)"), "true");
    let callers = (0..8).map(|_| {
        let (node, name) = (node.clone(), beam.name.clone());
        tokio::spawn(async move {
            for nth in 0..2_500 {
                let call = node.call(&name, "erlang", "node", &[tag::NIL]);
                let answer = tokio::time::timeout(PATIENCE, call).await;
                assert!(
                    matches!(answer, Ok(Err(CallError::NotServed))),
                    "call {nth}: {answer:?}"
                );
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    node.shutdown().await;
}
