//! Whatever is appended, deleted, checkpointed and reopened: every query answers what a plain list
//! of events would.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Direction, Expected, Outcome, Record, Space, TagMatch, View};
use proptest::prelude::*;
use std::collections::BTreeMap;
use support::{Event, Logged, Seen, append, collect, delete, kept, put, records, remove};

#[derive(Debug, Clone)]
enum Operation {
    Append {
        stream: usize,
        expected: Expected,
        events: Vec<Event>,
    },
    Retry {
        nth: usize,
        take: usize,
    },
    Delete {
        stream: usize,
    },
    /// Space, key, and the value to be put, if any.
    Records(Vec<(u8, usize, Option<u32>)>),
    Checkpoint,
    Reopen,
}

const STREAMS: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
const TYPES: [&str; 3] = ["opened", "changed", "closed"];
const KEYS: [&str; 5] = ["", "a", "a\0", "ab", "b"];
const TAGS: [&str; 3] = ["red", "green", "blue"];

fn event() -> impl Strategy<Value = Event> {
    let tags = prop::collection::vec(0..TAGS.len(), 0..4);
    (
        0..40u32,
        0..TYPES.len(),
        0..2u8,
        tags,
        prop::bool::weighted(0.7),
    )
        .prop_map(|(id, event_type, data, tags, given)| {
            let tags: Vec<&str> = tags.into_iter().map(|tag| TAGS[tag]).collect();
            let event = Event::new(&id.to_string(), TYPES[event_type], &data.to_string(), &tags);
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

fn operation() -> impl Strategy<Value = Operation> {
    let events = prop_oneof![
        9 => prop::collection::vec(event(), 0..6),
        1 => prop::collection::vec(event(), 120..150),
    ];
    prop_oneof![
        12 => (0..STREAMS.len(), expected(), events)
            .prop_map(|(stream, expected, events)| Operation::Append { stream, expected, events }),
        3 => (0..20usize, 1..8usize).prop_map(|(nth, take)| Operation::Retry { nth, take }),
        2 => (0..STREAMS.len()).prop_map(|stream| Operation::Delete { stream }),
        4 => prop::collection::vec((0..3u8, 0..KEYS.len(), any::<Option<u32>>()), 0..4)
            .prop_map(Operation::Records),
        3 => Just(Operation::Checkpoint),
        1 => Just(Operation::Reopen),
    ]
}

/// The plain list.
#[derive(Default)]
struct Model {
    events: Vec<(Seen, Event)>,
    next_position: u64,
    last_epoch: u64,
    /// Appends in the order they came, for retries.
    appends: Vec<(usize, Vec<Event>)>,
    records: BTreeMap<(u8, &'static str), Record>,
}

impl Model {
    fn stream(&self, name: &str) -> Vec<&(Seen, Event)> {
        self.events
            .iter()
            .filter(|(seen, _)| seen.stream == name)
            .collect()
    }

    fn append(&mut self, name: &str, expected: Expected, events: &[Event], clock: u64) -> Outcome {
        let stream = self.stream(name);
        let current = stream.last().map(|(seen, _)| seen.version);
        if events.is_empty() {
            return Outcome::Unchanged { current };
        }
        let window = &stream[stream.len().saturating_sub(1_000)..];
        let same = |held: &Event, new: &Event| {
            let key = |event: &Event| {
                (
                    event.id.clone(),
                    event.event_type.clone(),
                    event.data.clone(),
                )
            };
            held.given && new.given && key(held) == key(new)
        };
        let retry = window.windows(events.len()).rev().find(|held| {
            held.iter()
                .zip(events)
                .all(|((_, held), new)| same(held, new))
        });
        if let Some((seen, _)) = retry.and_then(|held| held.last()) {
            return Outcome::Appended {
                version: seen.version,
                position: seen.position,
            };
        }
        let overlap = window
            .iter()
            .any(|(_, held)| events.iter().any(|new| same(held, new)));
        let met = match expected {
            Expected::Any => true,
            Expected::NoStream => current.is_none(),
            Expected::Exists => current.is_some(),
            Expected::Exactly(version) => current == Some(version),
            Expected::ExactlyOrEmpty(version) => current.map_or(version == 0, |at| at == version),
        };
        if overlap || !met {
            return Outcome::WrongVersion { current };
        }
        let next = current.map_or(0, |current| current + 1);
        self.last_epoch = clock.max(self.last_epoch + 1);
        for (version, event) in (next..).zip(events) {
            let seen = Seen {
                stream: name.to_owned(),
                version,
                position: self.next_position,
                epoch_us: self.last_epoch,
                id: event.id.clone(),
                event_type: event.event_type.clone(),
                data: event.data.clone(),
                tags: event.tags.clone(),
            };
            self.next_position += 1;
            self.events.push((seen, event.clone()));
        }
        let version = next + events.len() as u64 - 1;
        Outcome::Appended {
            version,
            position: self.next_position - 1,
        }
    }

    fn delete(&mut self, name: &str) -> Outcome {
        let before = self.events.len();
        self.events.retain(|(seen, _)| seen.stream != name);
        Outcome::Deleted {
            existed: self.events.len() < before,
        }
    }

    fn change(&mut self, operations: &[(u8, usize, Option<String>)], clock: u64) -> Outcome {
        self.last_epoch = clock.max(self.last_epoch + 1);
        let mut existed = 0;
        for (space, key, value) in operations {
            let place = (*space, KEYS[*key]);
            let before = match value {
                Some(value) => {
                    let record = Record {
                        value: value.clone().into(),
                        epoch_us: self.last_epoch,
                        next_position: self.next_position,
                    };
                    self.records.insert(place, record)
                }
                None => self.records.remove(&place),
            };
            existed += u32::from(before.is_some());
        }
        Outcome::Recorded {
            epoch_us: self.last_epoch,
            next_position: self.next_position,
            existed,
        }
    }

    fn check_records(&self, view: &View) {
        for space in 0..3 {
            let of_space = self.records.iter().filter(|((at, _), _)| *at == space);
            let expected: Vec<_> = of_space
                .map(|((_, key), record)| ((*key).to_owned(), record.clone()))
                .collect();
            assert_eq!(kept(view, space).unwrap(), expected);
            for key in KEYS {
                let record = view.record(Space(space), key.as_bytes()).unwrap();
                assert_eq!(record.as_ref(), self.records.get(&(space, key)));
            }
        }
    }

    fn check(&self, view: &View) {
        self.check_records(view);
        let all: Vec<Seen> = self.events.iter().map(|(seen, _)| seen.clone()).collect();
        assert_eq!(view.has_events().unwrap(), !all.is_empty());
        let names: BTreeMap<&str, u64> = all
            .iter()
            .map(|seen| (seen.stream.as_str(), seen.version))
            .collect();
        let streams: Vec<Vec<u8>> = names.keys().map(|name| name.as_bytes().to_vec()).collect();
        assert_eq!(view.streams().unwrap(), streams);
        for name in STREAMS {
            assert_eq!(
                view.version(name.as_bytes()).unwrap(),
                names.get(name).copied()
            );
            self.check_stream(view, name);
        }
        for offset in [
            0,
            1,
            all.len() / 2,
            all.len().saturating_sub(1),
            all.len(),
            10_000,
        ] {
            for limit in [0, 1, 7, usize::MAX] {
                let seen = collect(|visit| view.read_all(offset as u64, limit, visit));
                let end = offset.saturating_add(limit).min(all.len());
                assert_eq!(seen, all[offset.min(all.len())..end], "{offset} {limit}");
            }
        }
        self.check_terms(view);
    }

    fn check_stream(&self, view: &View, name: &str) {
        let held: Vec<Seen> = self
            .stream(name)
            .iter()
            .map(|(seen, _)| seen.clone())
            .collect();
        let exists = !held.is_empty();
        let found = view.read_stream(name.as_bytes(), 0, 0, Direction::Forward, &mut |_| {});
        assert_eq!(found.unwrap(), exists.then_some(0));
        for start in [0, 1, held.len() / 3, held.len(), held.len() + 5] {
            for count in [1, 3, usize::MAX] {
                let read = |direction| {
                    collect(|visit| {
                        view.read_stream(name.as_bytes(), start as u64, count, direction, visit)
                    })
                };
                let from = start.min(held.len());
                let forward = &held[from..from.saturating_add(count).min(held.len())];
                assert_eq!(read(Direction::Forward), forward);
                let top = start + 1;
                let bottom = top.saturating_sub(count).min(held.len());
                let mut backward = held[bottom..top.min(held.len())].to_vec();
                backward.reverse();
                assert_eq!(read(Direction::Backward), backward);
            }
        }
    }

    fn check_terms(&self, view: &View) {
        let pick = |keep: &dyn Fn(&Event) -> bool, limit: usize| -> Vec<Seen> {
            let kept = self.events.iter().filter(|(_, event)| keep(event));
            kept.map(|(seen, _)| seen.clone()).take(limit).collect()
        };
        for limit in [0, 2, usize::MAX] {
            for chosen in [&TYPES[..1], &TYPES[1..], &["opened", "opened", "never"]] {
                let terms: Vec<_> = chosen
                    .iter()
                    .map(|t| support::binary(t.as_bytes()))
                    .collect();
                let slices: Vec<&[u8]> = terms.iter().map(Vec::as_slice).collect();
                let seen = collect(|visit| view.read_by_types(&slices, limit, visit));
                assert_eq!(
                    seen,
                    pick(&|event| terms.contains(&event.event_type), limit)
                );
            }
            for chosen in [
                &TAGS[..1],
                &TAGS[..2],
                &TAGS,
                &["blue", "blue"],
                &["never", "red"],
            ] {
                let slices: Vec<&[u8]> = chosen.iter().map(|tag| tag.as_bytes()).collect();
                let bears = |event: &Event, tag: &&str| event.tag_names.iter().any(|t| t == tag);
                let any = collect(|visit| view.read_by_tags(&slices, TagMatch::Any, limit, visit));
                assert_eq!(
                    any,
                    pick(&|event| chosen.iter().any(|tag| bears(event, tag)), limit)
                );
                let all = collect(|visit| view.read_by_tags(&slices, TagMatch::All, limit, visit));
                assert_eq!(
                    all,
                    pick(&|event| chosen.iter().all(|tag| bears(event, tag)), limit)
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_query_answers_what_the_model_answers(
        operations in prop::collection::vec(operation(), 1..60),
    ) {
        let mut logged = Logged::new();
        let mut model = Model::default();
        for operation in operations {
            logged.clock += 3;
            match operation {
                Operation::Append { stream, expected, events } => {
                    let name = STREAMS[stream];
                    let outcome = logged.apply(&[append(name, expected, &events)])[0];
                    prop_assert_eq!(outcome, model.append(name, expected, &events, logged.clock));
                    model.appends.push((stream, events));
                }
                Operation::Retry { nth, take } => {
                    let Some(at) = model.appends.len().checked_sub(nth + 1) else { continue };
                    let (stream, mut events) = model.appends[at].clone();
                    events.truncate(take * 20);
                    let (name, any) = (STREAMS[stream], Expected::Any);
                    let outcome = logged.apply(&[append(name, any, &events)])[0];
                    prop_assert_eq!(outcome, model.append(name, any, &events, logged.clock));
                }
                Operation::Delete { stream } => {
                    let outcome = logged.apply(&[delete(STREAMS[stream])])[0];
                    prop_assert_eq!(outcome, model.delete(STREAMS[stream]));
                }
                Operation::Records(operations) => {
                    let operations: Vec<_> = operations
                        .into_iter()
                        .map(|(space, key, value)| (space, key, value.map(|n| n.to_string())))
                        .collect();
                    let changes: Vec<_> = operations
                        .iter()
                        .map(|(space, key, value)| match value {
                            Some(value) => put(*space, KEYS[*key], value),
                            None => remove(*space, KEYS[*key]),
                        })
                        .collect();
                    let outcome = logged.apply(&[records(&changes)])[0];
                    prop_assert_eq!(outcome, model.change(&operations, logged.clock));
                }
                Operation::Checkpoint => {
                    logged.store.checkpoint().unwrap();
                    prop_assert_eq!(logged.store.checkpointed(), logged.store.applied());
                    model.check(&logged.store.view());
                }
                Operation::Reopen => logged = logged.reopen(),
            }
        }
        model.check(&logged.store.view());
        prop_assert_eq!(logged.store.stats().events, model.events.len() as u64);
        logged.store.checkpoint().unwrap();
        model.check(&logged.store.view());
        model.check(&logged.reopen().store.view());
    }
}
