//! Applying commands: what each one does depends on the state and on nothing else.

mod records;

use crate::body::Body;
use crate::codec::Reader;
use crate::command::{Command, Expected};
use crate::heads::{Entry, Heads};
use crate::memtable::{Bound, Memtable};
use crate::meta::State;
use crate::published::Published;
use crate::run::{MAX_RUN, Run};
use crate::tables::Head;
use crate::window::{WINDOW, Window};
use crate::{Direction, Outcome, StoreError};
use bytes::Bytes;
use std::sync::Arc;

/// What the applying thread works on.
#[derive(Debug)]
pub(crate) struct Machine {
    pub published: Arc<Published>,
    pub state: State,
    /// Number of deletions and of changes of records so far: orders them among the views.
    pub tick: u64,
    pub heads: Heads,
    /// Why nothing more can be applied.
    pub stopped: Option<String>,
    scratch: Vec<u8>,
}

/// An append that is known to be well-formed.
struct Append<'a> {
    expected: Expected,
    events: Vec<Body<'a>>,
    bodies: &'a [u8],
}

impl Machine {
    pub fn new(published: Arc<Published>, state: State, heads: Heads) -> Self {
        Self {
            published,
            state,
            tick: 0,
            heads,
            stopped: None,
            scratch: Vec::new(),
        }
    }

    fn active(&self) -> &Memtable {
        &self.published.active
    }

    /// Executes one command of a batch.
    pub fn execute(
        &mut self,
        clock_us: u64,
        batch: &Bytes,
        command: &[u8],
    ) -> Result<Outcome, StoreError> {
        let Some(command) = Command::parse(command) else {
            return Ok(Outcome::Malformed);
        };
        match command {
            Command::Append {
                stream,
                expected,
                count,
                bodies,
            } => self.on_stream(stream, |machine, entry| {
                if count == 0 {
                    let current = entry.current();
                    return Ok(Outcome::Unchanged { current });
                }
                let mut reader = Reader(bodies);
                let next = || reader.framed().and_then(Body::parse);
                let events = std::iter::from_fn(next).collect();
                let append = Append {
                    expected,
                    events,
                    bodies,
                };
                machine.append(entry, clock_us, batch, &append)
            }),
            Command::Delete { stream } => {
                self.on_stream(stream, |machine, entry| Ok(machine.delete(entry)))
            }
            Command::Records { operations } => self.records(clock_us, batch, &operations),
        }
    }

    /// Does something to what is remembered of a stream.
    fn on_stream(
        &mut self,
        stream: &[u8],
        change: impl FnOnce(&mut Self, &mut Entry) -> Result<Outcome, StoreError>,
    ) -> Result<Outcome, StoreError> {
        let published = self.published.clone();
        let mut entry = self
            .heads
            .take(stream, || published.head(stream, Bound::ALL))?;
        let outcome = change(self, &mut entry)?;
        self.heads.put(entry);
        Ok(outcome)
    }

    fn append(
        &mut self,
        entry: &mut Entry,
        clock_us: u64,
        batch: &Bytes,
        append: &Append<'_>,
    ) -> Result<Outcome, StoreError> {
        let hashes: Vec<u64> = append.events.iter().map(Body::retry_hash).collect();
        if hashes.iter().any(|hash| *hash != 0)
            && let Some(outcome) = self.earlier(entry, &append.events, &hashes)?
        {
            return Ok(outcome);
        }
        let current = entry.current();
        if !append.expected.is_met_by(current) {
            return Ok(Outcome::WrongVersion { current });
        }
        let outcome = self.record(entry, clock_us, batch, append);
        if let Some(window) = &mut entry.window {
            hashes.into_iter().for_each(|hash| window.push(hash));
        }
        Ok(outcome)
    }

