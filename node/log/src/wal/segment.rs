//! A segment: a file of fixed length that begins with a header and is filled with records.
//!
//! | offset | bytes | what (little endian) |
//! |---|---|---|
//! | 0 | 8 | `ESDBWALS` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | offset of the first record, 64 |
//! | 16 | 16 | uuid of the store |
//! | 32 | 8 | number of the segment |
//! | 40 | 8 | epoch: a random number |
//! | 48 | 8 | index of its first entry |
//! | 56 | 4 | length of the file in units of 64 bytes |
//! | 60 | 4 | CRC-32 of bytes 0..60 |
//!
//! A segment is written full of zeros and synced as `segment.new`, then gets its header, is synced
//! again and renamed: under its own name it is complete or not there. Its blocks exist, so that a
//! later write neither meets a full disk nor changes the file's length (an fdatasync of it has no
//! metadata to write).

use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::WalError;
use super::record::{ALIGN, u32_at, u64_at};
use esdb_disk::{Disk, File};

/// Name of a segment before it has its header.
pub const TEMPORARY: &str = "segment.new";
/// Offset of the first record.
pub const FIRST_RECORD: usize = 64;
const MAGIC: &[u8; 8] = b"ESDBWALS";
const VERSION: u32 = 1;
/// A record's offset fits into 32 bits, in units of 8 bytes.
const LARGEST: u64 = u32::MAX as u64 * ALIGN as u64;
const ZEROS: &[u8] = &[0; 1 << 18];

/// An open segment.
#[derive(Debug)]
pub struct Segment {
    /// Which one it is: 1, 2, 3 …
    pub number: u64,
    /// The random number its records are bound to.
    pub epoch: u64,
    /// Index of its first entry.
    pub first_index: u64,
    /// Where it is.
    pub path: PathBuf,
    /// The file.
    pub file: Arc<dyn File>,
    /// Length of the file in bytes.
    pub size: u64,
    /// Offset where the next record goes.
    pub end: u64,
    /// Offsets of its records in units of 8 bytes.
    offsets: Vec<u32>,
}

impl Segment {
    /// Index of the entry that would follow its last.
    pub fn next_index(&self) -> u64 {
        self.first_index + self.offsets.len() as u64
    }

    /// Notes that a record of `size` bytes was put at the end.
    pub fn push(&mut self, size: usize) {
        self.offsets.push((self.end / ALIGN as u64) as u32);
        self.end += size as u64;
    }

    /// Offset of the record of entry `index`, or the end.
    pub fn offset(&self, index: u64) -> u64 {
        let nth = index.saturating_sub(self.first_index) as usize;
        self.offsets
            .get(nth)
            .map_or(self.end, |&offset| u64::from(offset) * ALIGN as u64)
    }

    /// Forgets the entries from `index` on.
    pub fn forget(&mut self, index: u64) {
        self.end = self.offset(index);
        self.offsets
            .truncate(index.saturating_sub(self.first_index) as usize);
    }

    /// Room for records in bytes.
    pub fn room(&self) -> u64 {
        self.size.saturating_sub(self.end)
    }

    /// Overwrites everything from the end on with zeros, durably.
    pub fn zero_rest(&self) -> io::Result<()> {
        fill(&*self.file, self.end, self.size)?;
        self.file.sync_data()
    }

    /// Opens the segment `number` of the store `uuid` and checks its header.
    pub fn open(
        disk: &dyn Disk,
        dir: &Path,
        number: u64,
        uuid: [u8; 16],
    ) -> Result<Self, WalError> {
        Self::open_of(disk, dir, number, Some(uuid))
    }

    /// Opens the segment `number`, of whichever store.
    pub fn open_any(disk: &dyn Disk, dir: &Path, number: u64) -> Result<Self, WalError> {
        Self::open_of(disk, dir, number, None)
    }

    fn open_of(
        disk: &dyn Disk,
        dir: &Path,
        number: u64,
        uuid: Option<[u8; 16]>,
    ) -> Result<Self, WalError> {
        let path = dir.join(name(number));
        let file = disk
            .open(&path)
            .map_err(|e| WalError::io(&path, "open", e))?;
        let size = file.len().map_err(|e| WalError::io(&path, "measure", e))?;
        let foreign = |reason: &str| WalError::Foreign {
            path: path.clone(),
            reason: reason.into(),
        };
        let mut header = [0; FIRST_RECORD];
        if size < FIRST_RECORD as u64 || size > LARGEST {
            return Err(foreign("not the length of a log segment"));
        }
        file.read_at(&mut header, 0)
            .map_err(|e| WalError::io(&path, "read", e))?;
        if header.first_chunk() != Some(MAGIC) {
            return Err(foreign("not a log segment"));
        }
        if u32_at(&header, 8) != Some(VERSION) {
            return Err(foreign("written in a format this version does not know"));
        }
        let decoded =
            decode(&header).ok_or_else(|| foreign("its header's checksum does not match"))?;
        if let Some(expected) = uuid.filter(|uuid| decoded.uuid != *uuid) {
            return Err(WalError::OtherStore {
                path,
                found: decoded.uuid,
                expected,
            });
        }
        if decoded.number != number {
            return Err(foreign(&format!(
                "holds segment {}, not the one it is named",
                decoded.number
            )));
        }
        if decoded.size != size {
            let made = decoded.size;
            return Err(foreign(&format!(
                "{size} bytes long, but was made with {made}"
            )));
        }
        let Header {
            epoch, first_index, ..
        } = decoded;
        let end = FIRST_RECORD as u64;
        Ok(Self {
            number,
            epoch,
            first_index,
            path,
            file,
            size,
            end,
            offsets: Vec::new(),
        })
    }
}

