//! All events, by position.

use super::View;
use crate::disk::Visit;
use crate::memtable::Memtable;
use crate::{StoreError, run::Run};
use std::collections::HashSet;
use std::sync::Arc;

/// Runs that are taken from a memtable at once: its lock is not held while they are visited.
const RUNS_AT_ONCE: usize = 256;

impl View {
    /// [`View::read_all`] where there is something to visit.
    pub(super) fn in_order(
        &self,
        offset: u64,
        limit: usize,
        visit: Visit<'_>,
    ) -> Result<usize, StoreError> {
        let dead = self.dead();
        let disk = &self.published.disk;
        let on_disk = disk.state.events.saturating_sub(dead.on_disk);
        let mut seen = 0;
        if offset < on_disk {
            seen = disk.read_all(offset, limit, &dead.numbers, self.dead_runs()?, visit)?;
        }
        let mut skip = offset.saturating_sub(on_disk);
        for memtable in self.published.memtables().rev() {
            if seen == limit {
                break;
            }
            let walk = Walk {
                view: self,
                memtable,
                dead: &dead.numbers,
            };
            seen += walk.visit(&mut skip, limit - seen, visit);
        }
        Ok(seen)
    }
}

/// A walk through a memtable, by position.
struct Walk<'a> {
    view: &'a View,
    memtable: &'a Memtable,
    dead: &'a HashSet<u64>,
}

impl Walk<'_> {
    /// Visits up to `limit` living events after the first `skip`, and counts `skip` down.
    fn visit(&self, skip: &mut u64, limit: usize, visit: Visit<'_>) -> usize {
        let (mut at, mut seen) = (0, 0);
        if self.dead.is_empty() {
            at = self.jump(skip);
        }
        loop {
            let runs = self.take(at);
            if runs.is_empty() {
                return seen;
            }
            at += runs.len();
            for run in &runs {
                if self.dead.contains(&run.number) {
                    continue;
                }
                if *skip >= run.count.into() {
                    *skip -= u64::from(run.count);
                    continue;
                }
                for event in run.events(std::mem::take(skip)) {
                    visit(event);
                    seen += 1;
                    if seen == limit {
                        return seen;
                    }
                }
            }
        }
    }

    /// Without deletions positions are ranks: finds the run at once, and leaves in `skip` what is
    /// to be skipped from its beginning.
    fn jump(&self, skip: &mut u64) -> usize {
        let content = self.memtable.read();
        let Some(first) = content.runs.first().map(|run| run.first_position) else {
            return 0;
        };
        match content.run_at(first.saturating_add(*skip)) {
            Some((at, run)) => {
                *skip -= run.first_position - first;
                at
            }
            None => {
                let end = content.runs.last().map_or(first, |run| run.end_position());
                *skip -= end.min(self.view.bound.end).saturating_sub(first);
                content.runs.len()
            }
        }
    }

    fn take(&self, at: usize) -> Vec<Arc<Run>> {
        let content = self.memtable.read();
        let rest = content
            .runs
            .get(at..)
            .unwrap_or_default()
            .iter()
            .take(RUNS_AT_ONCE);
        rest.take_while(|run| run.first_position < self.view.bound.end)
            .cloned()
            .collect()
    }
}
