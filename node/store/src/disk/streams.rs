//! Streams on disk: their heads, their runs, and the events to which these lead.

use super::{Disk, Reader, Visit};
use crate::tables::{EventRow, Head, IN_EVENTS, IN_RUNS, IN_STREAMS, RunRow, pair_key};
use crate::{Direction, StoreError};
use redb::ReadableTable;
use std::ops::Range;

impl Disk {
    /// Where the stream ends, if there is one.
    pub fn head(&self, name: &[u8]) -> Result<Option<Head>, StoreError> {
        let value = self.streams.get(name)?;
        value
            .map(|value| Head::open(name, value.value()))
            .transpose()
    }

    /// Visits the names of all streams, in order.
    pub fn names(&self, mut visit: impl FnMut(&[u8])) -> Result<(), StoreError> {
        let mut count = 0;
        for row in self.streams.iter()? {
            let (name, value) = row?;
            Head::open(name.value(), value.value())?;
            visit(name.value());
            count += 1;
        }
        match count == self.state.streams {
            true => Ok(()),
            false => Err(IN_STREAMS.damaged(b"", "there are fewer or more streams than counted")),
        }
    }

    /// Visits the runs that hold the `versions` of a stream, in the given direction, until `visit`
    /// answers false; each run once, and none missing.
    pub fn runs(
        &self,
        number: u64,
        versions: Range<u64>,
        direction: Direction,
        mut visit: impl FnMut(RunRow<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        if versions.is_empty() {
            return Ok(());
        }
        let gap = |version| IN_RUNS.damaged(&pair_key(number, version), "a run is missing");
        let first = self
            .runs
            .range((number, 0)..=(number, versions.start))?
            .next_back();
        let Some(first) = first.transpose()? else {
            return Err(gap(versions.start));
        };
        let first = first.0.value().1;
        let mut rows = self.runs.range((number, first)..(number, versions.end))?;
        match direction {
            Direction::Forward => {
                let mut next = first;
                for row in rows {
                    let (key, value) = row?;
                    let run = RunRow::open(number, key.value().1, value.value())?;
                    if run.first_version != next
                        || (next == first && run.end_version() <= versions.start)
                    {
                        return Err(gap(next));
                    }
                    next = run.end_version();
                    if !visit(run)? {
                        return Ok(());
                    }
                }
                if next < versions.end {
                    Err(gap(next))
                } else {
                    Ok(())
                }
            }
            Direction::Backward => {
                let mut end = versions.end;
                while let Some(row) = rows.next_back() {
                    let (key, value) = row?;
                    let run = RunRow::open(number, key.value().1, value.value())?;
                    let meets = match end == versions.end {
                        true => run.end_version() >= end,
                        false => run.end_version() == end,
                    };
                    if !meets {
                        return Err(gap(run.end_version()));
                    }
                    end = run.first_version;
                    if !visit(run)? {
                        return Ok(());
                    }
                }
                if end > versions.start {
                    Err(gap(versions.start))
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Visits the events with these `versions` of a stream.
    pub fn read_stream(
        &self,
        number: u64,
        versions: Range<u64>,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), StoreError> {
        let mut events = self.events.reader();
        self.runs(number, versions.clone(), direction, |run| {
            let from = versions.start.max(run.first_version);
            let end = versions.end.min(run.end_version());
            let place = |version| run.first_position + (version - run.first_version);
            let run = (number, from, place(from)..place(end));
            read_run(&mut events, run, direction, visit)?;
            Ok(true)
        })
    }
}

/// Visits the events of a stream's number, from a version on, at these positions.
fn read_run(
    events: &mut Reader<'_>,
    (number, version, positions): (u64, u64, Range<u64>),
    direction: Direction,
    visit: Visit<'_>,
) -> Result<(), StoreError> {
    let damaged = |position: u64, what| IN_EVENTS.damaged(&position.to_be_bytes(), what);
    for at in 0..positions.end - positions.start {
        let position = match direction {
            Direction::Forward => positions.start + at,
            Direction::Backward => positions.end - 1 - at,
        };
        let Some(value) = events.at(position)? else {
            return Err(damaged(position, "an event is missing"));
        };
        let (row, body) = EventRow::open(position, value)?;
        let expected = version + (position - positions.start);
        if (row.number, row.version) != (number, expected) {
            return Err(damaged(position, "it is not the event its run names"));
        }
        visit(body.recorded(row.name, row.version, position, row.epoch_us));
    }
    Ok(())
}