/// File name of a segment.
pub fn name(number: u64) -> String {
    format!("{number:012}.wal")
}

/// Number of the segment of that file name.
pub fn number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".wal")?.parse().ok()?;
    (self::name(number) == name).then_some(number)
}

/// A file full of zeros that may become a segment.
#[derive(Debug)]
pub struct Blank {
    file: Arc<dyn File>,
    /// Its length in bytes.
    pub size: u64,
}

impl Blank {
    /// Writes `size` zeros to `segment.new` and syncs it, so that installing it is quick. On failure
    /// the file is removed.
    pub fn prepare(disk: &dyn Disk, dir: &Path, size: u64) -> io::Result<Self> {
        let blank = Self::fill(disk, dir, size)?;
        match blank.file.sync_data() {
            Ok(()) => Ok(blank),
            Err(error) => Err(discard(disk, dir, error)),
        }
    }

    /// As [`Blank::prepare`], for one that is installed at once: the sync is left to that.
    pub fn fill(disk: &dyn Disk, dir: &Path, size: u64) -> io::Result<Self> {
        let path = dir.join(TEMPORARY);
        let size = size.next_multiple_of(FIRST_RECORD as u64);
        if size > LARGEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a segment can not be so large",
            ));
        }
        let file = match disk.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                disk.remove(&path)?;
                disk.create(&path)?
            }
            other => other?,
        };
        match fill(&*file, 0, size) {
            Ok(()) => Ok(Self { file, size }),
            Err(error) => Err(discard(disk, dir, error)),
        }
    }

    /// Makes it the segment `number`, durably.
    pub fn install(
        self,
        disk: &dyn Disk,
        dir: &Path,
        uuid: [u8; 16],
        number: u64,
        first_index: u64,
    ) -> io::Result<Segment> {
        let epoch = random();
        let path = dir.join(name(number));
        let header = Header {
            uuid,
            number,
            epoch,
            first_index,
            size: self.size,
        };
        self.file.write_at(&encode(&header), 0)?;
        self.file.sync_data()?;
        disk.rename(&dir.join(TEMPORARY), &path)?;
        disk.sync_dir(dir)?;
        let (file, size, end) = (self.file, self.size, FIRST_RECORD as u64);
        Ok(Segment {
            number,
            epoch,
            first_index,
            path,
            file,
            size,
            end,
            offsets: Vec::new(),
        })
    }
}

/// Removes what no one will use, so that its space does not stay taken. The first error is the one told.
fn discard(disk: &dyn Disk, dir: &Path, error: io::Error) -> io::Error {
    let _ = disk.remove(&dir.join(TEMPORARY));
    error
}

/// A number that nobody can guess: the standard library seeds its hashers from the system's source.
fn random() -> u64 {
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

fn fill(file: &dyn File, mut from: u64, to: u64) -> io::Result<()> {
    while from < to {
        let length = (to - from).min(ZEROS.len() as u64) as usize;
        file.write_at(ZEROS.get(..length).unwrap_or_default(), from)?;
        from += length as u64;
    }
    Ok(())
}

struct Header {
    uuid: [u8; 16],
    number: u64,
    epoch: u64,
    first_index: u64,
    size: u64,
}

fn encode(header: &Header) -> Vec<u8> {
    let mut out = Vec::with_capacity(FIRST_RECORD);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(FIRST_RECORD as u32).to_le_bytes());
    out.extend_from_slice(&header.uuid);
    for field in [header.number, header.epoch, header.first_index] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    let units = (header.size / FIRST_RECORD as u64) as u32;
    out.extend_from_slice(&units.to_le_bytes());
    let checksum = crc32fast::hash(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

fn decode(bytes: &[u8; FIRST_RECORD]) -> Option<Header> {
    let (fields, checksum) = bytes.split_at_checked(FIRST_RECORD - 4)?;
    if u32_at(checksum, 0)? != crc32fast::hash(fields) {
        return None;
    }
    let uuid = *fields.get(16..)?.first_chunk()?;
    let (number, epoch) = (u64_at(fields, 32)?, u64_at(fields, 40)?);
    let size = u64::from(u32_at(fields, 56)?) * FIRST_RECORD as u64;
    Some(Header {
        uuid,
        number,
        epoch,
        first_index: u64_at(fields, 48)?,
        size,
    })
}
