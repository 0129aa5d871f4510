//! Finding events in pages that were read, and reading more of them when they are not there.

use super::Events;
use super::descent::{Above, Page, Span, first_from, number};
use crate::StoreError;
use crate::pages::page::Leaf;
use std::ops::Range;

/// Reads events, and keeps the pages that it read last: those who read many in order find the next
/// one there. Reads ahead, more each time, when the pages that it needs follow each other.
#[derive(Debug)]
pub(crate) struct Reader<'e> {
    events: &'e Events,
    /// The page above those of events that was used last.
    above: Option<Above>,
    /// Pages of events that lie one after the other in the file.
    bytes: Vec<u8>,
    held: Vec<Held>,
    /// The row that was found last: its page's number in `held`, and its own in the page.
    last: (usize, usize),
}

/// A page in the reader's memory.
#[derive(Debug)]
struct Held {
    within: Range<usize>,
    offset: u64,
    span: Span,
}

impl<'e> Reader<'e> {
    pub(super) fn new(events: &'e Events) -> Self {
        Self {
            events,
            above: None,
            bytes: Vec::new(),
            held: Vec::new(),
            last: (0, 0),
        }
    }

    /// The event at a position: its row's value.
    pub fn at(&mut self, position: u64) -> Result<Option<&[u8]>, StoreError> {
        let found = self.at_or_after(position)?;
        Ok(found.and_then(|(at, value)| (at == position).then_some(value)))
    }

    /// The first event at `position` or after it: its position, and its row's value.
    pub fn at_or_after(&mut self, mut position: u64) -> Result<Option<(u64, &[u8])>, StoreError> {
        let (page, row) = loop {
            let page = match self.holder(position) {
                Some(page) => page,
                None => match self.load(position)? {
                    Some(page) => page,
                    None => return Ok(None),
                },
            };
            if let Some(row) = self.row(page, position)? {
                break (page, row);
            }
            // What it held from there on was deleted.
            let next = self
                .held
                .get(page)
                .and_then(|held| held.span.end().checked_add(1));
            match next {
                Some(next) => position = next,
                None => return Ok(None),
            }
        };
        self.last = (page, row);
        let leaf = self.leaf(page)?;
        let found = leaf.key(row).and_then(number).zip(leaf.value(row));
        found.map(Some).ok_or_else(|| self.malformed(page))
    }

    /// Which page in memory may hold `position`.
    fn holder(&self, position: u64) -> Option<usize> {
        let page = self
            .held
            .partition_point(|held| *held.span.end() < position);
        let held = self.held.get(page)?;
        held.span.contains(&position).then_some(page)
    }

    fn leaf(&self, page: usize) -> Result<Leaf<'_>, StoreError> {
        let size = self.events.tree.value_size;
        let held = self.held.get(page);
        held.and_then(|held| Leaf::parse(self.bytes.get(held.within.clone())?, Some(8), size))
            .ok_or_else(|| self.malformed(page))
    }

    fn malformed(&self, page: usize) -> StoreError {
        let offset = self.held.get(page).map_or(0, |held| held.offset);
        let source = &self.events.source;
        source.damaged(offset, "it is no page of events")
    }

    /// The first row of a page at `position` or after it.
    fn row(&self, page: usize, position: u64) -> Result<Option<usize>, StoreError> {
        let leaf = self.leaf(page)?;
        let key = |row: usize| leaf.key(row).and_then(number);
        // Mostly the one behind the last, or the one before it.
        let (last_page, last) = self.last;
        if last_page == page {
            for row in [last.wrapping_add(1), last.wrapping_sub(1)] {
                if row < leaf.count && key(row) == Some(position) {
                    return Ok(Some(row));
                }
            }
        }
        match first_from(leaf.count, position, leaf.count / 2, key) {
            Some(row) => Ok((row < leaf.count).then_some(row)),
            None => Err(self.malformed(page)),
        }
    }

    /// Reads the page that may hold `position`, with others beside it if such ones were read before,
    /// and answers which of those in memory it is. `None` if there are no events.
    fn load(&mut self, position: u64) -> Result<Option<usize>, StoreError> {
        let Some(root) = &self.events.tree.root else {
            return Ok(None);
        };
        if !self
            .above
            .as_ref()
            .is_some_and(|above| above.holds(position))
        {
            self.above = self.events.above(root, position)?;
        }
        let pages = match &self.above {
            Some(above) => {
                let nth = above.nth(self.events, position)?;
                let needed = above.page(self.events, nth)?;
                let (step, count) = self.ahead(&needed.span);
                above.beside(self.events, (nth, needed), step, count)?
            }
            None => vec![self.events.page(root.page, 0..=u64::MAX)?],
        };
        self.hold(pages)?;
        match self.holder(position) {
            Some(page) => Ok(Some(page)),
            None => Err(self.events.malformed()),
        }
    }

    /// Which way the reader goes, and how many pages it should take at once: twice as many as the
    /// last time if it needs the one behind them, or the one before.
    fn ahead(&self, needed: &Span) -> (isize, usize) {
        let follows = |left: &Span, right: &Span| left.end().checked_add(1) == Some(*right.start());
        let (first, last) = (self.held.first(), self.held.last());
        if last.is_some_and(|last| follows(&last.span, needed)) {
            (1, 2 * self.held.len())
        } else if first.is_some_and(|first| follows(needed, &first.span)) {
            (-1, 2 * self.held.len())
        } else {
            (1, 1)
        }
    }

    /// Reads these pages, which lie one after the other.
    fn hold(&mut self, pages: Vec<Page>) -> Result<(), StoreError> {
        let offset = pages.first().map_or(0, |first| first.offset);
        let mut length = 0;
        // What was held is gone, also if this fails.
        self.held.clear();
        self.last = (usize::MAX, 0);
        let held = pages.into_iter().map(|page| {
            let start = length;
            length += page.length;
            Held {
                within: start..length,
                offset: page.offset,
                span: page.span,
            }
        });
        let held: Vec<_> = held.collect();
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
        }
        let bytes = self.bytes.get_mut(..length).unwrap_or_default();
        self.events.source.read(offset, bytes)?;
        self.held = held;
        Ok(())
    }
}
