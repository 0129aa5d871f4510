//! Records, by key.

use super::View;
use crate::guard::{guard, guard_marked};
use crate::memtable::{Bound as Seen, Memtable};
use crate::tables::IN_RECORDS;
use crate::{Direction, Record, Space, StoreError};
use std::iter::Peekable;
use std::ops::Bound;

/// Records that are taken from a memtable at once: its lock is not held while they are visited.
const RECORDS_AT_ONCE: usize = 256;

/// The keys between which to look, in order.
type Keys = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What one level says of each key that it knows: `None`, it was deleted. In order of the keys.
type Level<'a> = Peekable<Box<dyn Iterator<Item = Result<Change, StoreError>> + 'a>>;
type Change = (Vec<u8>, Option<Record>);

impl View {
    /// The record under this key, as of this view.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    pub fn record(&self, space: Space, key: &[u8]) -> Result<Option<Record>, StoreError> {
        guard(|| self.published.record(&space.row_key(key), self.bound))
    }

    /// Number of records in a space.
    pub fn count_records(&self, space: Space) -> u64 {
        self.records.get(&space).copied().unwrap_or(0)
    }

    /// Visits the records whose keys begin with `prefix`, in the order of their keys or the other
    /// way round, as of this view, until `visit` answers false; begins with the first key in that
    /// direction that is not before `from` (with [`Bound::Excluded`]: that comes after it). Answers
    /// how many were visited.
    ///
    /// # Errors
    /// [`StoreError`] if one of them cannot be read, or a whole space was asked for and one is
    /// missing; records before it have been visited then.
    pub fn records(
        &self,
        space: Space,
        prefix: &[u8],
        from: Bound<&[u8]>,
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &Record) -> bool,
    ) -> Result<u64, StoreError> {
        let Some(keys) = between(&space.row_key(prefix), space, from, direction) else {
            return Ok(0);
        };
        let (seen, stopped) = guard_marked(|visiting| {
            let mut levels = self.levels(&keys, direction)?;
            let mut seen = 0;
            while let Some((key, record)) = next(&mut levels, direction)? {
                let Some(record) = record else { continue };
                visiting.set(true);
                let go_on = visit(key.get(1..).unwrap_or_default(), &record);
                visiting.set(false);
                seen += 1;
                if !go_on {
                    return Ok((seen, true));
                }
            }
            Ok((seen, false))
        })?;
        let whole = prefix.is_empty() && from == Bound::Unbounded && !stopped;
        if whole && seen != self.count_records(space) {
            let what = "there are fewer or more records in this space than counted";
            return Err(IN_RECORDS.damaged(&[space.0], what));
        }
        Ok(seen)
    }

    /// What there is between two keys, newest level first.
    fn levels(&self, keys: &Keys, direction: Direction) -> Result<Vec<Level<'_>>, StoreError> {
        let mut levels = Vec::new();
        for memtable in self.published.memtables() {
            let level = in_memory(memtable, self.bound, keys.clone(), direction).map(Ok);
            let level: Box<dyn Iterator<Item = _>> = Box::new(level);
            levels.push(level.peekable());
        }
        let on_disk = self
            .published
            .disk
            .records((as_slice(&keys.0), as_slice(&keys.1)), direction)?;
        let level: Box<dyn Iterator<Item = _>> =
            Box::new(on_disk.map(|row| row.map(|(key, record)| (key, Some(record)))));
        levels.push(level.peekable());
        Ok(levels)
    }
}

/// The keys that begin with `prefix` from `from` on; `None` if there can be none.
fn between(prefix: &[u8], space: Space, from: Bound<&[u8]>, direction: Direction) -> Option<Keys> {
    let from = from.map(|key| space.row_key(key));
    let start = Bound::Included(prefix.to_vec());
    let end = match prefix.iter().rposition(|byte| *byte != u8::MAX) {
        Some(last) => {
            let mut end = prefix.get(..=last)?.to_vec();
            *end.last_mut()? += 1;
            Bound::Excluded(end)
        }
        None => Bound::Unbounded,
    };
    let keys = match (direction, from) {
        (_, Bound::Unbounded) => (start, end),
        (Direction::Forward, from) if key_of(&from) >= key_of(&start) => (from, end),
        (Direction::Forward, _) => (start, end),
        (Direction::Backward, from) => match end {
            Bound::Excluded(end) if key_of(&from) >= Some(&end) => (start, Bound::Excluded(end)),
            _ => (start, from),
        },
    };
    // The tables do not like to be asked for less than nothing.
    let some = match (&keys.0, &keys.1) {
        (Bound::Included(start), Bound::Included(end)) => start <= end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end))
        | (Bound::Excluded(start), Bound::Included(end)) => start < end,
        (_, Bound::Unbounded) | (Bound::Unbounded, _) => true,
    };
    some.then_some(keys)
}

fn key_of(bound: &Bound<Vec<u8>>) -> Option<&Vec<u8>> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// What a memtable says of the keys between two.
fn in_memory(
    memtable: &Memtable,
    seen: Seen,
    mut keys: Keys,
    direction: Direction,
) -> impl Iterator<Item = Change> {
    let (mut page, mut more) = (Vec::new().into_iter(), true);
    std::iter::from_fn(move || {
        loop {
            if let Some(change) = page.next() {
                return Some(change);
            }
            if !std::mem::take(&mut more) {
                return None;
            }
            let bounds = (as_slice(&keys.0), as_slice(&keys.1));
            let mut changes = Vec::new();
            let last =
                memtable
                    .read()
                    .records(bounds, direction, seen, RECORDS_AT_ONCE, &mut changes);
            // None: that were all.
            if let Some(last) = last {
                let after = Bound::Excluded(last);
                match direction {
                    Direction::Forward => keys.0 = after,
                    Direction::Backward => keys.1 = after,
                }
                more = true;
            }
            page = changes.into_iter();
        }
    })
}

/// The next key that any level knows, and what the newest of them says of it.
fn next(levels: &mut [Level<'_>], direction: Direction) -> Result<Option<Change>, StoreError> {
    let mut first: Option<Vec<u8>> = None;
    for level in &mut *levels {
        let key = match level.peek() {
            Some(Ok((key, _))) => key,
            Some(Err(_)) => return level.next().transpose(),
            None => continue,
        };
        let sooner = first.as_ref().is_none_or(|first| match direction {
            Direction::Forward => key < first,
            Direction::Backward => key > first,
        });
        if sooner {
            first = Some(key.clone());
        }
    }
    let Some(first) = first else {
        return Ok(None);
    };
    let mut newest = None;
    for level in levels {
        let change = level.next_if(|next| matches!(next, Ok((key, _)) if *key == first));
        newest = newest.or(change.transpose()?);
    }
    Ok(newest)
}
