//! There is one connection between two nodes, and it is the one that both sides count.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use common::beam::Beam;
use common::echo::Echo;
use common::raw_peer::RawPeer;
use common::{COOKIE, Cluster, free_port, until};
use esdb_dist::{Config, ConnectError, Cookie, Node, Origin, Process};
use esdb_etf::Term;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

async fn port_of(cluster: &Cluster, node: &Node) -> u16 {
    let epmd = SocketAddr::from(([127, 0, 0, 1], cluster.epmd_port));
    let alive = node.name().split('@').next().unwrap();
    let names = esdb_dist::epmd_names(epmd).await.unwrap();
    names.into_iter().find(|(name, _)| name == alive).unwrap().1
}

/// The peer has lost a connection that this node still holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_comes_again() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let port = port_of(&cluster, &node).await;
    let mut first = RawPeer::reach(port, "peer@127.0.0.1").await;
    let hello = first.hello();
    assert_eq!(first.shake(&hello).await, "ok");
    until("connected", || node.connections().len() == 1).await;
    // A stranger of the same name does not disturb the connection.
    let mut stranger = RawPeer::reach(port, "peer@127.0.0.1").await;
    stranger.packet(&hello).await;
    assert_eq!(stranger.answer().await, b"salive");
    stranger.packet(b"strue").await;
    stranger.answer().await;
    stranger.packet(&[b'r'; 21]).await;
    assert_eq!(stranger.next_frame().await, None);
    assert_eq!(node.connections().len(), 1);

    let mut second = RawPeer::reach(port, "peer@127.0.0.1").await;
    second.creation = 78;
    let hello = second.hello();
    assert_eq!(second.shake(&hello).await, "alive");
    assert_eq!(first.next_frame().await, None);
    until("replaced", || {
        node.connections().iter().any(|c| c.creation == 78)
    })
    .await;
    // And one that has not lost it.
    let mut third = RawPeer::reach(port, "peer@127.0.0.1").await;
    third.packet(&hello).await;
    assert_eq!(third.answer().await, b"salive");
    third.packet(b"sfalse").await;
    assert_eq!(third.next_frame().await, None);
    assert_eq!(node.connections()[0].creation, 78);
    node.shutdown().await;
}

/// This node has lost a connection that the BEAM node still holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_still_holds_the_connection() {
    let cluster = Cluster::new();
    let mut beam = cluster.beam();
    let name = cluster.name("rust");
    // Another program of this name keeps its connection.
    let epmd = SocketAddr::from(([127, 0, 0, 1], cluster.epmd_port));
    let alive = beam.name.split('@').next().unwrap().to_owned();
    let names = esdb_dist::epmd_names(epmd).await.unwrap();
    let port = names
        .into_iter()
        .find(|(known, _)| *known == alive)
        .unwrap()
        .1;
    let mut former = RawPeer::reach(port, &name).await;
    let hello = former.hello();
    assert_eq!(former.shake(&hello).await, "ok");
    until("connected", || beam.eval("length(nodes(connected))") == "1").await;

    let mut config = Config::new(&name, Cookie::new(COOKIE));
    config.epmd_port = cluster.epmd_port;
    config.connect = vec![beam.name.clone()];
    let node = Node::start(config).await.unwrap();
    until("connected anew", || node.connections().len() == 1).await;
    assert_eq!(beam.ping(&name), "pong");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_the_old_handshake() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let mut peer = RawPeer::reach(port_of(&cluster, &node).await, "old@127.0.0.1").await;
    let hello = peer.old_hello();
    assert_eq!(peer.shake(&hello).await, "ok");
    until("connected", || node.connections().len() == 1).await;
    assert_eq!(node.connections()[0].creation, 77);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in() {
    let cluster = Cluster::new();
    let mut config = cluster.config();
    config.limits.handshake = std::time::Duration::from_millis(300);
    let node = Node::start(config).await.unwrap();
    let port = port_of(&cluster, &node).await;
    // a node of this node's name
    let mut peer = RawPeer::reach(port, node.name()).await;
    let hello = peer.hello();
    peer.packet(&hello).await;
    assert_eq!(peer.answer().await, b"snot_allowed");
    // a node without big creations
    let mut peer = RawPeer::reach(port, "lacking@127.0.0.1").await;
    let mut hello = peer.hello();
    (hello[5], hello[6]) = (hello[5] & !4, hello[6] & !4);
    peer.packet(&hello).await;
    assert_eq!(peer.answer().await, b"snot_allowed");
    assert_eq!(peer.next_frame().await, None);
    // a name that is none
    let mut peer = RawPeer::reach(port, "nobody").await;
    let hello = peer.hello();
    peer.packet(&hello).await;
    assert_eq!(peer.next_frame().await, None);
    // one that says nothing
    let mut peer = RawPeer::reach(port, "silent@127.0.0.1").await;
    assert_eq!(peer.next_frame().await, None);
    assert!(node.connections().is_empty());
    node.shutdown().await;
}

