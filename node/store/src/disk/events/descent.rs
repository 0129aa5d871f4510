//! The way down from the root of the tree to a page of events.

use super::branches::Kept;
use super::{Events, UNKNOWN};
use crate::StoreError;
use crate::pages::page::{Branch, Leaf};
use crate::pages::tree::Root;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Most bytes that are read at once, but for a page that has more.
const AT_ONCE: usize = 64 << 10;
/// Deeper than any tree that fits a disk.
const DEEPEST: usize = 48;

/// Positions that a page may hold.
pub(super) type Span = RangeInclusive<u64>;

/// Where a page is, and what it may hold.
#[derive(Debug)]
pub(super) struct Page {
    /// In the file, in bytes.
    pub offset: u64,
    /// In bytes.
    pub length: usize,
    pub span: Span,
}

impl Page {
    /// Whether another page follows it, in the file and in what it may hold.
    fn touches(&self, next: &Page) -> bool {
        self.offset + self.length as u64 == next.offset
            && self.span.end().checked_add(1) == Some(*next.span.start())
            && !self.span.is_empty()
            && !next.span.is_empty()
    }
}

/// A page that leads to others, and what these may hold.
#[derive(Debug)]
pub(super) struct Above {
    kept: Arc<Kept>,
    span: Span,
}

impl Above {
    /// Whether an event at `position` would be below it.
    pub fn holds(&self, position: u64) -> bool {
        self.span.contains(&position)
    }

    fn branch(&self, events: &Events) -> Result<Branch<'_>, StoreError> {
        self.kept.branch().ok_or_else(|| events.malformed())
    }

    /// Which page below it may hold `position`. Positions have few holes, so it is looked for first
    /// where it would be without any: each look elsewhere waits for the memory.
    pub fn nth(&self, events: &Events, position: u64) -> Result<usize, StoreError> {
        let branch = self.branch(events)?;
        let (before, all) = (
            position - self.span.start(),
            self.span.end() - self.span.start(),
        );
        let guess = match *self.span.end() {
            // Nobody knows where the last one ends.
            u64::MAX => branch.count as u128 / 2,
            _ => u128::from(before) * (branch.count as u128 + 1) / (u128::from(all) + 1),
        };
        let key = |nth| branch.key(nth).and_then(number);
        first_from(branch.count, position, guess as usize, key).ok_or_else(|| events.malformed())
    }

    /// What a page below it may hold.
    fn span(&self, branch: &Branch<'_>, nth: usize) -> Option<Span> {
        let key = |nth| branch.key(nth).and_then(number);
        let start = match nth.checked_sub(1) {
            Some(before) => key(before)?.checked_add(1)?,
            None => *self.span.start(),
        };
        let end = match nth < branch.count {
            true => key(nth)?,
            false => *self.span.end(),
        };
        Some(start..=end)
    }

    /// Where a page below it is.
    pub fn page(&self, events: &Events, nth: usize) -> Result<Page, StoreError> {
        let branch = self.branch(events)?;
        match branch.below(nth).zip(self.span(&branch, nth)) {
            Some((number, span)) => events.page(number, span),
            None => Err(events.malformed()),
        }
    }

    /// The page, and up to `count` in all of those behind it (`step` 1) or before it (-1), as far as
    /// they lie one after the other in the file. In the file's order.
    pub fn beside(
        &self,
        events: &Events,
        (nth, needed): (usize, Page),
        step: isize,
        count: usize,
    ) -> Result<Vec<Page>, StoreError> {
        let most = self.branch(events)?.count;
        let (mut length, mut nth) = (needed.length, nth);
        let mut pages = vec![needed];
        while pages.len() < count {
            nth = match nth.checked_add_signed(step) {
                Some(next) if next <= most => next,
                _ => break,
            };
            let page = self.page(events, nth)?;
            length += page.length;
            let touches = pages.last().is_some_and(|last| match step {
                1 => last.touches(&page),
                _ => page.touches(last),
            });
            if !touches || length > AT_ONCE {
                break;
            }
            pages.push(page);
        }
        if step < 0 {
            pages.reverse();
        }
        Ok(pages)
    }
}

