//! Reading: one consistent picture of the store.
//!
//! # Layout
//! - `after`: what comes after a position
//! - `order`: all events
//! - `terms`: events by type or tag
//! - `records`: what is kept beside the events

mod after;
mod order;
mod records;
mod terms;

use crate::disk::DeadRuns;
use crate::guard::{guard, guard_visit};
use crate::memtable::Bound;
use crate::published::Published;
use crate::{Direction, RecordedEvent, Space, StoreError, TagMatch};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, OnceLock};

/// What the store held at one moment. Cheap to get and to clone. While it lives, nothing of what it
/// shows goes away, so one that is kept for long makes the database's file grow.
#[derive(Debug, Clone)]
pub struct View {
    pub(crate) published: Arc<Published>,
    pub(crate) bound: Bound,
    /// Events that exist.
    pub(crate) events: u64,
    /// Records that exist.
    pub(crate) records: Arc<BTreeMap<Space, u64>>,
    pub(crate) dead: Arc<OnceLock<Dead>>,
}

/// Streams that were deleted since the checkpoint, whose events it still holds.
#[derive(Debug, Default)]
pub(crate) struct Dead {
    numbers: HashSet<u64>,
    /// How many of their events are on disk.
    on_disk: u64,
    runs: OnceLock<DeadRuns>,
}

impl View {
    /// Last version of the stream; `None` if there is no such stream.
    ///
    /// # Errors
    /// [`StoreError`] if that cannot be read.
    pub fn version(&self, stream: &[u8]) -> Result<Option<u64>, StoreError> {
        let head = guard(|| self.published.head(stream, self.bound))?;
        Ok(head.map(|head| head.last_version))
    }