/// A node and a peer that dial each other: the peer first, and up to the status; this node up to its
/// name.
struct BothDial {
    node: Node,
    theirs: RawPeer,
    ours: RawPeer,
    dialling: JoinHandle<Result<(), ConnectError>>,
}

impl BothDial {
    async fn begin() -> BothDial {
        let (name, any) = ("peer@127.0.0.1", ("127.0.0.1", 0));
        let epmd = TcpListener::bind(any).await.unwrap();
        let listener = TcpListener::bind(any).await.unwrap();
        let mut config = Config::new("rust@127.0.0.1", Cookie::new(COOKIE));
        (config.register, config.listen_port) = (false, free_port());
        config.epmd_port = epmd.local_addr().unwrap().port();
        let port = config.listen_port;
        let node = Node::start(config).await.unwrap();
        node.register("echo", &node.spawn(Echo::new().0));
        let mut theirs = RawPeer::reach(port, name).await;
        let hello = theirs.hello();
        theirs.packet(&hello).await;
        assert_eq!(theirs.answer().await, b"sok");
        let dialler = node.clone();
        let dialling = tokio::spawn(async move { dialler.connect(name).await });
        let mut asked = epmd.accept().await.unwrap().0;
        let [high, low] = listener.local_addr().unwrap().port().to_be_bytes();
        asked.write_all(&[119, 0, high, low]).await.unwrap();
        let mut ours = RawPeer::on(listener.accept().await.unwrap().0, name);
        assert_eq!(ours.answer().await[0], b'N');
        BothDial {
            node,
            theirs,
            ours,
            dialling,
        }
    }
}

/// The peer's own dialling is complete when it hears of ours. It asks whether we have lost that
/// connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_connection_came_while_this_node_dialled() {
    let mut both = BothDial::begin().await;
    both.theirs.prove(false).await;
    both.ours.packet(b"salive").await;
    assert_eq!(both.ours.answer().await, b"sfalse");
    assert!(both.dialling.await.unwrap().is_err());
    assert!(both.theirs.is_answered().await);
    assert_eq!(both.node.connections().len(), 1);
    both.node.shutdown().await;
}

/// The peer gives up its own dialling for ours, but the last that it has said there arrives late.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_has_given_up_its_dialling() {
    let mut both = BothDial::begin().await;
    both.ours.welcome(b"sok_simultaneous").await;
    assert!(both.dialling.await.unwrap().is_ok());
    assert!(both.ours.is_answered().await);
    both.theirs.prove(false).await;
    assert_eq!(both.theirs.next_frame().await, None);
    assert!(both.ours.is_answered().await);
    both.node.shutdown().await;
}

/// When the peer hangs up it may dial at once: this node gives it time to.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_hangs_up_is_not_dialled_at_once() {
    let any = ("127.0.0.1", 0);
    let epmd = TcpListener::bind(any).await.unwrap();
    let listener = TcpListener::bind(any).await.unwrap();
    let mut config = Config::new("rust@127.0.0.1", Cookie::new(COOKIE));
    (config.register, config.connect) = (false, vec!["peer@127.0.0.1".to_owned()]);
    config.epmd_port = epmd.local_addr().unwrap().port();
    let node = Node::start(config).await.unwrap();
    for _ in 0..3 {
        let mut asked = epmd.accept().await.unwrap().0;
        let [high, low] = listener.local_addr().unwrap().port().to_be_bytes();
        asked.write_all(&[119, 0, high, low]).await.unwrap();
        let mut peer = RawPeer::on(listener.accept().await.unwrap().0, "peer@127.0.0.1");
        assert_eq!(peer.answer().await[0], b'N');
        peer.welcome(b"sok").await;
        until("connected", || node.connections().len() == 1).await;
        let hung_up = Instant::now();
        drop(peer);
        epmd.accept().await.unwrap();
        assert!(hung_up.elapsed() >= Duration::from_millis(100));
    }
    node.shutdown().await;
}

