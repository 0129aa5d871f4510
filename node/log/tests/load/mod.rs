//! Load on a store: events that tell what they are, writers, readers that notice what is missing or
//! comes twice, and figures.
#![allow(dead_code, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod figures;
pub mod probe;
pub mod readers;
pub mod writers;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

use esdb_log::Replica;
use esdb_store::{NewEvent, command};

use crate::common::store::{UNDEFINED, binary};

/// Streams of each writer.
pub const STREAMS_EACH: u64 = 20;
/// The version of an event tells its type.
pub const TYPES: u64 = 5;
/// Bytes of an event's payload.
const PAYLOAD: usize = 256;

/// What the threads of a load share.
pub struct Load {
    pub replica: Replica,
    /// Events that were acknowledged.
    pub acknowledged: AtomicU64,
    /// Events that are to be appended.
    pub wanted: AtomicI64,
    /// A checkpoint is under way, as far as the watcher has seen.
    pub checkpointing: AtomicBool,
    pub stop: AtomicBool,
}

/// Ends the other threads when one ends, also by a panic: a test that fails must not hang.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

pub fn stream_name(writer: u64, nth: u64) -> String {
    format!("stream-{writer}-{nth}")
}

pub fn type_name(version: u64) -> Vec<u8> {
    binary(format!("type-{}", version % TYPES).as_bytes())
}

/// The command that appends the event that has this version.
pub fn append(stream: &str, version: u64) -> Vec<u8> {
    let (event_type, mut tags) = (type_name(version), vec![108, 0, 0, 0, 1]);
    tags.extend(binary(stream.as_bytes()));
    tags.push(106);
    let id = binary(format!("{stream}-{version}").as_bytes());
    let data = binary(format!("{version:0PAYLOAD$}").as_bytes());
    let event = NewEvent {
        id: &id,
        id_given: true,
        event_type: &event_type,
        data: &data,
        metadata: UNDEFINED,
        tags: &tags,
        data_content_type: UNDEFINED,
        metadata_content_type: UNDEFINED,
    };
    let (mut out, expected) = (Vec::new(), expected(version));
    command::append(&mut out, stream.as_bytes(), expected, &[event]);
    out
}

fn expected(version: u64) -> command::Expected {
    match version.checked_sub(1) {
        None => command::Expected::NoStream,
        Some(before) => command::Expected::Exactly(before),
    }
}
