//! What has been applied and is not on disk yet.
//!
//! One thread writes, any number reads, each through a [`Bound`]: what was put in after the bound
//! was taken is there but not seen. So a batch becomes visible at once, and a view stays as it was.

use crate::run::Run;
use crate::{Direction, Record};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::collections::{BTreeMap, HashMap};
use std::ops;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How much of a memtable is seen: events before `end`, deletions and changes of records before
/// `tick`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub end: u64,
    pub tick: u64,
}

impl Bound {
    /// Everything: what the applying thread sees.
    pub const ALL: Bound = Bound {
        end: u64::MAX,
        tick: u64::MAX,
    };
}

/// What a memtable knows of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing: older levels decide.
    Nothing,
    /// The stream was deleted.
    Deleted,
    /// The stream has events here.
    Alive { number: u64, last_version: u64 },
}

/// One incarnation of a stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Events before this version are in older levels.
    pub first_version: u64,
    /// Indexes into [`Content::runs`].
    pub runs: Vec<usize>,
    /// The tick at which it was deleted.
    pub died: Option<u64>,
}

/// What became of a record.
#[derive(Debug)]
pub(crate) struct Change {
    tick: u64,
    /// `None`: it was deleted.
    pub record: Option<Record>,
}

/// What is in a memtable.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// By position.
    pub runs: Vec<Arc<Run>>,
    /// By stream number.
    pub streams: HashMap<u64, Stream>,
    /// Stream numbers of each name, ascending.
    pub names: HashMap<Arc<[u8]>, Vec<u64>>,
    /// Positions of each term, ascending.
    pub postings: HashMap<Vec<u8>, Vec<u64>>,
    /// Tick and stream number of each deletion.
    pub deaths: Vec<(u64, u64)>,
    /// What became of records, oldest first, by the keys of their rows: views may show any of it.
    pub records: BTreeMap<Vec<u8>, Vec<Change>>,
}

/// Bytes that a run, a stream, a term, a record costs beside its own.
const OVERHEAD: usize = 160;

/// A memtable.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    content: RwLock<Content>,
    bytes: AtomicUsize,
}

impl Memtable {
    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Counts bytes that are held besides what [`Content`] counts.
    pub fn charge(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// To read.
    pub fn read(&self) -> RwLockReadGuard<'_, Content> {
        self.content.read()
    }

    /// To write; for the applying thread.
    pub fn write(&self) -> RwLockWriteGuard<'_, Content> {
        self.content.write()
    }
}

impl Content {
    fn stream(&mut self, number: u64, name: &Arc<[u8]>, next_version: u64) -> &mut Stream {
        self.streams.entry(number).or_insert_with(|| {
            self.names.entry(name.clone()).or_default().push(number);
            Stream {
                first_version: next_version,
                runs: Vec::new(),
                died: None,
            }
        })
    }

    /// Adds a run with the terms of its events; answers the bytes it takes beside its bodies.
    pub fn put(&mut self, run: Run, scratch: &mut Vec<u8>) -> usize {
        let mut bytes = OVERHEAD;
        for (position, (_, body)) in (run.first_position..).zip(run.raw()) {
            bytes += crate::terms::each(&body, scratch, |term| self.post(term, position));
        }
        let index = self.runs.len();
        let stream = self.stream(run.number, &run.name, run.first_version);
        if stream.runs.is_empty() {
            bytes += OVERHEAD + run.name.len();
        }
        stream.runs.push(index);
        self.runs.push(Arc::new(run));
        bytes
    }

    fn post(&mut self, term: &[u8], position: u64) -> usize {
        match self.postings.get_mut(term) {
            Some(positions) => {
                // A tag that an event bears twice counts once.
                if positions.last() != Some(&position) {
                    positions.push(position);
                }
                8
            }
            None => {
                self.postings.insert(term.to_vec(), vec![position]);
                term.len() + OVERHEAD
            }
        }
    }

    /// Ends a stream.
    pub fn delete(&mut self, number: u64, name: &Arc<[u8]>, next_version: u64, tick: u64) {
        self.stream(number, name, next_version).died = Some(tick);
        self.deaths.push((tick, number));
    }

