//! The file `meta`: the vote, what was purged, which segment is the newest.
//!
//! It is small and written rarely (a vote, a purge, a new segment): each time whole, to `meta.new`,
//! synced, renamed over the old one, and the directory synced.
//!
//! | offset | bytes | what (little endian) |
//! |---|---|---|
//! | 0 | 8 | `ESDBMETA` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | flags: 1 a vote, 2 the vote is committed, 4 something was purged, 8 a truncation is under way |
//! | 16 | 16 | uuid of the store |
//! | 32 | 8 | number of the newest segment |
//! | 40 | 16 | vote: term, node |
//! | 56 | 24 | last purged entry: term, node, index |
//! | 80 | 8 | first index of the truncation under way |
//! | 88 | 8 | number of the oldest segment |
//! | 96 | 4 | zero |
//! | 100 | 4 | CRC-32 of bytes 0..100 |

use std::path::Path;

use super::error::WalError;
use super::record::{u32_at, u64_at};
use super::{Ballot, Position};
use esdb_disk::Disk;

/// Name of the file.
pub const NAME: &str = "meta";
const TEMPORARY: &str = "meta.new";
const MAGIC: &[u8; 8] = b"ESDBMETA";
const VERSION: u32 = 1;
const SIZE: usize = 104;

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// The store this log belongs to.
    pub uuid: [u8; 16],
    /// Number of the oldest segment: what is older is purged, even if its file is still there.
    pub oldest: u64,
    /// Number of the newest segment whose creation was completed.
    pub newest: u64,
    /// The vote, if one was given.
    pub vote: Option<Ballot>,
    /// The last entry that was purged.
    pub purged: Option<Position>,
    /// A truncation from this index on was begun, and must be completed.
    pub truncating: Option<u64>,
}

impl Meta {
    /// Writes the file so that after a crash there is either the old or this one.
    pub fn store(&self, disk: &dyn Disk, dir: &Path) -> Result<(), WalError> {
        self.prepare(disk, dir)?;
        Self::replace(disk, dir)
    }

    /// Writes the file under its temporary name. When that fails, nothing has changed.
    pub fn prepare(&self, disk: &dyn Disk, dir: &Path) -> Result<(), WalError> {
        let temporary = dir.join(TEMPORARY);
        let failed = |action| move |source| WalError::io(&dir.join(NAME), action, source);
        if disk
            .read_dir(dir)
            .map_err(failed("list"))?
            .iter()
            .any(|name| name == TEMPORARY)
        {
            disk.remove(&temporary).map_err(failed("replace"))?;
        }
        let file = disk.create(&temporary).map_err(failed("create"))?;
        file.write_at(&self.encode(), 0).map_err(failed("write"))?;
        file.sync_data().map_err(failed("sync"))
    }

    /// Gives the prepared file its name, durably.
    pub fn replace(disk: &dyn Disk, dir: &Path) -> Result<(), WalError> {
        let failed = |action| move |source| WalError::io(&dir.join(NAME), action, source);
        disk.rename(&dir.join(TEMPORARY), &dir.join(NAME))
            .map_err(failed("replace"))?;
        disk.sync_dir(dir).map_err(failed("sync the directory of"))
    }

    /// Reads the file of the store `uuid`.
    pub fn load(disk: &dyn Disk, dir: &Path, uuid: [u8; 16]) -> Result<Self, WalError> {
        let meta = Self::read(disk, dir)?;
        match meta.uuid == uuid {
            true => Ok(meta),
            false => Err(WalError::OtherStore {
                path: dir.join(NAME),
                found: meta.uuid,
                expected: uuid,
            }),
        }
    }

    /// Reads the file of whichever store.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, WalError> {
        let path = dir.join(NAME);
        let foreign = |reason: &str| WalError::Foreign {
            path: path.clone(),
            reason: reason.into(),
        };
        let file = disk
            .open(&path)
            .map_err(|e| WalError::io(&path, "open", e))?;
        let mut bytes = [0; SIZE];
        if file.len().map_err(|e| WalError::io(&path, "measure", e))? != SIZE as u64 {
            return Err(foreign("not the length of a log's meta file"));
        }
        file.read_at(&mut bytes, 0)
            .map_err(|e| WalError::io(&path, "read", e))?;
        if bytes.first_chunk() != Some(MAGIC) {
            return Err(foreign("not a log's meta file"));
        }
        if u32_at(&bytes, 8) != Some(VERSION) {
            return Err(foreign("written in a format this version does not know"));
        }
        Self::decode(&bytes).ok_or_else(|| foreign("its checksum does not match"))
    }

    fn encode(&self) -> Vec<u8> {
        let vote = self.vote.unwrap_or_default();
        let purged = self.purged.unwrap_or_default();
        let flags = u32::from(self.vote.is_some())
            | u32::from(vote.committed) << 1
            | u32::from(self.purged.is_some()) << 2
            | u32::from(self.truncating.is_some()) << 3;
        let mut out = Vec::with_capacity(SIZE);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&self.uuid);
        let fields = [vote.term, vote.node, purged.term, purged.node, purged.index];
        let ends = [self.truncating.unwrap_or(0), self.oldest];
        for field in [self.newest].iter().chain(&fields).chain(&ends) {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&[0; 4]);
        let checksum = crc32fast::hash(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; SIZE]) -> Option<Self> {
        let (fields, checksum) = bytes.split_at_checked(SIZE - 4)?;
        if u32_at(checksum, 0)? != crc32fast::hash(fields) {
            return None;
        }
        let flags = u32_at(fields, 12)?;
        let flag = |bit: u32| flags >> bit & 1 == 1;
        let vote = Ballot {
            term: u64_at(fields, 40)?,
            node: u64_at(fields, 48)?,
            committed: flag(1),
        };
        let (term, node) = (u64_at(fields, 56)?, u64_at(fields, 64)?);
        let purged = Position {
            term,
            node,
            index: u64_at(fields, 72)?,
        };
        Some(Self {
            uuid: *fields.get(16..)?.first_chunk()?,
            newest: u64_at(fields, 32)?,
            vote: flag(0).then_some(vote),
            purged: flag(2).then_some(purged),
            truncating: if flag(3) {
                Some(u64_at(fields, 80)?)
            } else {
                None
            },
            oldest: u64_at(fields, 88)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_comes_back_and_any_flipped_bit_is_seen() {
        let meta = Meta {
            uuid: [7; 16],
            oldest: 2,
            newest: 3,
            vote: Some(Ballot {
                term: 4,
                node: 1,
                committed: true,
            }),
            purged: Some(Position {
                term: 2,
                node: 1,
                index: 99,
            }),
            truncating: Some(120),
        };
        let bytes: [u8; SIZE] = meta.encode().try_into().unwrap();
        assert_eq!(Meta::decode(&bytes), Some(meta));
        for bit in 0..SIZE * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Meta::decode(&bad), None, "bit {bit}");
        }
        let empty = Meta {
            vote: None,
            purged: None,
            truncating: None,
            ..meta
        };
        assert_eq!(
            Meta::decode(&empty.encode().try_into().unwrap()),
            Some(empty)
        );
    }
}
