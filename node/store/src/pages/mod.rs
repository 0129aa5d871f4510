//! The database's file, read page by page and without the database: by `verify` to check every
//! checksum, to go on after the first bad one, and to say where it is; by readers of events because it
//! is faster. Nothing is written, and no repair is needed:
//! what the last commit left is all there after a crash.
//!
//! The format is that of redb 4 (file format 3); docs/internals/on-disk-format.md describes it as
//! far as it is used here.
//!
//! # Layout
//! - this file: the header, and the tables that it leads to
//! - [`page`]: one page; [`tree`]: all pages of one table, in order

pub(crate) mod page;
pub(crate) mod tree;

use crate::codec::Reader;
use esdb_disk::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tree::{Order, Root, Row, Tree};
use twox_hash::XxHash3_128;

const MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";
const PAGE: u64 = 4096;
const HEADER: usize = 320;
const SLOT: usize = 128;
const FILE_FORMAT: u8 = 3;
/// Flags of the header's tenth byte.
const SECOND_SLOT: u8 = 1;
const IN_USE: u8 = 2;
const TWO_PHASE: u8 = 4;

/// A place that is not as the database wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadPage {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// What does not hold.
    pub what: String,
    /// The keys that were there lie above the first and up to the second, as far as known.
    pub keys: (Option<Vec<u8>>, Option<Vec<u8>>),
    /// What kind of error it was, if the system could not read it.
    pub system: Option<io::ErrorKind>,
}

impl BadPage {
    fn at(offset: u64, what: impl Into<String>) -> Self {
        Self {
            offset,
            what: what.into(),
            keys: (None, None),
            system: None,
        }
    }

    fn unread(offset: u64, error: &io::Error) -> Self {
        Self {
            system: Some(error.kind()),
            ..Self::at(offset, format!("cannot be read: {error}"))
        }
    }
}

/// The file, and what its header says.
#[derive(Debug)]
pub(crate) struct PageFile {
    file: Arc<dyn File>,
    length: u64,
    /// Bytes of pages that were read.
    read: AtomicU64,
    /// Bytes of a region, and of what stands before its first page.
    region: (u64, u64),
    /// The trees of all tables, and of those that the database keeps for itself.
    roots: [Option<Root>; 2],
    /// Whether the database was not closed, or is open.
    pub in_use: bool,
}

/// A table as the header's trees name it.
#[derive(Debug)]
pub(crate) struct NamedTable {
    pub name: String,
    pub tree: Tree,
}

impl PageFile {
    /// Reads the header.
    pub fn open(file: Arc<dyn File>) -> Result<Self, BadPage> {
        let length = file.len().map_err(|error| BadPage::unread(0, &error))?;
        if length < 2 * PAGE {
            let what = format!("the file is cut short: {length} bytes");
            return Err(BadPage::at(length, what));
        }
        let mut bytes = [0; HEADER];
        file.read_at(&mut bytes, 0)
            .map_err(|error| BadPage::unread(0, &error))?;
        let header = Header::parse(&bytes)
            .ok_or_else(|| BadPage::at(0, "it is no database file: its header is not one"))?;
        header.check(length)?;
        let roots = header.slot.roots()?;
        let before = u64::from(header.region_header_pages) * PAGE;
        Ok(Self {
            file,
            length,
            read: AtomicU64::new(PAGE),
            region: (before + u64::from(header.region_pages) * PAGE, before),
            roots,
            in_use: header.flags & IN_USE != 0,
        })
    }

