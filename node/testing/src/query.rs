//! Reads of every kind.

use crate::event::binary;
use crate::model::{Held, Model};
use crate::operation::{STREAMS, TAGS, TYPES};
use esdb_store::{Direction, RecordedEvent, StoreError, TagMatch, View};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What is read.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// The names of all streams, and the last version of each that a test may have used.
    Streams,
    /// Events of a stream, by version.
    Stream {
        /// The stream.
        stream: &'static str,
        /// First version.
        start: u64,
        /// Most events.
        count: usize,
        /// Which way.
        direction: Direction,
    },
    /// Events without the first `offset`.
    All {
        /// Events left out.
        offset: u64,
        /// Most events.
        limit: usize,
    },
    /// Events that are picked, by position.
    Picked {
        /// Which.
        pick: Pick,
        /// Only those at this position or after it; `None`: by the reads that begin at the beginning.
        from: Option<u64>,
        /// Most events.
        limit: usize,
    },
}

/// Which events.
#[derive(Debug, Clone, PartialEq)]
pub enum Pick {
    /// Each.
    All,
    /// Those of a stream.
    Stream(&'static str),
    /// Those of one of these types.
    Types(Vec<&'static str>),
    /// Those that bear one of these tags, or each of them.
    Tags(Vec<&'static str>, TagMatch),
}

impl Pick {
    fn takes(&self, held: &Held) -> bool {
        let bears = |tag: &&str| held.event.tag_names.iter().any(|name| name == tag);
        match self {
            Pick::All => true,
            Pick::Stream(name) => held.seen.stream == *name,
            Pick::Types(types) => types
                .iter()
                .any(|name| held.event.event_type == binary(name.as_bytes())),
            Pick::Tags(tags, TagMatch::Any) => tags.iter().any(bears),
            Pick::Tags(tags, TagMatch::All) => tags.iter().all(bears),
        }
    }
}

/// What a read calls for each event.
type Visit<'v> = &'v mut dyn FnMut(RecordedEvent<'_>);

impl Query {
    /// What the model answers.
    fn expect<'a>(&self, model: &'a Model) -> Vec<&'a Held> {
        let all = model.events.iter();
        match self {
            Query::Streams => Vec::new(),
            Query::All { offset, limit } => all.skip(*offset as usize).take(*limit).collect(),
            Query::Picked { pick, from, limit } => {
                let picked = all.filter(|held| held.seen.position >= from.unwrap_or(0));
                picked
                    .filter(|held| pick.takes(held))
                    .take(*limit)
                    .collect()
            }
            Query::Stream {
                stream,
                start,
                count,
                direction,
            } => {
                let versions = match direction {
                    Direction::Forward => *start..start.saturating_add(*count as u64),
                    Direction::Backward => (start + 1).saturating_sub(*count as u64)..start + 1,
                };
                let held = model.stream(stream);
                let mut held: Vec<_> = held
                    .filter(|held| versions.contains(&held.seen.version))
                    .collect();
                if *direction == Direction::Backward {
                    held.reverse();
                }
                held
            }
        }
    }

    /// What the store answers.
    fn ask(&self, view: &View, visit: Visit<'_>) -> Result<usize, StoreError> {
        let terms = |names: &[&str]| -> Vec<Vec<u8>> {
            names.iter().map(|name| binary(name.as_bytes())).collect()
        };
        match self {
            Query::Streams => Ok(0),
            Query::All { offset, limit } => view.read_all(*offset, *limit, visit),
            Query::Stream {
                stream,
                start,
                count,
                direction,
            } => view
                .read_stream(stream.as_bytes(), *start, *count, *direction, visit)
                .map(|count| count.unwrap_or(0)),
            Query::Picked { pick, from, limit } => match (pick, *from) {
                (Pick::All, from) => view.read_from(from.unwrap_or(0), *limit, visit),
                (Pick::Stream(name), from) => {
                    view.read_stream_from(name.as_bytes(), from.unwrap_or(0), *limit, visit)
                }
                (Pick::Types(types), from) => {
                    let terms = terms(types);
                    let types: Vec<&[u8]> = terms.iter().map(Vec::as_slice).collect();
                    match from {
                        None => view.read_by_types(&types, *limit, visit),
                        Some(from) => view.read_types_from(&types, from, *limit, visit),
                    }
                }
                (Pick::Tags(tags, matching), from) => {
                    let tags: Vec<&[u8]> = tags.iter().map(|tag| tag.as_bytes()).collect();
                    match (from, matching) {
                        (Some(from), TagMatch::Any) => {
                            view.read_tags_from(&tags, from, *limit, visit)
                        }
                        _ => view.read_by_tags(&tags, *matching, *limit, visit),
                    }
                }
            },
        }
    }

    pub(crate) fn check(&self, model: &Model, view: &View) -> Result<(), String> {
        if *self == Query::Streams {
            return check_streams(model, view);
        }
        let expected = self.expect(model);
        let (mut seen, mut wrong) = (0, None);
        let mut visit = |event: RecordedEvent<'_>| {
            if wrong.is_none() && expected.get(seen).is_none_or(|held| !held.seen.is(&event)) {
                let expected = expected.get(seen).map(|held| &held.seen);
                wrong = Some(format!(
                    "event {seen} is {event:?}, expected was {expected:?}"
                ));
            }
            seen += 1;
        };
        let asked = self.ask(view, &mut visit);
        let counted = asked.map_err(|error| format!("{self:?}: {error}"))?;
        if let Some(wrong) = wrong {
            return Err(format!("{self:?}: {wrong}"));
        }
        if (seen, counted) != (expected.len(), expected.len()) {
            let expected = expected.len();
            return Err(format!(
                "{self:?}: {seen} events, counted as {counted}, expected were {expected}"
            ));
        }
        Ok(())
    }
}

fn check_streams(model: &Model, view: &View) -> Result<(), String> {
    let last = |held: &Held| (held.seen.stream.clone().into_bytes(), held.seen.version);
    let versions: BTreeMap<Vec<u8>, u64> = model.events.iter().map(last).collect();
    let failed = |error: StoreError| format!("streams: {error}");
    let names = view.streams().map_err(failed)?;
    if !names.iter().eq(versions.keys()) {
        return Err(format!("streams: {names:?}, expected were {versions:?}"));
    }
    for name in STREAMS {
        let found = view.version(name.as_bytes()).map_err(failed)?;
        let expected = versions.get(name.as_bytes()).copied();
        let exists = view.read_stream(name.as_bytes(), 0, 0, Direction::Forward, &mut |_| {});
        let exists = exists.map_err(failed)?.is_some();
        if (found, exists) != (expected, expected.is_some()) {
            return Err(format!(
                "{name}: version {found:?}, expected was {expected:?}"
            ));
        }
    }
    let (any, next) = (view.has_events().map_err(failed)?, view.next_position());
    if (any, next) != (!model.events.is_empty(), model.next_position) {
        let expected = model.next_position;
        return Err(format!(
            "there are events: {any}; the next position is {next}, expected was {expected}"
        ));
    }
    Ok(())
}

/// Every event by every way that leads to it.
pub fn complete() -> Vec<Query> {
    let limit = usize::MAX;
    let mut queries = vec![Query::Streams, Query::All { offset: 0, limit }];
    for stream in STREAMS {
        let directions = [
            (0, usize::MAX, Direction::Forward),
            (100_000, usize::MAX, Direction::Backward),
        ];
        queries.extend(directions.map(|(start, count, direction)| Query::Stream {
            stream,
            start,
            count,
            direction,
        }));
    }
    let types = TYPES.map(|name| Pick::Types(vec![name]));
    let tags = TAGS.map(|name| Pick::Tags(vec![name], TagMatch::Any));
    let picks = types.into_iter().chain(tags);
    queries.extend(picks.map(|pick| Query::Picked {
        pick,
        from: None,
        limit,
    }));
    queries
}

/// A read.
pub fn query() -> impl Strategy<Value = Query> {
    let limit = || prop_oneof![Just(0usize), Just(1), Just(7), Just(150), Just(usize::MAX)];
    let start = || prop_oneof![0..10u64, 0..400u64, Just(10_000)];
    let stream = || prop::sample::select(&STREAMS[..]);
    let directions = vec![Direction::Forward, Direction::Backward];
    let direction = prop::sample::select(directions);
    let matching = prop::sample::select(vec![TagMatch::Any, TagMatch::All]);
    let types = vec!["opened", "changed", "closed", "never"];
    let tags = vec!["red", "green", "blue", "never"];
    let pick = prop_oneof![
        1 => Just(Pick::All),
        1 => stream().prop_map(Pick::Stream),
        2 => prop::collection::vec(prop::sample::select(types), 1..4).prop_map(Pick::Types),
        2 => (prop::collection::vec(prop::sample::select(tags), 1..4), matching)
            .prop_map(|(tags, matching)| Pick::Tags(tags, matching)),
    ];
    prop_oneof![
        1 => Just(Query::Streams),
        4 => (stream(), start(), limit(), direction).prop_map(|(stream, start, count, direction)| {
            Query::Stream { stream, start, count, direction }
        }),
        2 => (start(), limit()).prop_map(|(offset, limit)| Query::All { offset, limit }),
        4 => (pick, proptest::option::of(start()), limit()).prop_map(|(pick, from, limit)| {
            // There is no such read from a position on.
            let from = from.filter(|_| !matches!(pick, Pick::Tags(_, TagMatch::All)));
            Query::Picked { pick, from, limit }
        }),
    ]
}