/// Whoever looks while a connection replaces another one finds the peer connected: were it dialled in
/// between, the peer would take that for the loss of the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_connection_leaves_no_gap() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let port = port_of(&cluster, &node).await;
    let name = "peer@127.0.0.1";
    let mut peer = RawPeer::reach(port, name).await;
    let hello = peer.hello();
    peer.shake(&hello).await;
    until("connected", || node.connection(name).is_some()).await;
    let ended = Arc::new(AtomicBool::new(false));
    let (looker, stop) = (node.clone(), ended.clone());
    let gaps = std::thread::spawn(move || {
        let mut gaps = 0;
        while !stop.load(Ordering::Relaxed) {
            gaps += u32::from(looker.connection(name).is_none());
        }
        gaps
    });
    // None of them hangs up by itself.
    let mut peers = vec![peer];
    for _ in 0..200 {
        let mut next = RawPeer::reach(port, name).await;
        assert_eq!(next.shake(&hello).await, "alive");
        peers.push(next);
    }
    until("in use", || node.connections().len() == 1).await;
    ended.store(true, Ordering::Relaxed);
    assert_eq!(gaps.join().unwrap(), 0);
    node.shutdown().await;
}

/// Takes its time for one message, and notes what it has done with.
struct Slow(Mutex<Vec<Vec<u8>>>);

impl Process for Slow {
    fn message(&self, _origin: &Origin<'_>, message: Term<'_>) {
        if message.is_atom("slow") {
            std::thread::sleep(Duration::from_millis(300));
        }
        self.0.lock().unwrap().push(message.as_bytes().to_vec());
    }
}

/// What came by a connection is done with before anything of the next one is looked at: the writes of
/// one sender keep their order.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_is_done_before() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let port = port_of(&cluster, &node).await;
    let slow = Arc::new(Slow(Mutex::default()));
    node.register("echo", &node.spawn(slow.clone()));
    let mut first = RawPeer::reach(port, "peer@127.0.0.1").await;
    let hello = first.hello();
    first.shake(&hello).await;
    first.say("slow").await;
    let mut second = RawPeer::reach(port, "peer@127.0.0.1").await;
    assert_eq!(second.shake(&hello).await, "alive");
    second.say("quick").await;
    until("both are done", || slow.0.lock().unwrap().len() == 2).await;
    let done = slow.0.lock().unwrap().clone();
    assert_eq!(done, [common::atom("slow"), common::atom("quick")]);
    node.shutdown().await;
}

/// Both dial at the same moment, many times, with the greater name on either side.
#[tokio::test(flavor = "multi_thread")]
async fn both_dial_at_once() {
    let cluster = Cluster::new();
    for alive in ["aaa", "zzz"] {
        let mut beam = Beam::start(&cluster.name("mmm"), cluster.epmd_port, COOKIE, &[]);
        let mut config = Config::new(&cluster.name(alive), Cookie::new(COOKIE));
        config.epmd_port = cluster.epmd_port;
        config.connect = vec![beam.name.clone()];
        let name = config.name.clone();
        beam.begin(&format!(
            "(fun Again(0) -> done; Again(N) ->
                net_kernel:connect_node('{name}'), erlang:disconnect_node('{name}'), Again(N - 1)
              end)(300)"
        ));
        let node = Node::start(config).await.unwrap();
        assert_eq!(beam.end(), "done");
        until("connected", || !node.connections().is_empty()).await;
        assert_eq!(beam.ping(&name), "pong");
        until("connected once", || node.connections().len() == 1).await;
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_nodes_of_this_kind_dial_at_once() {
    let cluster = Cluster::new();
    let [mut first, mut second] = [cluster.config(), cluster.config()];
    first.connect = vec![second.name.clone()];
    second.connect = vec![first.name.clone()];
    let (first, second) = tokio::join!(Node::start(first), Node::start(second));
    let (first, second) = (first.unwrap(), second.unwrap());
    until("connected", || {
        first.connections().len() == 1 && second.connections().len() == 1
    })
    .await;
    let mut nil = Vec::new();
    esdb_etf::put::nil(&mut nil);
    for (from, to) in [(&first, &second), (&second, &first)] {
        let node = from.call(to.name(), "erlang", "node", &nil).await.unwrap();
        assert_eq!(node, common::atom(to.name()));
    }
    first.shutdown().await;
    second.shutdown().await;
}
