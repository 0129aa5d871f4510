//! Replicas for tests, and what a client of one sees.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use esdb_log::{Options, Replica, Ticket, Unavailable, WalOptions};
use esdb_store::command::{self, Expected};
use esdb_store::{Direction, NewEvent, Outcome};

use super::faults::FaultyDisk;

/// `<<"...">>` in the external term format.
pub fn binary(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![109];
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
    out
}

/// The atom `undefined`.
pub const UNDEFINED: &[u8] = b"w\x09undefined";

/// A command that appends `count` events to `stream`, each with the payload `data`.
pub fn append(stream: &str, expected: Expected, count: usize, data: &[u8]) -> Vec<u8> {
    let (id, event_type, data) = (binary(b"id"), binary(b"happened"), binary(data));
    let event = NewEvent {
        id: &id,
        id_given: false,
        event_type: &event_type,
        data: &data,
        metadata: UNDEFINED,
        tags: UNDEFINED,
        data_content_type: UNDEFINED,
        metadata_content_type: UNDEFINED,
    };
    let mut out = Vec::new();
    command::append(&mut out, stream.as_bytes(), expected, &vec![event; count]);
    out
}

/// Options for small segments on `disk`.
pub fn options(disk: &FaultyDisk) -> Options {
    let wal = WalOptions {
        first_segment: 64 << 10,
        largest_segment: 256 << 10,
        ..WalOptions::default()
    };
    Options {
        wal,
        disk: Arc::new(disk.clone()),
        ..Options::default()
    }
}

pub type Answer = Result<Outcome, Unavailable>;

/// Submits a command; the answer comes through the channel.
pub fn submit(replica: &Replica, command: Vec<u8>) -> (Ticket, mpsc::Receiver<Answer>) {
    let (sender, receiver) = mpsc::channel();
    let ticket = replica.submit(
        command,
        None,
        Box::new(move |answer, _| drop(sender.send(answer))),
    );
    (ticket, receiver)
}

/// Submits a command and waits for the answer.
pub fn call(replica: &Replica, command: Vec<u8>) -> Answer {
    await_answer(&submit(replica, command).1)
}

pub fn await_answer(receiver: &mpsc::Receiver<Answer>) -> Answer {
    receiver
        .recv_timeout(Duration::from_secs(20))
        .expect("an answer")
}

/// Appends one event with `data` to `stream`; its version.
pub fn append_one(replica: &Replica, stream: &str, data: &[u8]) -> u64 {
    match call(replica, append(stream, Expected::Any, 1, data)) {
        Ok(Outcome::Appended { version, .. }) => version,
        other => panic!("not appended: {other:?}"),
    }
}

/// Raw data terms of all events of `stream`, in order.
pub fn read(replica: &Replica, stream: &str) -> Vec<Vec<u8>> {
    let mut data = Vec::new();
    let visit = &mut |event: esdb_store::RecordedEvent<'_>| data.push(event.data.to_vec());
    replica
        .view()
        .read_stream(stream.as_bytes(), 0, usize::MAX, Direction::Forward, visit)
        .unwrap();
    data
}

/// Opens a replica on the real disk.
pub fn open(dir: &Path) -> Replica {
    Replica::open(dir, options(&FaultyDisk::default())).unwrap()
}

/// Waits until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(
            std::time::Instant::now() < deadline,
            "never came true: {what}"
        );
        std::thread::yield_now();
    }
}
