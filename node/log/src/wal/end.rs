//! The file `end`: a witness of where the log ends.
//!
//! What is gone from the end of a log leaves no trace in the log itself: zeros look like an earlier end,
//! and garbage like an append that a crash cut short. So each append tells this file, before its own
//! write, up to where everything is durable and up to where there will be something. It is never synced
//! but when entries are taken back, so it costs an append no more than a copy into the system's memory: a
//! killed process leaves it exact, a power cut leaves some earlier state of it, which is true as well.
//! What it says is therefore a lower bound, and without it the log opens as it is.
//!
//! | offset | bytes | what (little endian) |
//! |---|---|---|
//! | 0 | 8 | `ESDBENDS` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | zero |
//! | 16 | 16 | uuid of the store |
//! | 32 | 8 | `durable_below`: all entries with a lower index were durable |
//! | 40 | 8 | `written_below`: no entry from this index on was written |
//! | 48 | 12 | zero |
//! | 60 | 4 | CRC-32 of bytes 0..60 |

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::WalError;
use super::record::{u32_at, u64_at};
use super::scan::Rest;
use esdb_disk::{Disk, File};

/// Name of the file.
pub const NAME: &str = "end";
const MAGIC: &[u8; 8] = b"ESDBENDS";
const VERSION: u32 = 1;
const SIZE: usize = 64;

/// Where a log ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct End {
    /// Every entry with a lower index was durable.
    pub durable_below: u64,
    /// No entry with this index or a higher one was written.
    pub written_below: u64,
}

impl End {
    /// The end of a log that is durable as a whole.
    pub fn at(next: u64) -> Self {
        Self {
            durable_below: next,
            written_below: next,
        }
    }

    /// Judges a log that ends before entry `next`, behind which there is `rest`.
    ///
    /// # Errors
    /// The entries that were durable and are gone.
    pub fn judge(self, rest: Rest, next: u64) -> Result<Rest, Range<u64>> {
        match rest {
            _ if next < self.durable_below => Err(next..self.durable_below),
            Rest::Zeros if next < self.written_below => Ok(Rest::Torn(0)),
            rest => Ok(rest),
        }
    }

    /// What the file of the store `uuid` says; `None` if there is none.
    ///
    /// # Errors
    /// [`WalError::Foreign`] if it cannot be understood, which a power cut may cause.
    pub fn load(disk: &dyn Disk, dir: &Path, uuid: [u8; 16]) -> Result<Option<Self>, WalError> {
        let path = dir.join(NAME);
        let foreign = |reason: &str| WalError::Foreign {
            path: path.clone(),
            reason: reason.into(),
        };
        let file = match disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|e| WalError::io(&path, "open", e))?,
        };
        let mut bytes = [0; SIZE];
        if file.len().map_err(|e| WalError::io(&path, "measure", e))? != SIZE as u64 {
            return Err(foreign("not the length of a log's end file"));
        }
        file.read_at(&mut bytes, 0)
            .map_err(|e| WalError::io(&path, "read", e))?;
        let (found, end) = decode(&bytes).ok_or_else(|| foreign("its checksum does not match"))?;
        match found == uuid {
            true => Ok(Some(end)),
            false => Err(WalError::OtherStore {
                path,
                found,
                expected: uuid,
            }),
        }
    }
}

/// The open file.
#[derive(Debug)]
pub struct EndFile {
    file: Arc<dyn File>,
    uuid: [u8; 16],
    failed: AtomicBool,
}

impl EndFile {
    /// Opens the file, or makes it, and has it say `end`.
    pub fn begin(disk: &dyn Disk, dir: &Path, uuid: [u8; 16], end: End) -> io::Result<Self> {
        let path = dir.join(NAME);
        let file = match disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(&path)?,
            opened => opened?,
        };
        if file.len()? > SIZE as u64 {
            file.set_len(SIZE as u64)?;
        }
        file.write_at(&encode(uuid, end), 0)?;
        let failed = AtomicBool::default();
        Ok(Self { file, uuid, failed })
    }

    /// Has the file say `end`. If that fails it says what it said before, which is still true.
    pub fn tell(&self, end: End) {
        let told = self.file.write_at(&encode(self.uuid, end), 0);
        if let Err(error) = told
            && !self.failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%error, "the file `end` of the log cannot be written");
        }
    }

    /// Makes what the file says durable.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn encode(uuid: [u8; 16], end: End) -> Vec<u8> {
    let mut out = Vec::with_capacity(SIZE);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&uuid);
    out.extend_from_slice(&end.durable_below.to_le_bytes());
    out.extend_from_slice(&end.written_below.to_le_bytes());
    out.extend_from_slice(&[0; 12]);
    let checksum = crc32fast::hash(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

fn decode(bytes: &[u8; SIZE]) -> Option<([u8; 16], End)> {
    let (fields, checksum) = bytes.split_at_checked(SIZE - 4)?;
    let known = bytes.first_chunk() == Some(MAGIC) && u32_at(fields, 8)? == VERSION;
    if !known || u32_at(checksum, 0)? != crc32fast::hash(fields) {
        return None;
    }
    let end = End {
        durable_below: u64_at(fields, 32)?,
        written_below: u64_at(fields, 40)?,
    };
    Some((*fields.get(16..)?.first_chunk()?, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_comes_back_and_any_flipped_bit_is_seen() {
        let end = End {
            durable_below: 7,
            written_below: 9,
        };
        let bytes: [u8; SIZE] = encode([3; 16], end).try_into().unwrap();
        assert_eq!(decode(&bytes), Some(([3; 16], end)));
        for bit in 0..SIZE * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bad), None, "bit {bit}");
        }
    }
}
