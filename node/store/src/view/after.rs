//! What comes at or after a position: how a subscription that is behind catches up.

use super::View;
use crate::disk::Visit;
use crate::guard::{guard, guard_visit};
use crate::memtable::Memtable;
use crate::{Direction, RecordedEvent, StoreError};

/// Runs that are taken from a memtable at once: its lock is not held while they are visited.
const RUNS_AT_ONCE: usize = 64;

impl View {
    /// The position that the next event will get: every event that this view shows is before it.
    pub fn next_position(&self) -> u64 {
        self.bound.end
    }

    /// Visits up to `limit` events by position, from `position` on.
    ///
    /// # Errors
    /// [`StoreError`] if one of them cannot be read; events before it have been visited then.
    pub fn read_from(
        &self,
        position: u64,
        limit: usize,
        visit: &mut dyn FnMut(RecordedEvent<'_>),
    ) -> Result<usize, StoreError> {
        match limit == 0 || position >= self.bound.end {
            true => Ok(0),
            false => guard_visit(visit, |visit| self.in_order_from(position, limit, visit)),
        }
    }

    /// Visits up to `limit` events of these types (raw terms) by position, from `position` on.
    ///
    /// # Errors
    /// As [`View::read_from`].
    pub fn read_types_from(
        &self,
        types: &[&[u8]],
        position: u64,
        limit: usize,
        visit: &mut dyn FnMut(RecordedEvent<'_>),
    ) -> Result<usize, StoreError> {
        guard_visit(visit, |visit| {
            self.any(self.type_cursors(types), position, limit, visit)
        })
    }

    /// Visits up to `limit` events that bear one of these tags by position, from `position` on.
    ///
    /// # Errors
    /// As [`View::read_from`].
    pub fn read_tags_from(
        &self,
        tags: &[&[u8]],
        position: u64,
        limit: usize,
        visit: &mut dyn FnMut(RecordedEvent<'_>),
    ) -> Result<usize, StoreError> {
        guard_visit(visit, |visit| {
            self.any(self.tag_cursors(tags), position, limit, visit)
        })
    }

    /// Visits up to `limit` events of a stream, from the first one on that stands at `position` or
    /// after it; none if there is no such stream.
    ///
    /// # Errors
    /// As [`View::read_from`].
    pub fn read_stream_from(
        &self,
        stream: &[u8],
        position: u64,
        limit: usize,
        visit: &mut dyn FnMut(RecordedEvent<'_>),
    ) -> Result<usize, StoreError> {
        let Some(head) = guard(|| self.published.head(stream, self.bound))? else {
            return Ok(0);
        };
        let first = guard(|| self.version_at(head.number, head.last_version, position))?;
        let count = u64::try_from(limit).unwrap_or(u64::MAX);
        let versions = first..first.saturating_add(count).min(head.last_version + 1);
        if versions.is_empty() {
            return Ok(0);
        }
        let seen = usize::try_from(versions.end - versions.start).unwrap_or(usize::MAX);
        guard_visit(visit, |visit| {
            self.published
                .read(head.number, versions, Direction::Forward, visit)
        })?;
        Ok(seen)
    }

    /// The first version of a stream that stands at `position` or after it; one past the last if
    /// there is none. By bisection: versions and positions ascend together.
    fn version_at(&self, number: u64, last: u64, position: u64) -> Result<u64, StoreError> {
        let (mut low, mut high) = (0, last + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.published.position_of(number, middle)? < position {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    fn in_order_from(
        &self,
        position: u64,
        limit: usize,
        visit: Visit<'_>,
    ) -> Result<usize, StoreError> {
        let disk = &self.published.disk;
        let dead = &self.dead().numbers;
        let mut seen = 0;
        if position < disk.state.next_position {
            seen = disk.read_from(position, limit, dead, visit)?;
        }
        for memtable in self.published.memtables().rev() {
            if seen == limit {
                break;
            }
            seen += self.memtable_from(memtable, position, limit - seen, visit);
        }
        Ok(seen)
    }

    fn memtable_from(
        &self,
        memtable: &Memtable,
        mut position: u64,
        limit: usize,
        visit: Visit<'_>,
    ) -> usize {
        let dead = &self.dead().numbers;
        let mut seen = 0;
        loop {
            let runs: Vec<_> = {
                let content = memtable.read();
                let first = content.run_at(position).map_or(content.runs.len(), |r| r.0);
                let rest = content.runs.get(first..).unwrap_or_default().iter();
                rest.take(RUNS_AT_ONCE)
                    .take_while(|run| run.first_position < self.bound.end)
                    .cloned()
                    .collect()
            };
            let Some(last) = runs.last() else {
                return seen;
            };
            let end = last.end_position();
            for run in runs.iter().filter(|run| !dead.contains(&run.number)) {
                for event in run.events(position.saturating_sub(run.first_position)) {
                    visit(event);
                    seen += 1;
                    if seen == limit {
                        return seen;
                    }
                }
            }
            position = end;
        }
    }
}
