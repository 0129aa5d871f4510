//! What belongs together: the memtables and the checkpoint beneath them, swapped at once.

use crate::disk::{Disk, Visit};
use crate::memtable::{Bound, Memtable, Seen};
use crate::meta::State;
use crate::run::Run;
use crate::tables::Head;
use crate::{Direction, Record, StoreError};
use std::ops::Range;
use std::sync::Arc;

/// A memtable that a checkpoint writes, or failed to write.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub memtable: Arc<Memtable>,
    /// The state once it is written.
    pub state: State,
}

/// One active memtable, at most one frozen one, and what is on disk without them.
#[derive(Debug)]
pub(crate) struct Published {
    pub active: Arc<Memtable>,
    pub frozen: Option<Arc<Frozen>>,
    pub disk: Arc<Disk>,
}

/// The events of a stream from some version on, by where they are.
struct Places {
    on_disk: Range<u64>,
    /// Oldest first.
    in_memory: Vec<Arc<Run>>,
}

impl Published {
    /// The memtables, newest first.
    pub fn memtables(&self) -> impl DoubleEndedIterator<Item = &Memtable> {
        let frozen = self.frozen.iter().map(|frozen| &*frozen.memtable);
        std::iter::once(&*self.active).chain(frozen)
    }

    /// Where a stream ends, if there is one.
    pub fn head(&self, name: &[u8], bound: Bound) -> Result<Option<Head>, StoreError> {
        for memtable in self.memtables() {
            match memtable.read().find(name, bound) {
                Seen::Nothing => {}
                Seen::Deleted => return Ok(None),
                Seen::Alive {
                    number,
                    last_version,
                } => {
                    return Ok(Some(Head {
                        number,
                        last_version,
                    }));
                }
            }
        }
        self.disk.head(name)
    }

    /// Where the event with this version stands, which the stream must have.
    pub fn position_of(&self, number: u64, version: u64) -> Result<u64, StoreError> {
        for memtable in self.memtables() {
            let (_, runs) = memtable.read().runs_of(number, version, version + 1);
            if let Some(run) = runs.first() {
                return Ok(run.first_position + version.saturating_sub(run.first_version));
            }
        }
        let (versions, mut position) = (version..version + 1, 0);
        self.disk
            .runs(number, versions, Direction::Forward, |run| {
                position = run.first_position + (version - run.first_version);
                Ok(true)
            })?;
        Ok(position)
    }

    /// The record under a row's key.
    pub fn record(&self, row_key: &[u8], bound: Bound) -> Result<Option<Record>, StoreError> {
        for memtable in self.memtables() {
            if let Some(record) = memtable.read().record(row_key, bound) {
                return Ok(record.cloned());
            }
        }
        self.disk.record(row_key)
    }

    /// Whether there is a record under a row's key. One that is damaged is there.
    pub fn has_record(&self, row_key: &[u8], bound: Bound) -> Result<bool, StoreError> {
        for memtable in self.memtables() {
            if let Some(record) = memtable.read().record(row_key, bound) {
                return Ok(record.is_some());
            }
        }
        self.disk.has_record(row_key)
    }

    fn places(&self, number: u64, versions: Range<u64>) -> Places {
        let mut on_disk = versions.clone();
        let mut in_memory = Vec::new();
        for memtable in self.memtables() {
            let (first, mut runs) = memtable
                .read()
                .runs_of(number, versions.start, versions.end);
            if let Some(first) = first {
                on_disk.end = on_disk.end.min(first.max(versions.start));
            }
            runs.append(&mut in_memory);
            in_memory = runs;
        }
        Places { on_disk, in_memory }
    }

    /// Visits the events with these versions, which the stream must have.
    pub fn read(
        &self,
        number: u64,
        versions: Range<u64>,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), StoreError> {
        let places = self.places(number, versions.clone());
        match direction {
            Direction::Forward => {
                self.disk
                    .read_stream(number, places.on_disk, direction, visit)?;
                for run in &places.in_memory {
                    let skip = versions.start.saturating_sub(run.first_version);
                    run.events(skip)
                        .take_while(|event| event.version < versions.end)
                        .for_each(&mut *visit);
                }
            }
            Direction::Backward => {
                for run in places.in_memory.iter().rev() {
                    let skip = versions.start.saturating_sub(run.first_version);
                    let seen = run
                        .events(skip)
                        .take_while(|event| event.version < versions.end);
                    let events: Vec<_> = seen.collect();
                    events.into_iter().rev().for_each(&mut *visit);
                }
                self.disk
                    .read_stream(number, places.on_disk, direction, visit)?;
            }
        }
        Ok(())
    }

    /// What the retry window keeps of each event, for these versions, which the stream must have.
    pub fn retry_hashes(&self, number: u64, versions: Range<u64>) -> Result<Vec<u64>, StoreError> {
        let places = self.places(number, versions.clone());
        let mut hashes = Vec::new();
        let mut take = |first: u64, run: &mut dyn Iterator<Item = u64>| {
            let skip = usize::try_from(versions.start.saturating_sub(first)).unwrap_or(usize::MAX);
            hashes.extend(run.skip(skip));
        };
        self.disk
            .runs(number, places.on_disk.clone(), Direction::Forward, |run| {
                // Only a run's beginning is on disk if the rest would come after `on_disk`.
                let end = usize::try_from(places.on_disk.end.saturating_sub(run.first_version));
                take(
                    run.first_version,
                    &mut run.retry_hashes().take(end.unwrap_or(usize::MAX)),
                );
                Ok(true)
            })?;
        for run in &places.in_memory {
            take(
                run.first_version,
                &mut run.raw().map(|(_, body)| body.retry_hash()),
            );
        }
        Ok(hashes)
    }
}
