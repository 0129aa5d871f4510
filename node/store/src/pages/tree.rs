//! The pages of one table: a tree whose branches hold the checksums of the pages below them.

use super::page::{BRANCH, Branch, LEAF, Leaf};
use super::{BadPage, PageFile};
use crate::codec::Reader;
use std::cmp;
use twox_hash::XxHash3_128;

/// Deeper than any tree that fits a disk.
const DEEPEST: usize = 48;
/// What a table's description says of one whose keys have one value each.
const PLAIN_TABLE: u8 = 3;

/// Where a tree begins.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    pub page: u64,
    pub checksum: u128,
    /// Rows of the tree.
    pub length: u64,
}

impl Root {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            page: reader.u64()?,
            checksum: u128::from_le_bytes(reader.bytes(16)?.try_into().ok()?),
            length: reader.u64()?,
        })
    }
}

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub root: Option<Root>,
    /// Bytes of a key and of a value, where they are all as long.
    pub key_size: Option<usize>,
    pub value_size: Option<usize>,
    /// Number of rows.
    pub length: u64,
}

impl Tree {
    /// From what stands under the table's name.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        reader.u8().filter(|kind| *kind == PLAIN_TABLE)?;
        let length = reader.u64()?;
        let is_there = reader.u8()? != 0;
        let root = Some(Root::read(&mut reader)?).filter(|_| is_there);
        let mut size = || {
            let fixed = reader.u8()? != 0;
            let size = usize::try_from(reader.u32()?).ok()?;
            Some(fixed.then_some(size))
        };
        let (key_size, value_size) = (size()?, size()?);
        let agrees = root.as_ref().map_or(0, |root| root.length) == length;
        agrees.then_some(Self {
            root,
            key_size,
            value_size,
            length,
        })
    }
}

/// How keys are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// As byte strings.
    Bytes,
    /// As numbers of these widths in bytes, little-endian, one after the other.
    Numbers(&'static [usize]),
    /// Not looked at: a table of the database's own.
    Unknown,
}

impl Order {
    pub fn compare(self, left: &[u8], right: &[u8]) -> cmp::Ordering {
        match self {
            Order::Bytes => left.cmp(right),
            Order::Numbers(widths) => {
                Self::numbers(widths, left).cmp(&Self::numbers(widths, right))
            }
            Order::Unknown => cmp::Ordering::Less,
        }
    }

    /// The key as one number: no key of numbers is longer than two of eight bytes.
    pub fn numbers(widths: &[usize], key: &[u8]) -> u128 {
        let (mut sum, mut rest) = (0u128, key);
        for width in widths {
            let (number, after) = rest.split_at(rest.len().min(*width));
            let big_endian = number.iter().rev();
            sum = big_endian.fold(sum, |sum, byte| sum << 8 | u128::from(*byte));
            rest = after;
        }
        sum
    }
}

/// A row, and the page on which it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// Offset of the page in the file, in bytes.
    pub page: u64,
    pub key: &'a [u8],
    pub value: &'a [u8],
}

/// A walk over a tree.
struct Walk<'a> {
    file: &'a PageFile,
    tree: &'a Tree,
    order: Order,
    row: &'a mut dyn FnMut(Row<'_>),
    bad: &'a mut dyn FnMut(BadPage),
    last: Option<Vec<u8>>,
    rows: u64,
    damaged: bool,
}

/// The keys below a page lie above the first and up to the second.
type Bounds<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

impl PageFile {
    /// Visits every row of a tree, in order, and tells of each page that cannot be believed; the
    /// pages below such a one are not visited.
    pub fn walk(
        &self,
        tree: &Tree,
        order: Order,
        row: &mut dyn FnMut(Row<'_>),
        bad: &mut dyn FnMut(BadPage),
    ) {
        let Some(root) = &tree.root else { return };
        let mut walk = Walk {
            file: self,
            tree,
            order,
            row,
            bad,
            last: None,
            rows: 0,
            damaged: false,
        };
        walk.page(root.page, root.checksum, (None, None), DEEPEST);
        if !walk.damaged && walk.rows != tree.length {
            let what = format!("{} rows were counted, {} are there", tree.length, walk.rows);
            walk.complain(
                self.place(root.page).map_or(0, |(at, _)| at),
                &what,
                (None, None),
            );
        }
    }
}

impl Walk<'_> {
    fn complain(&mut self, offset: u64, what: &str, bounds: Bounds<'_>) {
        self.tell(BadPage::at(offset, what), bounds);
    }

    fn tell(&mut self, bad: BadPage, (above, upto): Bounds<'_>) {
        self.damaged = true;
        let keys = (above.map(<[u8]>::to_vec), upto.map(<[u8]>::to_vec));
        (self.bad)(BadPage { keys, ..bad });
    }

    fn page(&mut self, number: u64, checksum: u128, bounds: Bounds<'_>, depth: usize) {
        let Some((offset, length)) = self.file.place(number) else {
            let what = format!("page {number:#x} would lie beyond the end of the file");
            return self.complain(self.file.length, &what, bounds);
        };
        let mut bytes = vec![0; length];
        if let Err(error) = self.file.file.read_at(&mut bytes, offset) {
            return self.tell(BadPage::unread(offset, &error), bounds);
        }
        self.file.count(length);
        let done = match bytes.first() {
            Some(&LEAF) => self.leaf(&bytes, checksum, offset, bounds),
            Some(&BRANCH) if depth > 0 => self.branch(&bytes, checksum, bounds, depth),
            _ => None,
        };
        if done.is_none() {
            self.complain(offset, "the checksum of the page does not match", bounds);
        }
    }

    /// `None` if the page is not what was written.
    fn leaf(&mut self, page: &[u8], sum: u128, offset: u64, bounds: Bounds<'_>) -> Option<()> {
        let leaf = Leaf::parse(page, self.tree.key_size, self.tree.value_size)?;
        if XxHash3_128::oneshot(leaf.covered()?) != sum {
            return None;
        }
        for nth in 0..leaf.count {
            let (key, value) = (leaf.key(nth)?, leaf.value(nth)?);
            self.check_order(key, offset, bounds);
            (self.row)(Row {
                page: offset,
                key,
                value,
            });
        }
        self.rows += leaf.count as u64;
        Some(())
    }

    fn check_order(&mut self, key: &[u8], offset: u64, bounds: Bounds<'_>) {
        if self.order == Order::Unknown {
            return;
        }
        let order = self.order;
        let rises = |last: &[u8]| order.compare(last, key).is_lt();
        let within = self.last.as_deref().is_none_or(rises)
            && bounds.0.is_none_or(rises)
            && bounds.1.is_none_or(|upto| order.compare(key, upto).is_le());
        if !within {
            self.complain(offset, "its keys are not in order", bounds);
        }
        let last = self.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
    }

    /// `None` if the page is not what was written.
    fn branch(&mut self, page: &[u8], sum: u128, bounds: Bounds<'_>, depth: usize) -> Option<()> {
        let branch = Branch::parse(page, self.tree.key_size)?;
        if XxHash3_128::oneshot(branch.covered()?) != sum {
            return None;
        }
        let mut above = bounds.0;
        for nth in 0..=branch.count {
            let upto = match nth < branch.count {
                true => Some(branch.key(nth)?),
                false => bounds.1,
            };
            let (number, sum) = (branch.below(nth)?, branch.checksum(nth)?);
            self.page(number, sum, (above, upto), depth - 1);
            above = upto;
        }
        Some(())
    }
}
