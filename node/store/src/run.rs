//! A run in memory: events of one stream with consecutive versions and consecutive positions.

use crate::RecordedEvent;
use crate::body::Body;
use crate::codec::Reader;
use bytes::Bytes;
use std::sync::Arc;

/// Most events of a run, in memory and in a row: so that finding one of them stays cheap.
pub(crate) const MAX_RUN: u32 = 128;

/// Some events of one append, still where they stood in their batch.
#[derive(Debug)]
pub(crate) struct Run {
    pub name: Arc<[u8]>,
    pub number: u64,
    pub first_version: u64,
    pub first_position: u64,
    pub epoch_us: u64,
    pub count: u32,
    /// `count` bodies, each with its length before it, parsed when the command was.
    pub bodies: Bytes,
}

impl Run {
    /// First version after the run.
    pub fn end_version(&self) -> u64 {
        self.first_version + u64::from(self.count)
    }

    /// First position after the run.
    pub fn end_position(&self) -> u64 {
        self.first_position + u64::from(self.count)
    }

    /// The events, in order, with the bytes of their bodies.
    pub fn raw(&self) -> impl Iterator<Item = (&[u8], Body<'_>)> {
        let mut reader = Reader(&self.bodies);
        std::iter::from_fn(move || {
            reader
                .framed()
                .and_then(|raw| Some((raw, Body::parse(raw)?)))
        })
    }

    /// The events from the `skip`th on, in order.
    pub fn events(&self, skip: u64) -> impl Iterator<Item = RecordedEvent<'_>> {
        let mut reader = Reader(&self.bodies);
        for _ in 0..skip {
            reader.framed();
        }
        let mut at = skip;
        std::iter::from_fn(move || {
            let body = Body::parse(reader.framed()?)?;
            let event = body.recorded(
                &self.name,
                self.first_version + at,
                self.first_position + at,
                self.epoch_us,
            );
            at += 1;
            Some(event)
        })
    }
}
