//! Events by type or tag: the positions of each term merged, each event read once.

use super::View;
use crate::disk::{Disk, Reader, Visit};
use crate::postings::{TermKind, term_key};
use crate::{StoreError, run::Run};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Positions that are taken from a memtable at once.
const AT_ONCE: usize = 256;

/// A walk over the positions of one term.
pub(super) struct Cursor<'a> {
    view: &'a View,
    term: Vec<u8>,
    buffer: std::vec::IntoIter<u64>,
    /// Where what follows the buffer begins.
    next: u64,
    disk_done: bool,
}

impl<'a> Cursor<'a> {
    fn new(view: &'a View, kind: TermKind, name: &[u8]) -> Self {
        let mut term = Vec::new();
        term_key(kind, name, &mut term);
        Self {
            view,
            term,
            buffer: Vec::new().into_iter(),
            next: 0,
            disk_done: false,
        }
    }

    /// The first position at `from` or after it. Never goes back.
    fn seek(&mut self, from: u64) -> Result<Option<u64>, StoreError> {
        let within = self
            .buffer
            .as_slice()
            .partition_point(|position| *position < from);
        if let Some(skipped) = within.checked_sub(1) {
            self.buffer.nth(skipped);
        }
        if self.buffer.as_slice().is_empty() {
            self.fill(from.max(self.next))?;
        }
        Ok(self.buffer.as_slice().first().copied())
    }

    fn fill(&mut self, from: u64) -> Result<(), StoreError> {
        let mut positions = Vec::new();
        if !self.disk_done {
            positions = self.view.published.disk.positions(&self.term, from)?;
            self.disk_done = positions.is_empty();
        }
        for memtable in self.view.published.memtables().rev() {
            if !positions.is_empty() {
                break;
            }
            let content = memtable.read();
            positions = content.positions(&self.term, from, AT_ONCE, self.view.bound);
        }
        self.next = positions.last().map_or(self.next, |last| last + 1);
        self.buffer = positions.into_iter();
        Ok(())
    }
}

impl View {
    pub(super) fn by_types(
        &self,
        types: &[&[u8]],
        limit: usize,
        visit: Visit<'_>,
    ) -> Result<usize, StoreError> {
        self.any(self.type_cursors(types), 0, limit, visit)
    }

    pub(super) fn by_any_tag(
        &self,
        tags: &[&[u8]],
        limit: usize,
        visit: Visit<'_>,
    ) -> Result<usize, StoreError> {
        self.any(self.tag_cursors(tags), 0, limit, visit)
    }

    pub(super) fn type_cursors(&self, types: &[&[u8]]) -> Vec<Cursor<'_>> {
        self.cursors(TermKind::Type, types)
    }

    pub(super) fn tag_cursors(&self, tags: &[&[u8]]) -> Vec<Cursor<'_>> {
        self.cursors(TermKind::Tag, tags)
    }

    fn cursors(&self, kind: TermKind, names: &[&[u8]]) -> Vec<Cursor<'_>> {
        names
            .iter()
            .map(|name| Cursor::new(self, kind, name))
            .collect()
    }

    /// The union of the cursors from a position on, least position first.
    pub(super) fn any(
        &self,
        mut cursors: Vec<Cursor<'_>>,
        from: u64,
        limit: usize,
        visit: Visit<'_>,
    ) -> Result<usize, StoreError> {
        let mut events = self.published.disk.events.reader();
        let mut heads = BinaryHeap::new();
        for (at, cursor) in cursors.iter_mut().enumerate() {
            heads.extend(cursor.seek(from)?.map(|position| Reverse((position, at))));
        }
        let (mut seen, mut done) = (0, None);
        while seen < limit {
            let Some(Reverse((position, at))) = heads.pop() else {
                break;
            };
            if done != Some(position) {
                seen += usize::from(self.show(&mut events, position, visit)?);
                done = Some(position);
            }
            if let Some(cursor) = cursors.get_mut(at) {
                heads.extend(
                    cursor
                        .seek(position + 1)?
                        .map(|position| Reverse((position, at))),
                );
            }
        }
        Ok(seen)
    }

    /// The intersection of the positions of all tags: each cursor in turn is asked for the least
    /// position that none has ruled out, until all agree.
    pub(super) fn by_all_tags(
        &self,
        tags: &[&[u8]],
        limit: usize,
        visit: Visit<'_>,
    ) -> Result<usize, StoreError> {
        let mut cursors = self.cursors(TermKind::Tag, tags);
        let mut events = self.published.disk.events.reader();
        let (mut candidate, mut agreed, mut seen) = (0, 0, 0);
        while seen < limit {
            for cursor in &mut cursors {
                match cursor.seek(candidate)? {
                    None => return Ok(seen),
                    Some(position) if position == candidate => agreed += 1,
                    Some(position) => (candidate, agreed) = (position, 1),
                }
                if agreed == tags.len() {
                    break;
                }
            }
            if agreed == tags.len() {
                seen += usize::from(self.show(&mut events, candidate, visit)?);
                (candidate, agreed) = (candidate + 1, 0);
            }
        }
        Ok(seen)
    }

    /// Visits the event at this position, unless its stream has been deleted.
    fn show(
        &self,
        events: &mut Reader<'_>,
        position: u64,
        visit: Visit<'_>,
    ) -> Result<bool, StoreError> {
        let dead = &self.dead().numbers;
        let disk = &self.published.disk;
        if position < disk.state.next_position {
            return Disk::event(events, position, |row, event| {
                let alive = !dead.contains(&row.number);
                if alive {
                    visit(event);
                }
                alive
            });
        }
        let Some(run) = self
            .run_at(position)
            .filter(|run| !dead.contains(&run.number))
        else {
            return Ok(false);
        };
        run.events(position - run.first_position)
            .take(1)
            .for_each(visit);
        Ok(true)
    }

    fn run_at(&self, position: u64) -> Option<Arc<Run>> {
        self.published.memtables().find_map(|memtable| {
            let content = memtable.read();
            let (_, run) = content.run_at(position)?;
            (run.first_position <= position).then(|| run.clone())
        })
    }
}
