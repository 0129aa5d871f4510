//! Whatever bytes a peer sends, nothing panics, at most that connection ends, and others go on.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::echo::Echo;
use common::log::Log;
use common::raw_peer::RawPeer;
use common::{Cluster, until};
use esdb_dist::Node;
use esdb_etf::{Pid, Reference, put};
use std::net::SocketAddr;
use std::sync::Arc;

/// Numbers that look random and are the same in each run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n
    }
}

fn pid_of(name: &str, id: u32, creation: u32) -> Pid {
    Pid {
        node: Arc::from(name),
        id,
        serial: 0,
        creation,
    }
}

/// One frame of each sort that a peer can send to the process `to`.
fn valid_frames(to: &Pid) -> Vec<Vec<u8>> {
    let from = pid_of("hostile@127.0.0.1", 50, 77);
    let reference = Reference {
        node: from.node.clone(),
        creation: 77,
        words: vec![1, 2, 3],
    };
    let atom = |name: &'static str| move |out: &mut Vec<u8>| put::atom(out, name);
    let number = |n: i64| move |out: &mut Vec<u8>| put::integer(out, n);
    type Part<'a> = &'a dyn Fn(&mut Vec<u8>);
    let (f, t, r): (Part<'_>, Part<'_>, Part<'_>) =
        (&|out| from.put(out), &|out| to.put(out), &|out| {
            reference.put(out)
        });
    let none: Part<'_> = &atom("");
    let name: Part<'_> = &atom("echo");
    let call: Part<'_> = &|out| {
        put::tuple(out, 3);
        put::atom(out, "$gen_call");
        put::tuple(out, 2);
        from.put(out);
        put::list(out, 1);
        put::atom(out, "alias");
        reference.put(out);
        put::integer(out, 1 << 40);
    };
    let mfa: Part<'_> = &|out| {
        put::tuple(out, 3);
        put::atom(out, "erpc");
        put::atom(out, "execute_call");
        put::integer(out, 4);
    };
    let options: Part<'_> = &|out| {
        put::list(out, 1);
        put::atom(out, "monitor");
        put::nil(out);
    };
    let arguments: Part<'_> = &|out| {
        put::list(out, 4);
        reference.put(out);
        put::atom(out, "erlang");
        put::atom(out, "node");
        put::nil(out);
        put::nil(out);
    };
    let sync: Part<'_> = &|out| esdb_dist::pg::message::sync(out, &from, [].into_iter());
    let discover: Part<'_> = &|out| esdb_dist::pg::message::discover(out, &from);
    let scope: Part<'_> = &atom("a_scope");
    let (id, token): (Part<'_>, Part<'_>) = (&number(7), &atom("token"));
    let frames: Vec<(u8, Vec<Part<'_>>, Option<Part<'_>>)> = vec![
        (1, vec![f, t], None),
        (2, vec![none, t], Some(call)),
        (3, vec![f, t, none], None),
        (4, vec![f, t], None),
        (5, vec![], None),
        (6, vec![f, none, name], Some(call)),
        (6, vec![f, none, scope], Some(discover)),
        (6, vec![f, none, scope], Some(sync)),
        (7, vec![f, t], None),
        (8, vec![f, t, none], None),
        (12, vec![none, t, token], Some(call)),
        (13, vec![f, t, token, none], None),
        (16, vec![f, none, name, token], Some(call)),
        (18, vec![f, t, token, none], None),
        (19, vec![f, t, r], None),
        (19, vec![f, name, r], None),
        (20, vec![f, t, r], None),
        (21, vec![f, t, r, none], None),
        (22, vec![f, t], Some(call)),
        (23, vec![f, t, token], Some(call)),
        (24, vec![f, t], Some(none)),
        (25, vec![f, t, token], Some(none)),
        (26, vec![f, t], Some(none)),
        (27, vec![f, t, token], Some(none)),
        (28, vec![f, t, r], Some(none)),
        (29, vec![r, f, f, mfa, options], Some(arguments)),
        (30, vec![r, f, f, mfa, options, token], Some(arguments)),
        (31, vec![r, f, id, none], None),
        (32, vec![r, f, id, none, token], None),
        (33, vec![f, r], Some(call)),
        (34, vec![f, r, token], Some(call)),
        (35, vec![id, f, t], None),
        (36, vec![id, f, t], None),
    ];
    let write = |(operation, parts, message): (u8, Vec<Part<'_>>, Option<Part<'_>>)| {
        let mut out = vec![112, 131];
        put::tuple(&mut out, parts.len() + 1);
        put::integer(&mut out, i64::from(operation));
        parts.iter().for_each(|part| part(&mut out));
        if let Some(message) = message {
            out.push(131);
            message(&mut out);
        }
        out
    };
    frames.into_iter().map(write).collect()
}

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