    /// What is known of `name`.
    pub fn find(&self, name: &[u8], bound: Bound) -> Seen {
        for number in self.names.get(name).into_iter().flatten().rev() {
            let Some(stream) = self.streams.get(number) else {
                continue;
            };
            if stream.died.is_some_and(|tick| tick < bound.tick) {
                return Seen::Deleted;
            }
            if let Some(run) = self
                .visible(stream, bound)
                .last()
                .and_then(|at| self.runs.get(*at))
            {
                return Seen::Alive {
                    number: *number,
                    last_version: run.end_version() - 1,
                };
            }
        }
        Seen::Nothing
    }

    /// The runs of a stream that the bound shows.
    fn visible<'a>(&self, stream: &'a Stream, bound: Bound) -> &'a [usize] {
        let seen = stream.runs.partition_point(|at| {
            self.runs
                .get(*at)
                .is_some_and(|run| run.first_position < bound.end)
        });
        stream.runs.get(..seen).unwrap_or_default()
    }

    /// The runs of a stream, seen or not, that hold versions from `from` up to before `end`; and
    /// the first version that is here, if there is any.
    pub fn runs_of(&self, number: u64, from: u64, end: u64) -> (Option<u64>, Vec<Arc<Run>>) {
        let Some(stream) = self.streams.get(&number) else {
            return (None, Vec::new());
        };
        let run = |at: &usize| self.runs.get(*at);
        let first = stream
            .runs
            .partition_point(|at| run(at).is_some_and(|run| run.end_version() <= from));
        let runs = stream
            .runs
            .get(first..)
            .unwrap_or_default()
            .iter()
            .filter_map(run);
        let runs = runs
            .take_while(|run| run.first_version < end)
            .cloned()
            .collect();
        (
            (!stream.runs.is_empty()).then_some(stream.first_version),
            runs,
        )
    }

    /// The run that holds `position`, or the first one after it.
    pub fn run_at(&self, position: u64) -> Option<(usize, &Arc<Run>)> {
        let at = self
            .runs
            .partition_point(|run| run.end_position() <= position);
        self.runs.get(at).map(|run| (at, run))
    }

    /// Up to `count` positions of a term from `from` on.
    pub fn positions(&self, term: &[u8], from: u64, count: usize, bound: Bound) -> Vec<u64> {
        let Some(positions) = self.postings.get(term) else {
            return Vec::new();
        };
        let start = positions.partition_point(|position| *position < from);
        let rest = positions.get(start..).unwrap_or_default().iter().copied();
        rest.take(count)
            .take_while(|position| *position < bound.end)
            .collect()
    }

    /// Changes a record, or takes it away; answers the bytes that takes beside its value.
    pub fn put_record(&mut self, key: Vec<u8>, tick: u64, record: Option<Record>) -> usize {
        let bytes = key.len() + OVERHEAD;
        let changes = self.records.entry(key).or_default();
        changes.push(Change { tick, record });
        bytes
    }

    /// What became of a record, if anything that the bound shows: `Some(None)`, it was deleted.
    pub fn record(&self, key: &[u8], bound: Bound) -> Option<Option<&Record>> {
        seen(self.records.get(key)?, bound)
    }

    /// Puts what became of records between two keys into `out`, of at most `count` of those that are
    /// here. Answers the last key it looked at, if there may be more after it.
    pub fn records(
        &self,
        keys: (ops::Bound<&[u8]>, ops::Bound<&[u8]>),
        direction: Direction,
        bound: Bound,
        count: usize,
        out: &mut Vec<(Vec<u8>, Option<Record>)>,
    ) -> Option<Vec<u8>> {
        let mut range = self.records.range::<[u8], _>(keys);
        for nth in 1..=count {
            let (key, changes) = match direction {
                Direction::Forward => range.next()?,
                Direction::Backward => range.next_back()?,
            };
            if let Some(record) = seen(changes, bound) {
                out.push((key.clone(), record.cloned()));
            }
            if nth == count {
                return Some(key.clone());
            }
        }
        None
    }

    /// The numbers of streams whose deletion the bound shows.
    pub fn dead(&self, bound: Bound) -> impl Iterator<Item = u64> {
        self.deaths
            .iter()
            .take_while(move |(tick, _)| *tick < bound.tick)
            .map(|(_, n)| *n)
    }
}

/// The last of the changes that the bound shows.
fn seen(changes: &[Change], bound: Bound) -> Option<Option<&Record>> {
    let seen = changes.partition_point(|change| change.tick < bound.tick);
    let last = changes.get(..seen)?.last()?;
    Some(last.record.as_ref())
}
