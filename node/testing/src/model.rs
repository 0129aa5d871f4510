//! What a store should answer, as a plain list of events.

use crate::event::{Event, Seen};
use crate::operation::{Command, SPACES};
use crate::query::{self, Query};
use crate::record::kept;
use esdb_store::{Expected, Outcome, Record, RecordedEvent, View};
use std::collections::BTreeMap;

/// Events among which a retry is recognized.
const WINDOW: usize = 1_000;

/// An event that the model holds.
#[derive(Debug, Clone)]
pub struct Held {
    /// As a read shows it. The time is 0 as long as the model does not know it.
    pub seen: Seen,
    /// As it was appended.
    pub event: Event,
}

/// The plain list.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// The events that exist, by position.
    pub events: Vec<Held>,
    /// The position that the next event gets.
    pub next_position: u64,
    last_epoch: u64,
    /// Appends in the order they came, for retries.
    appends: Vec<(&'static str, Vec<Event>)>,
    /// By space and key. The time is 0 if the model does not know it.
    records: BTreeMap<(u8, &'static str), Record>,
}

impl Model {
    /// The command that is meant: another one only for a retry.
    pub fn resolve(&self, command: Command) -> Command {
        let Command::Retry { nth, take } = command else {
            return command;
        };
        let mut latest = self.appends.iter().rev();
        let (stream, mut events) = latest.nth(nth).cloned().unwrap_or(("alpha", Vec::new()));
        events.truncate(take);
        Command::Append {
            stream,
            expected: Expected::Any,
            events,
        }
    }

    /// Executes a command that is no retry, at a clock that shows `clock_us`; `None` if the model
    /// cannot know what it shows.
    pub fn execute(&mut self, command: &Command, clock_us: Option<u64>) -> Outcome {
        match command {
            Command::Append {
                stream,
                expected,
                events,
            } => {
                let outcome = self.append(stream, *expected, events, clock_us);
                self.appends.push((stream, events.clone()));
                outcome
            }
            Command::Delete { stream } => self.delete(stream),
            Command::Records(changes) => self.change(changes, clock_us),
            Command::Retry { .. } => panic!("not resolved"),
        }
    }

    /// The events of a stream.
    pub fn stream<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Held> {
        let all = self.events.iter();
        all.filter(move |held| held.seen.stream == name)
    }

    fn append(
        &mut self,
        name: &str,
        expected: Expected,
        events: &[Event],
        clock_us: Option<u64>,
    ) -> Outcome {
        let stream: Vec<&Held> = self.stream(name).collect();
        let current = stream.last().map(|held| held.seen.version);
        if events.is_empty() {
            return Outcome::Unchanged { current };
        }
        let window = &stream[stream.len().saturating_sub(WINDOW)..];
        let mut places = window.windows(events.len()).rev();
        let retry =
            places.find(|place| place.iter().zip(events).all(|(held, new)| same(held, new)));
        if let Some(held) = retry.and_then(|place| place.last()) {
            let Seen {
                version, position, ..
            } = held.seen;
            return Outcome::Appended { version, position };
        }
        let repeats = |held: &&Held| events.iter().any(|new| same(held, new));
        let met = match expected {
            Expected::Any => true,
            Expected::NoStream => current.is_none(),
            Expected::Exists => current.is_some(),
            Expected::Exactly(version) => current == Some(version),
            Expected::ExactlyOrEmpty(version) => current.map_or(version == 0, |at| at == version),
        };
        if !met || window.iter().any(repeats) {
            return Outcome::WrongVersion { current };
        }
        let next = current.map_or(0, |current| current + 1);
        self.record(name, next, events, clock_us)
    }

    fn record(
        &mut self,
        name: &str,
        next: u64,
        events: &[Event],
        clock_us: Option<u64>,
    ) -> Outcome {
        let epoch_us = self.time(clock_us);
        for (version, event) in (next..).zip(events) {
            let seen = Seen {
                stream: name.to_owned(),
                version,
                position: self.next_position,
                epoch_us,
                id: event.id.clone(),
                event_type: event.event_type.clone(),
                data: event.data.clone(),
                tags: event.tags.clone(),
            };
            self.next_position += 1;
            let event = event.clone();
            self.events.push(Held { seen, event });
        }
        Outcome::Appended {
            version: next + events.len() as u64 - 1,
            position: self.next_position - 1,
        }
    }

    fn delete(&mut self, name: &str) -> Outcome {
        let before = self.events.len();
        self.events.retain(|held| held.seen.stream != name);
        Outcome::Deleted {
            existed: self.events.len() < before,
        }
    }

    fn change(
        &mut self,
        changes: &[(u8, &'static str, Option<String>)],
        clock_us: Option<u64>,
    ) -> Outcome {
        let epoch_us = self.time(clock_us);
        let next_position = self.next_position;
        let mut existed = 0;
        for (space, key, value) in changes {
            let before = match value {
                Some(value) => {
                    let record = Record {
                        value: value.clone().into(),
                        epoch_us,
                        next_position,
                    };
                    self.records.insert((*space, key), record)
                }
                None => self.records.remove(&(*space, *key)),
            };
            existed += u32::from(before.is_some());
        }
        Outcome::Recorded {
            epoch_us,
            next_position,
            existed,
        }
    }

    /// The time of what is recorded now.
    fn time(&mut self, clock_us: Option<u64>) -> u64 {
        let Some(clock) = clock_us else { return 0 };
        self.last_epoch = clock.max(self.last_epoch + 1);
        self.last_epoch
    }

    /// Takes the times that the model does not know from what `time` says of a position.
    pub fn learn_times(&mut self, time: impl Fn(u64) -> Option<u64>) {
        let unknown = self
            .events
            .iter_mut()
            .filter(|held| held.seen.epoch_us == 0);
        for held in unknown {
            held.seen.epoch_us = time(held.seen.position).unwrap_or(0);
        }
    }

    /// Takes the times that the model does not know from a view, where they must not go back.
    pub fn learn_times_from(&mut self, view: &View) -> Result<(), String> {
        let first = self.events.iter().position(|held| held.seen.epoch_us == 0);
        let Some(first) = first else { return Ok(()) };
        let from = self.events[first].seen.position;
        let before = first.checked_sub(1).map(|nth| &self.events[nth].seen);
        let mut last = before.map_or(0, |seen| seen.epoch_us);
        let mut times = BTreeMap::new();
        let mut visit = |event: RecordedEvent<'_>| {
            times.insert(event.position, event.epoch_us);
        };
        let read = view.read_from(from, usize::MAX, &mut visit);
        read.map_err(|error| format!("times from {from} on: {error}"))?;
        for (position, time) in &times {
            if *time < last {
                return Err(format!(
                    "at {position} the time goes back from {last} to {time}"
                ));
            }
            last = *time;
        }
        self.learn_times(|position| times.get(&position).copied());
        Ok(())
    }

    /// Compares every event, by every way that leads to it, and every record.
    pub fn check(&self, view: &View) -> Result<(), String> {
        (0..SPACES).try_for_each(|space| self.check_records(view, space))?;
        query::complete()
            .iter()
            .try_for_each(|query| self.check_query(view, query))
    }

    fn check_records(&self, view: &View, space: u8) -> Result<(), String> {
        let mut found = kept(view, space).map_err(|error| format!("records: {error}"))?;
        let held = self.records.iter().filter(|((at, _), _)| *at == space);
        let expected: Vec<_> = held
            .map(|((_, key), record)| ((*key).to_owned(), record.clone()))
            .collect();
        for ((_, found), (_, held)) in found.iter_mut().zip(&expected) {
            if held.epoch_us == 0 {
                found.epoch_us = 0;
            }
        }
        match found == expected {
            true => Ok(()),
            false => Err(format!(
                "records of space {space}: {found:?}, expected were {expected:?}"
            )),
        }
    }

    /// Compares one answer.
    pub fn check_query(&self, view: &View, query: &Query) -> Result<(), String> {
        query.check(self, view)
    }
}

/// What a retry repeats is the same.
fn same(held: &Held, new: &Event) -> bool {
    let held = &held.event;
    held.given
        && new.given
        && (&held.id, &held.event_type, &held.data) == (&new.id, &new.event_type, &new.data)
}