    /// Visits the events `start`, `start + 1`, … (forward) or `start`, `start - 1`, … (backward) of
    /// a stream, at most `count`, as far as there are any; answers how many, or `None` if there is
    /// no such stream. Versions beyond the end count, but are not there, in either direction.
    ///
    /// # Errors
    /// [`StoreError`] if one of them cannot be read; events before it have been visited then.
    pub fn read_stream(
        &self,
        stream: &[u8],
        start: u64,
        count: usize,
        direction: Direction,
        visit: &mut dyn FnMut(RecordedEvent<'_>),
    ) -> Result<Option<usize>, StoreError> {
        let Some(head) = guard(|| self.published.head(stream, self.bound))? else {
            return Ok(None);
        };
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let end = head.last_version + 1;
        let versions = match direction {
            Direction::Forward => start.min(end)..start.saturating_add(count).min(end),
            Direction::Backward => {
                let top = start.saturating_add(1);
                top.saturating_sub(count).min(end)..top.min(end)
            }
        };
        let seen = usize::try_from(versions.end - versions.start).unwrap_or(usize::MAX);
        if seen > 0 {
            guard_visit(visit, |visit| {
                self.published.read(head.number, versions, direction, visit)
            })?;
        }
        Ok(Some(seen))
    }

    /// The names of all streams, sorted.
    ///
    /// # Errors
    /// [`StoreError`] if one of them cannot be read.
    pub fn streams(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut changed: BTreeMap<Vec<u8>, bool> = BTreeMap::new();
        for memtable in self.published.memtables().rev() {
            let content = memtable.read();
            for name in content.names.keys() {
                match content.find(name, self.bound) {
                    crate::memtable::Seen::Nothing => {}
                    crate::memtable::Seen::Deleted => drop(changed.insert(name.to_vec(), false)),
                    crate::memtable::Seen::Alive { .. } => {
                        changed.insert(name.to_vec(), true);
                    }
                }
            }
        }
        let mut names = Vec::new();
        let mut keep = |name: &[u8]| {
            if !changed.contains_key(name) {
                names.push(name.to_vec());
            }
        };
        guard(|| self.published.disk.names(&mut keep))?;
        names.extend(
            changed
                .into_iter()
                .filter_map(|(name, alive)| alive.then_some(name)),
        );
        // Two sorted runs: the sort finds and merges them.
        names.sort();
        Ok(names)
    }

    /// Visits up to `limit` events of these types (raw terms; none named: of all), by position.
    ///
    /// # Errors
    /// [`StoreError`] if one of them cannot be read; events before it have been visited then.
    pub fn read_by_types(
        &self,
        types: &[&[u8]],
        limit: usize,
        visit: &mut dyn FnMut(RecordedEvent<'_>),
    ) -> Result<usize, StoreError> {
        match types {
            [] => self.read_all(0, limit, visit),
            _ => guard_visit(visit, |visit| self.by_types(types, limit, visit)),
        }
    }

    /// Visits up to `limit` events that bear one of these tags, or each of them, by position. No
    /// event bears one of no tags; each event bears all of no tags.
    ///
    /// # Errors
    /// [`StoreError`] if one of them cannot be read; events before it have been visited then.
    pub fn read_by_tags(
        &self,
        tags: &[&[u8]],
        matching: TagMatch,
        limit: usize,
        visit: &mut dyn FnMut(RecordedEvent<'_>),
    ) -> Result<usize, StoreError> {
        match (tags, matching) {
            ([], TagMatch::Any) => Ok(0),
            ([], TagMatch::All) => self.read_all(0, limit, visit),
            (_, TagMatch::Any) => guard_visit(visit, |visit| self.by_any_tag(tags, limit, visit)),
            (_, TagMatch::All) => guard_visit(visit, |visit| self.by_all_tags(tags, limit, visit)),
        }
    }

    /// Visits up to `limit` events by position, without the first `offset` of those that exist.
    ///
    /// # Errors
    /// [`StoreError`] if one of them cannot be read; events before it have been visited then.
    pub fn read_all(
        &self,
        offset: u64,
        limit: usize,
        visit: &mut dyn FnMut(RecordedEvent<'_>),
    ) -> Result<usize, StoreError> {
        match limit == 0 || offset >= self.events {
            true => Ok(0),
            false => guard_visit(visit, |visit| self.in_order(offset, limit, visit)),
        }
    }

    /// Whether there is any event.
    ///
    /// # Errors
    /// None now; the signature leaves room for a store that must look.
    pub fn has_events(&self) -> Result<bool, StoreError> {
        Ok(self.events > 0)
    }

    /// What has been deleted since the checkpoint.
    fn dead(&self) -> &Dead {
        if let Some(dead) = self.dead.get() {
            return dead;
        }
        let mut numbers = HashSet::new();
        for memtable in self.published.memtables() {
            numbers.extend(memtable.read().dead(self.bound));
        }
        let on_disk = numbers.iter().map(|number| self.on_disk(*number)).sum();
        let dead = Dead {
            numbers,
            on_disk,
            runs: OnceLock::new(),
        };
        self.dead.get_or_init(|| dead)
    }

    /// How many events of a deleted stream are on disk.
    fn on_disk(&self, number: u64) -> u64 {
        let mut end = 0;
        // Newest first: the oldest memtable says where the disk's part ends.
        for memtable in self.published.memtables() {
            if let Some(stream) = memtable.read().streams.get(&number) {
                end = stream.first_version;
            }
        }
        end
    }

    /// Where on disk the events of deleted streams are.
    fn dead_runs(&self) -> Result<&DeadRuns, StoreError> {
        let dead = self.dead();
        if let Some(runs) = dead.runs.get() {
            return Ok(runs);
        }
        let mut runs = Vec::new();
        for number in &dead.numbers {
            let versions = 0..self.on_disk(*number);
            self.published
                .disk
                .runs(*number, versions, Direction::Forward, |run| {
                    runs.push((run.first_position, run.count));
                    Ok(true)
                })?;
        }
        Ok(dead.runs.get_or_init(|| DeadRuns::new(runs)))
    }
}
