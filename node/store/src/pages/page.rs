//! One page of a tree: rows, or the pages below it.

use crate::codec::Reader;

/// First byte of a page that holds rows.
pub(super) const LEAF: u8 = 1;
/// First byte of a page that leads to others.
pub(super) const BRANCH: u8 = 2;

/// A page that holds rows, in the order of their keys.
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    page: &'a [u8],
    /// Number of rows, at least one.
    pub count: usize,
    keys: Ends<'a>,
    keys_at: usize,
    values: Ends<'a>,
    values_at: usize,
}

impl<'a> Leaf<'a> {
    /// `None` if it is no such page. The sizes are those of keys and values that are all as long.
    pub fn parse(
        page: &'a [u8],
        key_size: Option<usize>,
        value_size: Option<usize>,
    ) -> Option<Self> {
        let mut reader = Reader(page);
        reader.u8().filter(|kind| *kind == LEAF)?;
        reader.u8()?;
        let count = usize::from(reader.u16()?);
        let mut keys_at = 4;
        let keys = Ends::read(page, &mut keys_at, count, key_size)?;
        let values = Ends::read(page, &mut keys_at, count, value_size)?;
        let values_at = keys.end(count.checked_sub(1)?, keys_at)?;
        Some(Self {
            page,
            count,
            keys,
            keys_at,
            values,
            values_at,
        })
    }

    /// The bytes that the page's checksum covers.
    pub fn covered(&self) -> Option<&'a [u8]> {
        self.page
            .get(..self.values.end(self.count - 1, self.values_at)?)
    }

    /// The key of a row.
    pub fn key(&self, nth: usize) -> Option<&'a [u8]> {
        self.keys.part(self.page, nth, self.keys_at)
    }

    /// The value of a row.
    pub fn value(&self, nth: usize) -> Option<&'a [u8]> {
        self.values.part(self.page, nth, self.values_at)
    }
}

/// A page that leads to others.
#[derive(Debug)]
pub(crate) struct Branch<'a> {
    page: &'a [u8],
    /// Number of keys, at least one; there is one page more.
    pub count: usize,
    keys: Ends<'a>,
    keys_at: usize,
}

impl<'a> Branch<'a> {
    /// `None` if it is no such page.
    pub fn parse(page: &'a [u8], key_size: Option<usize>) -> Option<Self> {
        let mut reader = Reader(page);
        reader.u8().filter(|kind| *kind == BRANCH)?;
        reader.u8()?;
        let count = usize::from(reader.u16()?);
        count.checked_sub(1)?;
        let mut keys_at = 8 + 24 * (count + 1);
        let keys = Ends::read(page, &mut keys_at, count, key_size)?;
        Some(Self {
            page,
            count,
            keys,
            keys_at,
        })
    }

    /// The bytes that the page's checksum covers.
    pub fn covered(&self) -> Option<&'a [u8]> {
        self.page
            .get(..self.keys.end(self.count - 1, self.keys_at)?)
    }

    /// A key: all rows below the page of the same number have keys up to this one, all rows below
    /// the next page greater ones.
    pub fn key(&self, nth: usize) -> Option<&'a [u8]> {
        self.keys.part(self.page, nth, self.keys_at)
    }

    /// The number of a page below, of which there are `count` and one.
    pub fn below(&self, nth: usize) -> Option<u64> {
        let at = 8 + 16 * (self.count + 1) + 8 * nth;
        Reader(self.page.get(at..)?).u64()
    }

    /// The checksum of a page below.
    pub fn checksum(&self, nth: usize) -> Option<u128> {
        let sum = self.page.get(8 + 16 * nth..)?.first_chunk()?;
        Some(u128::from_le_bytes(*sum))
    }
}

/// Where the keys or values of a page end: given one by one, or all as long.
#[derive(Debug)]
enum Ends<'a> {
    Given(&'a [u8]),
    Every(usize),
}

impl<'a> Ends<'a> {
    /// Reads the ends of `count` keys or values at `at`, and moves it behind them.
    fn read(page: &'a [u8], at: &mut usize, count: usize, size: Option<usize>) -> Option<Self> {
        match size {
            Some(size) => Some(Ends::Every(size)),
            None => {
                let given = page.get(*at..*at + 4 * count)?;
                *at += 4 * count;
                Some(Ends::Given(given))
            }
        }
    }

    fn end(&self, nth: usize, section: usize) -> Option<usize> {
        match self {
            Ends::Given(ends) => {
                let end = ends.get(4 * nth..)?.first_chunk()?;
                usize::try_from(u32::from_le_bytes(*end)).ok()
            }
            Ends::Every(size) => size.checked_mul(nth + 1)?.checked_add(section),
        }
    }

    fn part(&self, page: &'a [u8], nth: usize, section: usize) -> Option<&'a [u8]> {
        let start = match nth.checked_sub(1) {
            Some(before) => self.end(before, section)?,
            None => section,
        };
        page.get(start..self.end(nth, section)?)
    }
}
