//! `esdb_archive_nif`: zstd and LZ4. (zlib is the emulator's own, which is native code already.)

use crate::budget::{Budget, Run, Stop};
use crate::lz4;
use crate::term::{binary, bytes};
use rustler::{Encoder, Env, OwnedBinary, Term};
use std::cell::RefCell;
use std::io::Read;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

rustler::atoms! { ok, error, compression_failed, decompression_failed, too_large }

/// What may come out of one call of decompress: a frame of a few kilobytes can stand for a petabyte.
pub const OUTPUT_LIMIT: usize = 1 << 30;
/// The largest buffer that a thread keeps for the next call.
const KEPT: usize = 1 << 18;
/// Output that is allocated at once because a header says so; more than that grows as it arrives.
const TRUSTED: usize = 1 << 20;

thread_local! {
    static COMPRESSOR: RefCell<Option<(i32, Compressor<'static>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Runs `body` with an empty buffer of this thread.
fn with_scratch<R>(body: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        let result = body(scratch);
        if scratch.capacity() > KEPT {
            *scratch = Vec::new();
        }
        result
    })
}

fn failed<'a>(env: Env<'a>, reason: rustler::Atom) -> Term<'a> {
    (error(), reason).encode(env)
}

fn done<'a>(env: Env<'a>, content: &[u8]) -> Term<'a> {
    (ok(), binary(env, content)).encode(env)
}

/// Estimated nanoseconds to compress a byte; levels above 9 always run on a dirty scheduler.
fn zstd_cost(level: i32, length: usize) -> usize {
    match level {
        ..=3 => 2_000 + length * 4,
        4..=9 => 10_000 + length * 25,
        _ => usize::MAX / 2,
    }
}

/// `compress_zstd(Data, Level)`, with the context of this thread used again.
pub fn compress_zstd<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    data: Term<'a>,
    level: Term<'a>,
) -> Run<'a> {
    let data = bytes(data)?;
    let level = level.decode::<i32>().map_err(|_| Stop::Twin)?;
    if !(1..=22).contains(&level) {
        return Err(Stop::Twin);
    }
    budget.spend(zstd_cost(level, data.len()))?;
    Ok(with_scratch(|scratch| {
        let bound = zstd_safe::compress_bound(data.len());
        if scratch.try_reserve(bound).is_err() {
            return failed(env, compression_failed());
        }
        match zstd_into(data, level, scratch) {
            Ok(_) => done(env, scratch),
            Err(_) => failed(env, compression_failed()),
        }
    }))
}

fn zstd_into(data: &[u8], level: i32, output: &mut Vec<u8>) -> std::io::Result<usize> {
    // High levels take contexts of up to hundreds of megabytes: those are not kept.
    if level > 9 {
        return Compressor::new(level)?.compress_to_buffer(data, output);
    }
    COMPRESSOR.with_borrow_mut(|kept| {
        match kept {
            Some((current, _)) if *current == level => {}
            Some((current, compressor)) => {
                compressor.set_compression_level(level)?;
                *current = level;
            }
            None => *kept = Some((level, Compressor::new(level)?)),
        }
        match kept {
            Some((_, compressor)) => compressor.compress_to_buffer(data, output),
            None => Err(std::io::ErrorKind::Other.into()),
        }
    })
}

/// The content size of `data` when it is one whole frame that says so.
fn zstd_size(data: &[u8]) -> Option<usize> {
    let size = zstd_safe::get_frame_content_size(data).ok().flatten()?;
    let whole = zstd_safe::find_frame_compressed_size(data).ok()? == data.len();
    whole.then_some(usize::try_from(size).ok()?)
}

