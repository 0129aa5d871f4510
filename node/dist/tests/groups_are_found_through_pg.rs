//! Groups are found through pg, whatever happens to scopes and connections, and the scope
//! processes of the BEAM nodes, which nobody restarts, live through it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::echo::Echo;
use common::{Cluster, beam::Beam, pid, until};
use esdb_etf::Pid;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const SCOPE: &str = "a_scope";

fn members(beam: &mut Beam, group: &str) -> String {
    beam.eval(&format!("lists:sort(pg:get_members({SCOPE}, {group}))"))
}

/// The pids as `members` prints them.
fn printed(beam: &mut Beam, pids: &[&Pid]) -> String {
    let pids: Vec<String> = pids.iter().map(|p| pid(p)).collect();
    beam.eval(&format!("lists:sort([{}])", pids.join(",")))
}

async fn found(beam: &mut Beam, group: &str, pids: &[&Pid]) {
    let expected = printed(beam, pids);
    until("the members are found", || members(beam, group) == expected).await;
}

/// Starts the scope, and remembers its process.
fn start_scope(beam: &mut Beam) {
    let started = beam.eval(&format!("{{ok, Scope}} = pg:start({SCOPE}), ok"));
    assert_eq!(started, "ok");
}

fn scope_lives(beam: &mut Beam) {
    assert_eq!(beam.eval(&format!("whereis({SCOPE}) =:= Scope")), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_three_nodes() {
    let cluster = Cluster::new();
    let mut beams = [cluster.beam(), cluster.beam(), cluster.beam()];
    let names: Vec<String> = beams.iter().map(|beam| beam.name.clone()).collect();
    for beam in &mut beams {
        names
            .iter()
            .for_each(|name| assert_eq!(beam.ping(name), "pong"));
    }
    beams.iter_mut().take(2).for_each(start_scope);
    let node = cluster
        .node_connected_to(&beams.iter().collect::<Vec<_>>())
        .await;
    let [a, b] = [(); 2].map(|()| node.spawn(Echo::new().0));
    node.pg_join(SCOPE, "one", &[a.clone(), b.clone()]);
    node.pg_join(SCOPE, "two", std::slice::from_ref(&b));
    // The third node's scope starts late.
    start_scope(&mut beams[2]);
    for beam in &mut beams {
        found(beam, "one", &[&a, &b]).await;
        found(beam, "two", &[&b]).await;
        assert_eq!(
            beam.eval(&format!("length(pg:get_local_members({SCOPE}, one))")),
            "0"
        );
        let call = format!("gen_server:call(hd(pg:get_members({SCOPE}, one)), hello)");
        assert_eq!(beam.eval(&call), "hello");
    }
    // BEAM nodes join, leave and end; ours stay.
    beams[0].eval(&format!("pg:join({SCOPE}, one, [self(), self()])"));
    until("joined", || {
        beams[1].eval(&format!("length(pg:get_members({SCOPE}, one))")) == "4"
    })
    .await;
    beams[0].eval(&format!(
        "pg:leave({SCOPE}, one, [self(), self()]), pg:join({SCOPE}, {{any, 1}}, self())"
    ));
    // Members change and end.
    let left = |groups: &[&str]| -> Vec<_> {
        groups
            .iter()
            .map(|group| ((*group).to_owned(), a.clone()))
            .collect()
    };
    node.pg_leave(SCOPE, &left(&["one", "never"]));
    node.pg_join(SCOPE, "two", &[a.clone(), a.clone()]);
    for beam in &mut beams {
        found(beam, "one", &[&b]).await;
        found(beam, "two", &[&a, &a, &b]).await;
    }
    node.exit(&b, &common::atom("normal"));
    node.pg_leave(SCOPE, &left(&["two", "two"]));
    for beam in &mut beams {
        found(beam, "one", &[]).await;
        found(beam, "two", &[]).await;
        scope_lives(beam);
    }
    node.shutdown().await;
    beams.iter_mut().for_each(scope_lives);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_scope_was_restarted() {
    let cluster = Cluster::new();
    let mut beam = cluster.beam();
    let node = cluster.node_connected_to(&[&beam]).await;
    let a = node.spawn(Echo::new().0);
    node.pg_join(SCOPE, "one", std::slice::from_ref(&a));
    for _ in 0..3 {
        start_scope(&mut beam);
        found(&mut beam, "one", &[&a]).await;
        assert_eq!(
            beam.eval(&format!("gen_server:stop(Scope), whereis({SCOPE})")),
            "undefined"
        );
        beam.forget("Scope");
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_connection_was_lost() {
    let cluster = Cluster::new();
    let mut beam = cluster.beam();
    start_scope(&mut beam);
    let node = cluster.node_connected_to(&[&beam]).await;
    let a = node.spawn(Echo::new().0);
    node.pg_join(SCOPE, "one", std::slice::from_ref(&a));
    for _ in 0..5 {
        found(&mut beam, "one", &[&a]).await;
        let lost = format!(
            "Ref = monitor(process, hd(pg:get_members({SCOPE}, one))),
             erlang:disconnect_node('{}'),
             receive {{'DOWN', Ref, _, _, noconnection}} -> lost after 5000 -> none end",
            node.name()
        );
        assert_eq!(beam.eval(&lost), "lost");
        beam.forget("Ref");
        found(&mut beam, "one", &[&a]).await;
        scope_lives(&mut beam);
    }
    node.shutdown().await;
    found(&mut beam, "one", &[]).await;
    scope_lives(&mut beam);
}

#[tokio::test(flavor = "multi_thread")]
async fn not_before_the_gate_is_open() {
    let cluster = Cluster::new();
    let mut beam = cluster.beam();
    start_scope(&mut beam);
    let node = cluster.node().await;
    let (asked, gate) = (
        Arc::new(AtomicU32::new(0)),
        Arc::new(tokio::sync::Notify::new()),
    );
    let (noted, opened) = (asked.clone(), gate.clone());
    node.hold_first_sync(Arc::new(move |_| {
        noted.fetch_add(1, Ordering::Relaxed);
        let opened = opened.clone();
        Box::pin(async move { opened.notified().await })
    }));
    let a = node.spawn(Echo::new().0);
    node.pg_join(SCOPE, "one", std::slice::from_ref(&a));
    assert_eq!(beam.ping(node.name()), "pong");
    until("the gate was asked", || asked.load(Ordering::Relaxed) == 1).await;
    // The scope has met ours, so it would know the members by now.
    let monitored = "length(element(2, process_info(Scope, monitors)))";
    until("the scopes know each other", || beam.eval(monitored) == "1").await;
    node.pg_join(SCOPE, "two", std::slice::from_ref(&a));
    assert_eq!(beam.ping(node.name()), "pong");
    assert_eq!(
        (members(&mut beam, "one"), members(&mut beam, "two")),
        ("[]".into(), "[]".into())
    );
    gate.notify_one();
    found(&mut beam, "one", &[&a]).await;
    found(&mut beam, "two", &[&a]).await;
    // The next scope process may belong to another client.
    beam.eval("gen_server:stop(Scope)");
    beam.forget("Scope");
    start_scope(&mut beam);
    until("the gate was asked again", || {
        asked.load(Ordering::Relaxed) == 2
    })
    .await;
    assert_eq!(members(&mut beam, "one"), "[]");
    gate.notify_one();
    found(&mut beam, "one", &[&a]).await;
    node.shutdown().await;
}

/// What this node sends is, to the byte, what `pg` of a BEAM node would send.
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_those_of_a_real_node() {
    let cluster = Cluster::new();
    let mut beam = cluster.beam();
    let pids = [100, 101, 102].map(|id| Pid {
        node: Arc::from("rust@127.0.0.1"),
        id,
        serial: 7,
        creation: 1_600_000_000,
    });
    beam.eval(&format!(
        "R = {}, A = {}, B = {}",
        pid(&pids[0]),
        pid(&pids[1]),
        pid(&pids[2])
    ));
    let mut golden = |message: &dyn Fn(&mut Vec<u8>), term: &str| {
        let mut ours = Vec::new();
        message(&mut ours);
        let theirs = beam.eval(&format!(
            "<<131, Golden/binary>> = term_to_binary({term}, [{{minor_version, 2}}]), binary_to_list(Golden)"
        ));
        beam.forget("Golden");
        let theirs = theirs.replace('"', "");
        assert_eq!(format!("{ours:?}").replace(' ', ""), theirs, "{term}");
    };
    use esdb_dist::pg::message::{discover, join, sync};
    golden(&|out| discover(out, &pids[0]), "{discover, R}");
    golden(
        &|out| join(out, &pids[0], "one", &pids[1..]),
        "{join, R, one, [A, B]}",
    );
    let none: [(&str, &[Pid]); 0] = [];
    golden(
        &|out| sync(out, &pids[0], none.into_iter()),
        "{'$gen_cast', {sync, R, []}}",
    );
    let groups = [
        ("one", &pids[1..2]),
        ("empty", &pids[..0]),
        ("two", &pids[1..]),
    ];
    golden(
        &|out| sync(out, &pids[0], groups.into_iter()),
        "{'$gen_cast', {sync, R, [{one, [A]}, {two, [A, B]}]}}",
    );
}
