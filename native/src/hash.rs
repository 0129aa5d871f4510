//! `esdb_hash_nif`: xxHash64, XXH3, FNV-1a, partitions.

use crate::budget::{Budget, Run, Stop};
use crate::phash;
use crate::raw::Terms;
use crate::term::{bytes, each};
use rustler::{Encoder, Env, Term};
use twox_hash::{XxHash3_64, XxHash64};

/// FNV-1a, 64 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>.
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
/// The prime of FNV-1a, 64 bits.
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// `xxhash64(Data, Seed)`.
pub fn xxhash64<'a>(env: Env<'a>, budget: &mut Budget, data: Term<'a>, seed: Term<'a>) -> Run<'a> {
    let (data, seed) = (bytes(data)?, seed.decode::<u64>().map_err(|_| Stop::Twin)?);
    budget.spend(data.len() / 8)?;
    Ok(XxHash64::oneshot(seed, data).encode(env))
}

/// `xxhash3(Data)`: XXH3 with 64 bits, seed 0 and the default secret.
pub fn xxhash3<'a>(env: Env<'a>, budget: &mut Budget, data: Term<'a>) -> Run<'a> {
    let data = bytes(data)?;
    budget.spend(data.len() / 8)?;
    Ok(XxHash3_64::oneshot(data).encode(env))
}

/// `fnv1a(Data)`, 64 bits.
pub fn fnv1a<'a>(env: Env<'a>, budget: &mut Budget, data: Term<'a>) -> Run<'a> {
    let data = bytes(data)?;
    budget.spend(data.len() * 3 / 2)?;
    let hash = data.iter().fold(FNV_BASIS, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)
    });
    Ok(hash.encode(env))
}

/// A number of partitions: 1 and above.
fn partitions(term: Term<'_>) -> Result<u64, Stop> {
    match term.decode() {
        Ok(0) | Err(_) => Err(Stop::Twin),
        Ok(count) => Ok(count),
    }
}

/// `partition_hash(Data, Partitions)`: XXH3 modulo the number of partitions.
pub fn partition_hash<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    data: Term<'a>,
    count: Term<'a>,
) -> Run<'a> {
    let (data, count) = (bytes(data)?, partitions(count)?);
    budget.spend(data.len() / 8)?;
    Ok((XxHash3_64::oneshot(data) % count).encode(env))
}

/// `partition_hash_batch(Items, Partitions)`.
pub fn partition_hash_batch<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    items: Term<'a>,
    count: Term<'a>,
) -> Run<'a> {
    let count = partitions(count)?;
    let mut results = Terms::new(env);
    each(items, budget, 30, |item, budget| {
        let data = bytes(item)?;
        budget.spend(data.len() / 8)?;
        results.push((XxHash3_64::oneshot(data) % count).encode(env));
        Ok(())
    })?;
    results.list()
}

/// `stream_partition(StoreId, StreamId, Partitions)`: XXH3 of both ids with a zero byte between them.
pub fn stream_partition<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    store: Term<'a>,
    stream: Term<'a>,
    count: Term<'a>,
) -> Run<'a> {
    let (store, stream, count) = (bytes(store)?, bytes(stream)?, partitions(count)?);
    let length = store.len() + 1 + stream.len();
    budget.spend(length / 4)?;
    let mut short = [0; 128];
    let hash = match short.get_mut(..length) {
        Some(joined) => XxHash3_64::oneshot(join(joined, store, stream)),
        None => XxHash3_64::oneshot(join(&mut vec![0; length], store, stream)),
    };
    Ok((hash % count).encode(env))
}

/// Writes both ids into `joined`, which is zeroed and exactly long enough.
fn join<'b>(joined: &'b mut [u8], store: &[u8], stream: &[u8]) -> &'b [u8] {
    let (head, tail) = joined.split_at_mut(store.len());
    head.copy_from_slice(store);
    if let Some((_, tail)) = tail.split_first_mut() {
        tail.copy_from_slice(stream);
    }
    joined
}

/// `fast_phash(Data, Range)` for a binary: what `erlang:phash2/2` gives.
pub fn fast_phash<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    data: Term<'a>,
    range: Term<'a>,
) -> Run<'a> {
    let (data, range) = (bytes(data)?, partitions(range)?);
    if range > 1 << 32 {
        return Err(Stop::Twin);
    }
    budget.spend(data.len())?;
    Ok((u64::from(phash::of_binary(data)) % range).encode(env))
}
