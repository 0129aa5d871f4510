//! LZ4 frames (lz4_Frame_format.md, version 1.6.4), as the `lz4` command reads and writes them.
//!
//! Frames are written here, block by block, with a table that lives as long as the thread: the frame encoder of
//! `lz4_flex` allocates and clears one for each call, which costs more than compressing a kilobyte. Frames that were
//! written here are also read here; every other kind (linked blocks, several frames) goes through
//! the decoder of `lz4_flex`.

use lz4_flex::block::{self, CompressTable};
use lz4_flex::frame::FrameDecoder;
use std::cell::RefCell;
use twox_hash::XxHash32;

const MAGIC: [u8; 4] = 0x184D_2204u32.to_le_bytes();
/// Frames with this magic, or one of the fifteen after it, are to be skipped.
const SKIPPABLE: u32 = 0x184D_2A50;
/// Version 1, independent blocks, content size, content checksum.
const FLAGS: u8 = 0b0110_1100;
/// A block whose length has this bit is not compressed.
const STORED: u32 = 1 << 31;
/// Magic, flags, block size, content size, header checksum.
const HEADER: usize = 15;

thread_local! {
    static TABLE: RefCell<CompressTable> = RefCell::new(CompressTable::large());
}

/// The code of the smallest block size that holds `length` bytes, and that size.
fn block_size(length: usize) -> (u8, usize) {
    match length {
        0..=0x1_0000 => (4, 0x1_0000),
        0x1_0001..=0x4_0000 => (5, 0x4_0000),
        0x4_0001..=0x10_0000 => (6, 0x10_0000),
        _ => (7, 0x40_0000),
    }
}

/// The size of the block that a code of the header stands for.
fn size_of_code(code: u8) -> Option<usize> {
    (4..=7)
        .contains(&code)
        .then(|| 1 << (8 + 2 * u32::from(code)))
}

/// The second byte of the hash over the descriptor.
fn header_checksum(descriptor: &[u8]) -> u8 {
    (XxHash32::oneshot(0, descriptor) >> 8) as u8
}

/// The frame of `data`, appended to `frame`; false when the block coder fails, which it does not for a buffer of
/// the size that it asked for.
#[must_use]
pub fn compress(data: &[u8], frame: &mut Vec<u8>) -> bool {
    let (code, size) = block_size(data.len());
    frame.extend(MAGIC);
    frame.extend([FLAGS, code << 4]);
    frame.extend((data.len() as u64).to_le_bytes());
    let check = frame.get(frame.len() - 10..).map_or(0, header_checksum);
    frame.push(check);
    let done = TABLE.with_borrow_mut(|table| {
        data.chunks(size)
            .all(|part| compress_block(part, table, frame))
    });
    frame.extend(0u32.to_le_bytes());
    frame.extend(XxHash32::oneshot(0, data).to_le_bytes());
    done
}

fn compress_block(part: &[u8], table: &mut CompressTable, frame: &mut Vec<u8>) -> bool {
    let start = frame.len();
    frame.resize(start + 4 + block::get_maximum_output_size(part.len()), 0);
    let Some((length, body)) = frame
        .get_mut(start..)
        .and_then(|out| out.split_first_chunk_mut::<4>())
    else {
        return false;
    };
    let Ok(written) = block::compress_into_with_table(part, body, table) else {
        return false;
    };
    if written < part.len() {
        *length = (written as u32).to_le_bytes();
        frame.truncate(start + 4 + written);
    } else {
        *length = (part.len() as u32 | STORED).to_le_bytes();
        frame.truncate(start + 4);
        frame.extend(part);
    }
    true
}

/// The content size in a header that [`compress`] wrote, and its block size.
pub fn own_header(frame: &[u8]) -> Option<(usize, usize)> {
    let header = frame.first_chunk::<HEADER>()?;
    let [m0, m1, m2, m3, flags, block, size @ .., check] = header;
    if [*m0, *m1, *m2, *m3] != MAGIC || *flags != FLAGS || block & 0x8F != 0 {
        return None;
    }
    if header_checksum(frame.get(4..HEADER - 1)?) != *check {
        return None;
    }
    Some((
        usize::try_from(u64::from_le_bytes(*size)).ok()?,
        size_of_code(block >> 4)?,
    ))
}

/// Reads the blocks of a frame with [`own_header`] into `output`, which has the content size; false when the frame
/// is damaged, or goes on after its end.
#[must_use]
pub fn decompress_own(frame: &[u8], block: usize, output: &mut [u8]) -> bool {
    let mut rest = frame.get(HEADER..).unwrap_or_default();
    for part in output.chunks_mut(block) {
        match next_block(rest, part) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    let end = XxHash32::oneshot(0, output).to_le_bytes();
    rest.strip_prefix(&[0; 4]).is_some_and(|check| check == end)
}

fn next_block<'f>(rest: &'f [u8], output: &mut [u8]) -> Option<&'f [u8]> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length);
    let (body, after) = rest.split_at_checked((length & !STORED) as usize)?;
    let filled = if length & STORED != 0 {
        (body.len() == output.len()).then(|| output.copy_from_slice(body))
    } else {
        block::decompress_into(body, output)
            .ok()
            .filter(|n| *n == output.len())
            .map(|_| ())
    };
    filled.map(|()| after)
}

/// Moves `rest` to the next frame, past those that are somebody's own: whether there is one. `None` when what is
/// there is none.
pub fn next_frame(rest: &mut &[u8]) -> Option<bool> {
    while !rest.is_empty() {
        let (magic, after) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*magic) & 0xFFFF_FFF0 != SKIPPABLE {
            // The decoder takes four bytes of anything for the end.
            return (!after.is_empty()).then_some(true);
        }
        let (length, after) = after.split_first_chunk::<4>()?;
        *rest = after.get(u32::from_le_bytes(*length) as usize..)?;
    }
    Some(false)
}

/// A reader over `frames`. It reports an end after each of them.
pub fn reader(frames: &[u8]) -> FrameDecoder<&[u8]> {
    FrameDecoder::new(frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn frame(data: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        assert!(compress(data, &mut frame));
        frame
    }

    proptest::proptest! {
        /// The frame decoder of lz4_flex shares no code with the writer here.
        #[test]
        fn frames_are_read_by_both_readers(seed: u64, length in 0usize..200_000, run in 1usize..400) {
            let data: Vec<u8> = (0..length).map(|i| ((i / run) as u64 ^ seed).wrapping_mul(31) as u8).collect();
            let frame = frame(&data);
            let mut general = Vec::new();
            reader(&frame).read_to_end(&mut general).unwrap();
            proptest::prop_assert_eq!(&general, &data);
            let (size, block) = own_header(&frame).unwrap();
            let mut own = vec![0; size];
            proptest::prop_assert!(decompress_own(&frame, block, &mut own));
            proptest::prop_assert_eq!(own, data);
        }

        #[test]
        fn a_changed_byte_is_noticed(at in 0usize..1000, bit in 0u32..8) {
            let data = b"orders-1 orders-2 orders-3 ".repeat(40);
            let mut bytes = frame(&data);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Some((size, block)) = own_header(&bytes).filter(|(size, _)| *size < 1 << 20) {
                // One repetition may be found in two places: then the change changes nothing.
                let mut own = vec![0; size];
                proptest::prop_assert!(!decompress_own(&bytes, block, &mut own) || own == data);
            }
        }
    }
}
