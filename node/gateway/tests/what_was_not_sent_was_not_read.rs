//! evoq reads all events and then subscribes to those that it has not read. An answer for which there
//! was no room in time has told it nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use esdb_dist::{Config, Connection, Cookie, Node, Origin, Process};
use esdb_etf::{Pid, Term, put};
use esdb_gateway::{DataDir, Gateway, Settings};
use esdb_log::Options;
use esdb_store::Expected;
use esdb_testing::event::{Event, append};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

const STORE: &str = "a_store";
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that may wait for the client. An answer must leave a quarter of them free, and when another
/// quarter waits nothing is read from it any more.
const QUEUED: usize = 8 << 20;
const LARGE_EVENTS: u64 = 5;

/// A process that reads nothing, and so its node does not, while the gate is closed.
struct Client {
    gate: Arc<Gate>,
    messages: Mutex<mpsc::Sender<Vec<u8>>>,
}

#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn is_closed(&self, closed: bool) {
        *self.closed.lock().unwrap() = closed;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let closed = self.closed.lock().unwrap();
        // A test that fails does not open it.
        let opened = self
            .changed
            .wait_timeout_while(closed, PATIENCE, |closed| *closed);
        drop(opened.unwrap());
    }
}

impl Process for Client {
    fn message(&self, _origin: &Origin<'_>, message: Term<'_>) {
        self.gate.pass();
        let sender = self.messages.lock().unwrap();
        let _nobody_waits = sender.send(message.as_bytes().to_vec());
    }
}

async fn node(alive: &str, epmd_port: u16) -> Node {
    let name = format!("{alive}_{}@127.0.0.1", std::process::id());
    let mut config = Config::new(&name, Cookie::new("unsent"));
    config.epmd_port = epmd_port;
    config.limits.queued_bytes = QUEUED;
    Node::start(config).await.unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Serves a store with one small event and some large ones.
fn serve(node: &Node, dir: &std::path::Path) -> Gateway {
    let data_dir = DataDir::open(dir).unwrap();
    let directory = data_dir.create(STORE, &[esdb_etf::tag::NIL]).unwrap();
    let replica = directory.open(Options::default()).unwrap();
    for nth in 0..=LARGE_EVENTS {
        let data = "x".repeat(if nth == 0 { 1 } else { 1_100_000 });
        let event = Event::new(&nth.to_string(), "thing", &data, &[]);
        let (done, stored) = mpsc::channel();
        let done = Box::new(move |outcome, _| done.send(outcome).unwrap());
        replica.submit(append("stream", Expected::Any, &[event]), None, done);
        stored.recv().unwrap().unwrap();
    }
    let settings = Settings {
        store: Options::default(),
        max_event_bytes: 64 << 20,
        absence: Duration::from_secs(60),
        max_stores: 10,
        cache_bytes: 1 << 20,
        forget_subscriptions: None,
    };
    let gateway = Gateway::new(node.clone(), data_dir, settings);
    gateway.serve(STORE, directory, replica).unwrap();
    gateway.offer();
    gateway
}

/// Calls a worker. The answer comes as `{Tag, Answer}`.
fn call(to: &Connection, worker: &[u8], me: &Pid, tag: u64, request: impl Fn(&mut Vec<u8>)) {
    to.send(worker, true, |out| {
        put::tuple(out, 3);
        put::atom(out, "$gen_call");
        put::tuple(out, 2);
        me.put(out);
        put::unsigned(out, tag);
        request(out);
    });
}

fn read(from: u64, count: u64) -> impl Fn(&mut Vec<u8>) {
    move |out| {
        put::tuple(out, 4);
        put::atom(out, "read_all_global");
        put::atom(out, STORE);
        put::unsigned(out, from);
        put::unsigned(out, count);
    }
}

fn subscribe(me: &Pid) -> impl Fn(&mut Vec<u8>) {
    move |out| {
        put::tuple(out, 7);
        put::atom(out, "save_subscription");
        put::atom(out, STORE);
        put::atom(out, "by_stream");
        put::binary(out, b"$all");
        put::binary(out, format!("evoq_all_{STORE}").as_bytes());
        put::unsigned(out, 0);
        me.put(out);
    }
}

/// The next message `{Label, Content}`: its content, if the label is so.
fn next(messages: &mpsc::Receiver<Vec<u8>>, is: impl Fn(Term<'_>) -> bool) -> Vec<u8> {
    loop {
        let message = messages.recv_timeout(PATIENCE).expect("a message");
        if let Some([label, content]) = Term::parse(&message).unwrap().as_array()
            && is(label)
        {
            return content.as_bytes().to_vec();
        }
    }
}

/// The versions of the events that come, as many as there are large ones.
fn delivered(messages: &mpsc::Receiver<Vec<u8>>) -> Vec<u64> {
    let mut versions = Vec::new();
    while versions.len() < LARGE_EVENTS as usize {
        let events = next(messages, |label| label.is_atom("events"));
        let events = Term::parse(&events).unwrap().as_proper_list().unwrap();
        versions.extend(
            events.map(|event| event.as_tuple().unwrap().nth(4).unwrap().as_u64().unwrap()),
        );
    }
    versions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_answer_without_room() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = { port }.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (node("server", port).await, node("client", port).await);
    let gateway = serve(&here, dir.path());
    let (sender, messages) = mpsc::channel();
    let gate = Arc::new(Gate::default());
    let process = Client {
        gate: gate.clone(),
        messages: Mutex::new(sender),
    };
    let me = there.spawn(Arc::new(process));
    there.pg_follow("reckon_gater_pg");
    there.connect(here.name()).await.unwrap();
    let mut group = Vec::new();
    put::atom(&mut group, &format!("esdb_gater_workers_{STORE}"));
    let group = Term::parse(&group).unwrap();
    let workers = || there.pg_members("reckon_gater_pg", group);
    until("the worker is known", || !workers().is_empty()).await;
    let worker = &workers()[0];
    let (to, raw) = (&worker.connection, &worker.pid);

    call(to, raw, &me, 1, read(0, 1));
    next(&messages, |label| label.as_u64() == Some(1));
    // From now on nothing of what the server sends is read; an eighth waits, which is not too much.
    gate.is_closed(true);
    let mut client = Vec::new();
    me.put(&mut client);
    let back = here.connection(there.name()).unwrap();
    let waiting = || here.connections()[0].queued_bytes;
    while waiting() < QUEUED / 8 {
        back.send(&client, true, |out| put::binary(out, &[0; 10_000]));
    }
    assert!(waiting() < QUEUED / 6);
    let turns = || {
        let turns: Vec<_> = std::iter::from_fn(|| back.try_turn()).collect();
        turns.len()
    };
    let all = turns();
    call(to, raw, &me, 2, read(1, LARGE_EVENTS));
    until("the read is under way", || turns() < all).await;
    until("it is given up", || turns() == all).await;
    call(to, raw, &me, 3, subscribe(&me));
    gate.is_closed(false);
    let versions: Vec<u64> = (1..=LARGE_EVENTS).collect();
    assert_eq!(delivered(&messages), versions);
    there.shutdown().await;
    tokio::task::spawn_blocking(move || gateway.shutdown())
        .await
        .unwrap();
    here.shutdown().await;
}