    /// What an earlier append of these events, or of some of them, makes of this one.
    fn earlier(
        &self,
        entry: &mut Entry,
        events: &[Body<'_>],
        hashes: &[u64],
    ) -> Result<Option<Outcome>, StoreError> {
        let end = entry.next_version();
        if entry.window.is_none() {
            let read = match entry.head {
                Some(head) => {
                    let versions = end.saturating_sub(WINDOW)..end;
                    self.published.retry_hashes(head.number, versions)?
                }
                None => Vec::new(),
            };
            entry.window = Some(Window::new(end, read));
        }
        let (Some(window), Some(head)) = (&entry.window, entry.head) else {
            return Ok(None);
        };
        let whole = hashes
            .first()
            .map(|first| window.find(*first))
            .unwrap_or_default();
        for version in whole {
            let place = version..version + hashes.len() as u64;
            let same = place
                .clone()
                .zip(hashes)
                .all(|(at, hash)| *hash != 0 && window.at(at) == *hash);
            if same && let Some(position) = self.holds(head, version, events)? {
                let version = place.end - 1;
                return Ok(Some(Outcome::Appended { version, position }));
            }
        }
        for (event, hash) in events.iter().zip(hashes) {
            for version in window.find(*hash) {
                if self
                    .holds(head, version, std::slice::from_ref(event))?
                    .is_some()
                {
                    return Ok(Some(Outcome::WrongVersion {
                        current: entry.current(),
                    }));
                }
            }
        }
        Ok(None)
    }

    /// The position of the last of these events, if they are those that the stream has from
    /// `version` on.
    fn holds(
        &self,
        head: Head,
        version: u64,
        events: &[Body<'_>],
    ) -> Result<Option<u64>, StoreError> {
        let versions = version..version + events.len() as u64;
        let (mut rest, mut same, mut last) = (events.iter(), true, None);
        let mut compare = |recorded: crate::RecordedEvent<'_>| {
            same &= rest.next().is_some_and(|event| {
                (event.id, event.event_type, event.data)
                    == (recorded.id, recorded.event_type, recorded.data)
            });
            last = Some(recorded.position);
        };
        self.published
            .read(head.number, versions, Direction::Forward, &mut compare)?;
        Ok(last.filter(|_| same && rest.len() == 0))
    }

    /// Puts the events into the memtable.
    fn record(
        &mut self,
        entry: &mut Entry,
        clock_us: u64,
        batch: &Bytes,
        append: &Append<'_>,
    ) -> Outcome {
        let number = match entry.head {
            Some(head) => head.number,
            None => {
                self.state.streams += 1;
                self.state.next_number += 1;
                self.state.next_number - 1
            }
        };
        let epoch_us = self.next_epoch(clock_us);
        let mut version = entry.next_version();
        let mut rest = append.bodies;
        while let Some((bodies, count)) = split_run(&mut rest) {
            let run = Run {
                name: entry.name.clone(),
                number,
                first_version: version,
                first_position: self.state.next_position,
                epoch_us,
                count,
                bodies: batch.slice_ref(bodies),
            };
            version = run.end_version();
            self.state.next_position = run.end_position();
            let bytes = self.published.active.write().put(run, &mut self.scratch);
            self.active().charge(bytes);
        }
        self.state.events += append.events.len() as u64;
        let last_version = version.saturating_sub(1);
        entry.head = Some(Head {
            number,
            last_version,
        });
        Outcome::Appended {
            version: last_version,
            position: self.state.next_position - 1,
        }
    }

    /// The time of what changes the state now: no two changes have the same.
    fn next_epoch(&mut self, clock_us: u64) -> u64 {
        let epoch_us = self.state.last_epoch_us.saturating_add(1).max(clock_us);
        self.state.last_epoch_us = epoch_us;
        epoch_us
    }

    fn delete(&mut self, entry: &mut Entry) -> Outcome {
        let next_version = entry.next_version();
        let Some(head) = entry.head.take() else {
            return Outcome::Deleted { existed: false };
        };
        entry.window = None;
        self.active()
            .write()
            .delete(head.number, &entry.name, next_version, self.tick);
        self.active().charge(256);
        self.tick += 1;
        self.state.events -= next_version;
        self.state.streams -= 1;
        Outcome::Deleted { existed: true }
    }
}

/// Takes the bodies of up to [`MAX_RUN`] events off the front, and their number.
fn split_run<'a>(bodies: &mut &'a [u8]) -> Option<(&'a [u8], u32)> {
    let mut reader = Reader(bodies);
    let mut count = 0;
    while count < MAX_RUN && reader.framed().is_some() {
        count += 1;
    }
    let (run, rest) = bodies.split_at_checked(bodies.len() - reader.0.len())?;
    *bodies = rest;
    (count > 0).then_some((run, count))
}
