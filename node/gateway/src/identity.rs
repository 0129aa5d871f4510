//! The file `STORE`: which store a directory holds.
//!
//! | offset | bytes | what (little endian) |
//! |---|---|---|
//! | 0 | 8 | `ESDBSTOR` |
//! | 8 | 4 | format version, 2 |
//! | 12 | 4 | length of the name, n |
//! | 16 | 4 | length of the options, m |
//! | 20 | 4 | CRC-32 of bytes 0..20 and all from byte 24 on |
//! | 24 | 16 | UUID of the store |
//! | 40 | n | name, UTF-8 |
//! | 40 + n | m | options: an external term without version byte |
//!
//! Format 1 had no UUID: its name began at byte 24.

use crate::data_dir::{DataDirError, at, sync};
use esdb_log::Disk;
use std::io;
use std::path::Path;

const FILE: &str = "STORE";
/// Half made; renamed when complete.
const TEMPORARY: &str = "STORE.new";
const MAGIC: &[u8; 8] = b"ESDBSTOR";
const VERSION: u32 = 2;
/// The format before: without a UUID.
const WITHOUT_UUID: u32 = 1;
const HEADER: usize = 24;
/// More bytes than name and options can have.
const LONGEST: u64 = 1 << 30;

/// What the file tells.
pub(crate) struct Identity {
    /// `None` in a file of format 1.
    pub(crate) uuid: Option<[u8; 16]>,
    pub(crate) name: String,
    pub(crate) options: Vec<u8>,
}

/// Writes it, durably, for a store with this UUID.
pub(crate) fn write(
    disk: &dyn Disk,
    directory: &Path,
    uuid: [u8; 16],
    name: &str,
    options: &[u8],
) -> Result<(), DataDirError> {
    let mut bytes = MAGIC.to_vec();
    let lengths = [name.len() as u32, options.len() as u32];
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    lengths
        .iter()
        .for_each(|length| bytes.extend_from_slice(&length.to_le_bytes()));
    let rest = [&uuid, name.as_bytes(), options].concat();
    let checksum = checksum(&bytes, &rest);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes.extend_from_slice(&rest);
    let temporary = directory.join(TEMPORARY);
    replace(disk, &temporary, &bytes).map_err(at(&temporary))?;
    let named = disk.rename(&temporary, &directory.join(FILE));
    named.map_err(at(directory))?;
    sync(disk, directory)
}

/// Writes a file durably, in the place of one that was left half made.
fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = match disk.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(path)?;
            disk.create(path)?
        }
        created => created?,
    };
    file.write_at(bytes, 0)?;
    file.sync_data()
}

/// Reads it.
pub(crate) fn read(disk: &dyn Disk, directory: &Path) -> Result<Identity, DataDirError> {
    let path = directory.join(FILE);
    let whole = disk.open(&path).and_then(|file| {
        // Long before this it is no identity; a damaged length must not take all memory.
        let mut bytes = vec![0; file.len()?.min(LONGEST) as usize];
        file.read_at(&mut bytes, 0)?;
        Ok(bytes)
    });
    let bytes = whole.map_err(at(&path))?;
    parse(&bytes).map_err(|problem| DataDirError::Identity { path, problem })
}

/// Whether there is nothing in a directory but what [`write()`] leaves when it is cut short.
pub(crate) fn creation_was_cut_short(disk: &dyn Disk, directory: &Path) -> bool {
    let names = disk.read_dir(directory);
    names.is_ok_and(|names| names.iter().all(|name| name == TEMPORARY))
}

fn parse(bytes: &[u8]) -> Result<Identity, &'static str> {
    let (header, rest) = bytes.split_at_checked(HEADER).ok_or("it is too short")?;
    if header.first_chunk() != Some(MAGIC) {
        return Err("it is no store's identity");
    }
    let has_uuid = match word(header, 8) {
        Some(VERSION) => true,
        Some(WITHOUT_UUID) => false,
        _ => return Err("its format is none that this version knows"),
    };
    let name_length = word(header, 12).ok_or("it is too short")? as usize;
    let options_length = word(header, 16).ok_or("it is too short")? as usize;
    let checked = header.get(..20).unwrap_or_default();
    if word(header, 20) != Some(checksum(checked, rest)) {
        return Err("its checksum does not match");
    }
    let (uuid, rest) = match rest.split_first_chunk().filter(|_| has_uuid) {
        Some((uuid, rest)) => (Some(*uuid), rest),
        None => (None, rest),
    };
    let (name, options) = rest
        .split_at_checked(name_length)
        .filter(|(_, options)| options.len() == options_length && uuid.is_some() == has_uuid)
        .ok_or("its lengths do not fit")?;
    let name = std::str::from_utf8(name).map_err(|_| "its name is no UTF-8")?;
    Ok(Identity {
        uuid,
        name: name.to_owned(),
        options: options.to_vec(),
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn checksum(header: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(rest);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_uuid_is_read() {
        let mut bytes = b"ESDBSTOR\x01\0\0\0\x06\0\0\0\x01\0\0\0".to_vec();
        let checksum = checksum(&bytes, b"orders\x6a");
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(b"orders\x6a");
        let identity = parse(&bytes).unwrap();
        assert_eq!((identity.uuid, &*identity.name), (None, "orders"));
        assert_eq!(identity.options, [106]);
    }
}