    /// Length of the file in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Bytes that were read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Relaxed)
    }

    fn count(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Relaxed);
    }

    /// The tables that were opened by name, as far as the pages that name them can be read; the others
    /// go to `bad`.
    pub fn tables(&self, bad: &mut dyn FnMut(BadPage)) -> Vec<NamedTable> {
        self.list(self.roots[0].clone(), bad)
    }

    /// The tables of the database itself, likewise.
    pub fn own_tables(&self, bad: &mut dyn FnMut(BadPage)) -> Vec<NamedTable> {
        self.list(self.roots[1].clone(), bad)
    }

    fn list(&self, root: Option<Root>, bad: &mut dyn FnMut(BadPage)) -> Vec<NamedTable> {
        let mut tables = Vec::new();
        let tree = Tree {
            length: root.as_ref().map_or(0, |root| root.length),
            root,
            key_size: None,
            value_size: None,
        };
        let mut unknown = Vec::new();
        let mut row = |row: Row<'_>| {
            let name = String::from_utf8_lossy(row.key).into_owned();
            match Tree::parse(row.value) {
                Some(tree) => tables.push(NamedTable { name, tree }),
                None => unknown.push(name),
            }
        };
        self.walk(&tree, Order::Bytes, &mut row, bad);
        for name in unknown {
            let what = format!("the description of table {name} cannot be read");
            bad(BadPage::at(0, what));
        }
        tables
    }

    /// Offset and length of a page in bytes; `None` if it would not lie within the file.
    pub fn place(&self, number: u64) -> Option<(u64, usize)> {
        let order = number >> 59;
        let (region, index) = (number >> 20 & 0xf_ffff, number & (0xf_ffff >> order));
        let length = PAGE.checked_shl(u32::try_from(order).ok()?)?;
        let within = self.region.1.checked_add(index.checked_mul(length)?)?;
        let base = region.checked_mul(self.region.0)?.checked_add(PAGE)?;
        let start = base.checked_add(within)?;
        let fits = within + length <= self.region.0 && start + length <= self.length;
        Some((start, usize::try_from(length).ok()?)).filter(|_| fits)
    }
}

/// What the file's first 320 bytes say.
struct Header<'a> {
    flags: u8,
    page: u32,
    region_header_pages: u32,
    region_pages: u32,
    full_regions: u32,
    last_region_pages: u32,
    slot: Slot<'a>,
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8; HEADER]) -> Option<Self> {
        let mut reader = Reader(bytes);
        reader.bytes(MAGIC.len()).filter(|magic| magic == MAGIC)?;
        let flags = reader.u8()?;
        reader.bytes(2)?;
        let mut word = || reader.u32();
        let [page, region_header_pages, region_pages] = [word()?, word()?, word()?];
        let [full_regions, last_region_pages] = [word()?, word()?];
        let offset = if flags & SECOND_SLOT == 0 { 64 } else { 192 };
        let slot = bytes.get(offset..)?.first_chunk()?;
        let offset = offset as u64;
        Some(Self {
            flags,
            page,
            region_header_pages,
            region_pages,
            full_regions,
            last_region_pages,
            slot: Slot {
                offset,
                bytes: slot,
            },
        })
    }

    fn check(&self, length: u64) -> Result<(), BadPage> {
        let bad = |offset, what: &str| Err(BadPage::at(offset, what));
        if u64::from(self.page) != PAGE {
            return bad(12, "the page size in the header is not 4096");
        }
        if !(1..=1 << 20).contains(&self.region_pages) || self.region_header_pages > 1 << 20 {
            return bad(16, "the header's sizes of a region are impossible");
        }
        if self.flags & !(SECOND_SLOT | IN_USE | TWO_PHASE) != 0 {
            return bad(9, "the header's flags are none that the database knows");
        }
        let before = u64::from(self.region_header_pages);
        let pages = |count: u32| u64::from(count > 0) * before + u64::from(count);
        let full = u64::from(self.full_regions) * pages(self.region_pages);
        let said = PAGE * (1 + full + pages(self.last_region_pages));
        // Written with the length, but not at once: only the closed file's must agree.
        if self.flags & IN_USE == 0 && said != length {
            let what = format!("the file is {length} bytes long, its header says {said}");
            return Err(BadPage::at(length.min(said), what));
        }
        Ok(())
    }
}

/// What the last commit left: where the trees begin.
struct Slot<'a> {
    offset: u64,
    bytes: &'a [u8; SLOT],
}

impl Slot<'_> {
    fn roots(&self) -> Result<[Option<Root>; 2], BadPage> {
        let bad = |what| BadPage::at(self.offset, what);
        let (fields, sum) = self.bytes.split_at(SLOT - 16);
        if sum != XxHash3_128::oneshot(fields).to_le_bytes() {
            return Err(bad(
                "the checksum of the header's commit slot does not match",
            ));
        }
        let mut reader = Reader(fields);
        if reader.u8() != Some(FILE_FORMAT) {
            return Err(bad("the file's format is none that this version knows"));
        }
        let roots = (|| {
            let [user, system] = [reader.u8()?, reader.u8()?];
            reader.bytes(5)?;
            let (first, second) = (Root::read(&mut reader)?, Root::read(&mut reader)?);
            Some([
                (user != 0).then_some(first),
                (system != 0).then_some(second),
            ])
        })();
        roots.ok_or_else(|| bad("the header's commit slot cannot be read"))
    }
}
