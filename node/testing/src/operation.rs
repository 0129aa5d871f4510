//! Random operations on a store of few streams, types, tags and ids, so that they meet each other.

use crate::event::{Event, append, delete};
use crate::query::{self, Query};
use crate::record::{put, records, remove};
use esdb_store::Expected;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

/// The streams that operations name.
pub const STREAMS: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
/// The types that events have.
pub const TYPES: [&str; 3] = ["opened", "changed", "closed"];
/// The tags that events bear.
pub const TAGS: [&str; 3] = ["red", "green", "blue"];

/// The keys that records have.
pub const KEYS: [&str; 5] = ["", "a", "a\0", "ab", "b"];
/// Records are in the spaces below this number.
pub const SPACES: u8 = 3;

/// What is done to a store.
#[derive(Debug, Clone)]
pub enum Operation {
    /// These commands, handed in at once.
    Commands(Vec<Command>),
    /// A read.
    Read(Query),
    /// A checkpoint.
    Checkpoint,
    /// Closing and opening; `clean`: with what is done at an orderly end.
    Restart {
        /// Not as a crash would.
        clean: bool,
    },
}

/// What changes a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// An append.
    Append {
        /// The stream.
        stream: &'static str,
        /// What is expected of it.
        expected: Expected,
        /// The events.
        events: Vec<Event>,
    },
    /// The append `nth` before the last one again, or its first `take` events.
    Retry {
        /// How many appends ago.
        nth: usize,
        /// How many of its events.
        take: usize,
    },
    /// A deletion.
    Delete {
        /// The stream.
        stream: &'static str,
    },
    /// Changes of records: space, key, and the value to be put, if any.
    Records(Vec<(u8, &'static str, Option<String>)>),
}

impl Command {
    /// Its bytes. A retry has none of its own: see [`Model::resolve`](crate::model::Model::resolve).
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Command::Append {
                stream,
                expected,
                events,
            } => append(stream, *expected, events),
            Command::Delete { stream } => delete(stream),
            Command::Records(changes) => {
                let changes = changes.iter().map(|(space, key, value)| match value {
                    Some(value) => put(*space, key, value),
                    None => remove(*space, key),
                });
                records(&changes.collect::<Vec<_>>())
            }
            Command::Retry { .. } => panic!("which append is retried must be looked up"),
        }
    }
}

fn stream() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&STREAMS[..])
}

fn event() -> impl Strategy<Value = Event> {
    let tags = prop::sample::subsequence(&TAGS[..], 0..=TAGS.len());
    let data = prop_oneof![30 => 0..2usize, 1 => Just(3_000usize)];
    let given = prop::bool::weighted(0.7);
    let kind = prop::sample::select(&TYPES[..]);
    (0..40u32, kind, data, tags, given).prop_map(|(id, kind, data, mut tags, given)| {
        if id % 7 == 0 {
            tags.extend(tags.first().copied()); // A tag may come twice.
        }
        let event = Event::new(&id.to_string(), kind, &"x".repeat(data), &tags);
        if given { event } else { event.unnamed() }
    })
}

fn expected() -> impl Strategy<Value = Expected> {
    prop_oneof![
        6 => Just(Expected::Any),
        1 => Just(Expected::NoStream),
        1 => Just(Expected::Exists),
        1 => (0..12u64).prop_map(Expected::Exactly),
        1 => (0..3u64).prop_map(Expected::ExactlyOrEmpty),
    ]
}

fn change() -> impl Strategy<Value = (u8, &'static str, Option<String>)> {
    let value = proptest::option::of((0..100u32).prop_map(|value| value.to_string()));
    (0..SPACES, prop::sample::select(&KEYS[..]), value)
}

/// A command.
pub fn command() -> impl Strategy<Value = Command> {
    let events = prop_oneof![
        40 => vec(event(), 0..6),
        1 => vec(event(), 120..150),
    ];
    prop_oneof![
        12 => (stream(), expected(), events)
            .prop_map(|(stream, expected, events)| Command::Append { stream, expected, events }),
        3 => (0..20usize, 1..140usize).prop_map(|(nth, take)| Command::Retry { nth, take }),
        1 => stream().prop_map(|stream| Command::Delete { stream }),
        3 => vec(change(), 0..4).prop_map(Command::Records),
    ]
}

/// An operation.
pub fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        10 => command().prop_map(|command| Operation::Commands(vec![command])),
        3 => vec(command(), 2..6).prop_map(Operation::Commands),
        6 => query::query().prop_map(Operation::Read),
        2 => Just(Operation::Checkpoint),
        1 => prop::bool::ANY.prop_map(|clean| Operation::Restart { clean }),
    ]
}

/// A source of random numbers that one number determines.
pub fn rng(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// `count` values that `strategy` draws from the seed.
pub fn draw<S: Strategy>(strategy: &S, count: usize, seed: u64) -> Vec<S::Value> {
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng(seed));
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}