impl Events {
    /// The last page above the one that may hold `position`; `None` if the root holds all events.
    pub(super) fn above(&self, root: &Root, position: u64) -> Result<Option<Above>, StoreError> {
        let (mut page, mut checksum, mut span) = (root.page, root.checksum, 0..=u64::MAX);
        let mut above = None;
        for _ in 0..self.height(root)? {
            let kept = self.branch(page, checksum)?;
            let next = Above { kept, span };
            let nth = next.nth(self, position)?;
            let below = next.branch(self).map(|branch| {
                let span = next.span(&branch, nth)?;
                Some((branch.below(nth)?, branch.checksum(nth)?, span))
            });
            (page, checksum, span) = below?.ok_or_else(|| self.malformed())?;
            above = Some(next);
        }
        Ok(above)
    }

    /// Where a page is.
    pub(super) fn page(&self, number: u64, span: Span) -> Result<Page, StoreError> {
        match self.pages.place(number) {
            Some((offset, length)) => Ok(Page {
                offset,
                length,
                span,
            }),
            None => Err(self.malformed()),
        }
    }

    /// A page that leads to others.
    fn branch(&self, number: u64, checksum: u128) -> Result<Arc<Kept>, StoreError> {
        if let Some(kept) = self.source.branches.get(number, checksum) {
            return Ok(kept);
        }
        let (bytes, offset) = self.read(number)?;
        let Some(kept) = Kept::new(bytes.into(), checksum) else {
            let what = "the checksum of the page does not match";
            return Err(self.source.damaged(offset, what));
        };
        let kept = Arc::new(kept);
        self.source.branches.keep(number, kept.clone());
        Ok(kept)
    }

    fn read(&self, number: u64) -> Result<(Vec<u8>, u64), StoreError> {
        let page = self.page(number, 0..=u64::MAX)?;
        let mut bytes = vec![0; page.length];
        self.source.read(page.offset, &mut bytes)?;
        Ok((bytes, page.offset))
    }

    /// Number of pages from the root to an event's page, without that: the same for all.
    fn height(&self, root: &Root) -> Result<usize, StoreError> {
        let known = self.height.load(Relaxed);
        if known != UNKNOWN {
            return Ok(known);
        }
        let (mut page, mut checksum) = (root.page, root.checksum);
        for height in 0..DEEPEST {
            let (bytes, _) = self.read(page)?;
            if Leaf::parse(&bytes, Some(8), self.tree.value_size).is_some() {
                self.height.store(height, Relaxed);
                return Ok(height);
            }
            let kept = self.branch(page, checksum)?;
            let first = kept
                .branch()
                .and_then(|branch| branch.below(0).zip(branch.checksum(0)));
            (page, checksum) = first.ok_or_else(|| self.malformed())?;
        }
        Err(self.malformed())
    }

    pub(super) fn malformed(&self) -> StoreError {
        let what = "the pages that lead to events cannot be followed";
        self.source.damaged(0, what)
    }
}

/// A key of this table.
pub(super) fn number(key: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(key.try_into().ok()?))
}

/// The first of `count` ascending keys at `position` or after it; `count` if there is none. Looks at
/// the one that is guessed, and the one beside it, before it halves what is left.
pub(super) fn first_from(
    count: usize,
    position: u64,
    guess: usize,
    key: impl Fn(usize) -> Option<u64>,
) -> Option<usize> {
    let (mut low, mut high, mut tried) = (0, count, 0);
    while low < high {
        let at = match tried {
            0 => guess.min(high - 1),
            1 if low > 0 => low,
            1 => high - 1,
            _ => low + (high - low) / 2,
        };
        match key(at)? < position {
            true => low = at + 1,
            false => high = at,
        }
        tried += 1;
    }
    Some(low)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::first_from;

    #[test]
    fn every_guess_leads_to_the_same_key() {
        let keys = [3, 4, 8, 9, 11, 20, 21];
        for count in 0..=keys.len() {
            for (position, guess) in (0..25).flat_map(|p| (0..9).map(move |g| (p, g))) {
                let expected = keys[..count].partition_point(|key| *key < position);
                let found = first_from(count, position, guess, |nth| Some(keys[nth]));
                assert_eq!(found, Some(expected), "{position} from {guess} of {count}");
            }
        }
        assert_eq!(first_from(3, 5, 1, |_| None), None);
    }
}