/// `decompress_zstd(Data)`: one frame or several.
pub fn decompress_zstd<'a>(env: Env<'a>, budget: &mut Budget, data: Term<'a>) -> Run<'a> {
    let data = bytes(data)?;
    // Finding the end of the frame takes a step for each block, and a block may have three bytes.
    budget.spend(1_000 + data.len())?;
    match zstd_size(data) {
        Some(size) if size <= TRUSTED => {
            budget.spend(size * 2)?;
            Ok(decompress_known(env, size, |output| {
                zstd_from(data, output)
            }))
        }
        _ if data.is_empty() => Ok(failed(env, decompression_failed())),
        _ => match zstd::stream::read::Decoder::with_buffer(data) {
            Ok(reader) => decompress_stream(env, budget, reader, |_| Some(false)),
            Err(_) => Ok(failed(env, decompression_failed())),
        },
    }
}

fn zstd_from(data: &[u8], output: &mut [u8]) -> bool {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = Decompressor::new().ok();
        }
        let Some(decompressor) = kept else {
            return false;
        };
        decompressor
            .decompress_to_buffer(data, output)
            .is_ok_and(|n| n == output.len())
    })
}

/// Decompresses into a binary of `size` bytes.
fn decompress_known<'a>(
    env: Env<'a>,
    size: usize,
    fill: impl FnOnce(&mut [u8]) -> bool,
) -> Term<'a> {
    let mut output = OwnedBinary::new(size);
    match fill(output.as_mut_slice()) {
        true => (ok(), output.release(env)).encode(env),
        false => failed(env, decompression_failed()),
    }
}

/// Reads to the end, in steps, so that only bytes that are there take memory. `more` is asked when the reader reports an
/// end, which that of LZ4 does after each frame: whether another follows; `None` when something else does.
fn decompress_stream<'a, R: Read>(
    env: Env<'a>,
    budget: &mut Budget,
    mut reader: R,
    more: impl Fn(&mut R) -> Option<bool>,
) -> Run<'a> {
    budget.spend(20_000)?;
    let mut output = Vec::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match reader.read(&mut block) {
            Ok(0) => match more(&mut reader) {
                Some(true) => budget.spend(100)?,
                Some(false) => return Ok(done(env, &output)),
                None => return Ok(failed(env, decompression_failed())),
            },
            Ok(n) => {
                budget.spend(n * 2)?;
                let fits = output.len() + n <= OUTPUT_LIMIT && output.try_reserve(n).is_ok();
                match block.get(..n) {
                    Some(part) if fits => output.extend_from_slice(part),
                    _ => return Ok(failed(env, too_large())),
                }
            }
            Err(_) => return Ok(failed(env, decompression_failed())),
        }
    }
}

/// `compress_lz4(Data)`.
pub fn compress_lz4<'a>(env: Env<'a>, budget: &mut Budget, data: Term<'a>) -> Run<'a> {
    let data = bytes(data)?;
    budget.spend(300 + data.len() * 2)?;
    Ok(with_scratch(|scratch| match lz4::compress(data, scratch) {
        true => done(env, scratch),
        false => failed(env, compression_failed()),
    }))
}

/// `decompress_lz4(Data)`: one frame or several.
pub fn decompress_lz4<'a>(env: Env<'a>, budget: &mut Budget, data: Term<'a>) -> Run<'a> {
    let data = bytes(data)?;
    // A byte of LZ4 stands for at most 255.
    let limit = data.len().saturating_mul(255).min(OUTPUT_LIMIT);
    if let Some((size, block)) = lz4::own_header(data).filter(|(size, _)| *size <= limit) {
        budget.spend(200 + size)?;
        let mut own = false;
        let result = decompress_known(env, size, |output| {
            own = lz4::decompress_own(data, block, output);
            own
        });
        // Otherwise damaged, or followed by another frame: the general reader knows which.
        if own {
            return Ok(result);
        }
    }
    let mut rest = data;
    match lz4::next_frame(&mut rest) {
        Some(true) => decompress_stream(env, budget, lz4::reader(rest), |reader| {
            lz4::next_frame(reader.get_mut())
        }),
        Some(false) if !data.is_empty() => Ok(done(env, &[])),
        _ => Ok(failed(env, decompression_failed())),
    }
}
