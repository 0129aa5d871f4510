//! Stores are created and removed while the power may fail at any moment: a store that was created is
//! there, with its options and its events; one that was removed does not come back; and the data
//! directory can always be opened.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use esdb_gateway::{DataDir, StoreDir};
use esdb_log::{Options, Replica};
use esdb_store::Expected;
use esdb_testing::crash::Walk;
use esdb_testing::disk::{Image, MemoryDisk, Note, Step};
use esdb_testing::event::{append, events};
use esdb_testing::operation::rng;
use proptest::prelude::RngExt as _;
use proptest::test_runner::TestRng;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, mpsc};

const BASE: &str = "/base";
const DATA: &str = "/base/data";
const OPTIONS: &[u8] = &[106];

/// What a client asks for.
#[derive(Clone, Copy)]
enum Request {
    Create(&'static str),
    Append(&'static str),
    Remove(&'static str),
}
use Request::{Append, Create, Remove};

const REQUESTS: [Request; 9] = [
    Create("orders"),
    Append("orders"),
    Create("a/b"),
    Append("a/b"),
    Append("orders"),
    Remove("orders"),
    Create("orders"),
    Append("orders"),
    Append("a/b"),
];

/// The events of each store.
type Stores = BTreeMap<String, u64>;

fn stores_after(requests: usize) -> Stores {
    let mut stores = Stores::new();
    for request in &REQUESTS[..requests] {
        match request {
            Create(name) => drop(stores.insert((*name).to_owned(), 0)),
            Append(name) => *stores.get_mut(*name).unwrap() += 1,
            Remove(name) => drop(stores.remove(*name)),
        }
    }
    stores
}

fn open(disk: &MemoryDisk, store: &StoreDir) -> Replica {
    let mut options = Options {
        disk: Arc::new(disk.clone()),
        ..Options::default()
    };
    options.wal.first_segment = 4096;
    store.open(options).unwrap()
}

/// A server: opens what is there, and serves the requests from this one on.
fn serve(disk: &MemoryDisk, first: usize) {
    let data_dir = DataDir::open_on(Arc::new(disk.clone()), Path::new(DATA)).unwrap();
    let mut stores = BTreeMap::new();
    for (name, store) in data_dir.stores().unwrap().stores {
        stores.insert(name, (open(disk, &store), store.path));
    }
    disk.note(Note::Submitted(first));
    disk.note(Note::Acknowledged(first));
    for (nth, request) in (1..).zip(REQUESTS).skip(first) {
        disk.note(Note::Submitted(nth));
        match request {
            Create(name) => {
                let store = data_dir.create(name, OPTIONS).unwrap();
                stores.insert(name.to_owned(), (open(disk, &store), store.path));
            }
            Append(name) => append_one(&stores[name].0),
            Remove(name) => {
                let (replica, path) = stores.remove(name).unwrap();
                replica.abandon("it is removed");
                data_dir.remove(&path).unwrap();
            }
        }
        disk.note(Note::Acknowledged(nth));
    }
}

fn append_one(replica: &Replica) {
    let (sender, receiver) = mpsc::channel();
    let version = replica.view().next_position();
    let command = append("s", Expected::Any, &events(&version.to_string(), 1));
    let done = move |answer: Result<_, _>, _| {
        let _ = sender.send(answer.is_ok());
    };
    replica.submit(command, None, Box::new(done));
    assert!(receiver.recv().unwrap());
}

/// How many requests an image shows as served.
fn examine(image: &Image, walk: &Walk, what: &str) -> usize {
    let disk = MemoryDisk::from(image.clone());
    let data_dir = DataDir::open_on(Arc::new(disk.clone()), Path::new(DATA));
    let data_dir = data_dir.unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = data_dir.stores();
    let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(found.refused.is_empty(), "{what}: {:?}", found.refused);
    let stores = found.stores.into_iter().map(|(name, store)| {
        assert_eq!(store.options, OPTIONS);
        (name, open(&disk, &store).view().next_position())
    });
    let stores: Stores = stores.collect();
    let mut counts = (walk.acknowledged..=walk.submitted).rev();
    let served = counts.find(|count| stores_after(*count) == stores);
    served.unwrap_or_else(|| {
        let (from, to) = (walk.acknowledged, walk.submitted);
        panic!("{what}: {stores:?} after {from} to {to} requests")
    })
}

#[test]
fn at_any_moment() {
    let base = Image::with_directory(Path::new(BASE));
    let disk = MemoryDisk::traced(base.clone());
    serve(&disk, 0);
    let (mut walk, mut rng, trace) = (Walk::from(base), rng(5), disk.trace());
    for (nth, step) in trace.iter().enumerate() {
        walk.take(step);
        let what = format!("step {nth}, {step:?}");
        let what = what.chars().take(200).collect::<String>();
        examine(&walk.torn(&mut rng), &walk, &format!("{what}, torn"));
        // Until the next sync nothing more is safe: the last moment before it asks for most.
        let safer = matches!(
            trace.get(nth + 1),
            None | Some(Step::Sync(_) | Step::SyncDir(_))
        );
        if safer {
            examine(&walk.lost(), &walk, &format!("{what}, unsynced lost"));
            killed_here(&walk, &mut rng, &format!("{what}, killed"));
        }
    }
}

/// Killed at a point of the walk, and begun again: then the power fails.
fn killed_here(walk: &Walk, rng: &mut TestRng, what: &str) {
    let kept = walk.kept();
    let served = examine(&kept, walk, what);
    let next = MemoryDisk::traced(kept);
    serve(&next, served);
    let (trace, mut again) = (next.trace(), walk.clone());
    let moment = rng.random_range(0..=trace.len());
    trace[..moment].iter().for_each(|step| again.take(step));
    examine(&again.torn(rng), &again, &format!("{what}, then torn"));
    trace[moment..].iter().for_each(|step| again.take(step));
    examine(
        &again.lost(),
        &again,
        &format!("{what}, then unsynced lost"),
    );
}
