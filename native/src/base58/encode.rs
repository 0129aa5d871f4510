//! Bytes to text.
//!
//! Seven bytes at a time are the digits of the number in base 2⁵⁶, and ten characters at a time its digits in base 58¹⁰:
//! so the number is multiplied by a matrix, whose rows are the powers of 2⁵⁶ in base 58¹⁰. The products are summed up
//! with 128 bits, and carried once, at the end. Nothing waits for anything but that.

use super::{ALPHABET, significant};

/// 58¹⁰, the base of the limbs: 59 bits.
const LIMB: u64 = 58u64.pow(10);
/// The characters of a limb.
const DIGITS: usize = 10;
/// The bytes that are one digit of the number.
const CHUNK: usize = 7;
/// The digits of seven bytes that are multiplied by the matrix at a time. The sum of so many products of two limbs
/// has 121 bits.
const BLOCK: usize = 10;
/// 58² values stand for two characters.
const PAIR: u64 = 58 * 58;
/// The characters of two digits.
static PAIRS: [[u8; 2]; PAIR as usize] = pairs();
/// The powers of 2⁵⁶, each as limbs, the least significant first. Row `i` has `i` of them.
static POWERS: [[u64; BLOCK]; BLOCK + 1] = powers();
/// The powers of 58.
static POWERS_OF_58: [u64; DIGITS + 1] = powers_of_58();

#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
const fn pairs() -> [[u8; 2]; PAIR as usize] {
    let mut table = [[0; 2]; PAIR as usize];
    let mut i = 0;
    while i < PAIR as usize {
        table[i] = [ALPHABET[i / 58], ALPHABET[i % 58]];
        i += 1;
    }
    table
}

#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
const fn powers() -> [[u64; BLOCK]; BLOCK + 1] {
    let mut rows = [[0; BLOCK]; BLOCK + 1];
    rows[0][0] = 1;
    let mut i = 0;
    while i < BLOCK {
        let (mut j, mut carry) = (0, 0);
        while j < BLOCK {
            let value = ((rows[i][j] as u128) << 56) + carry;
            rows[i + 1][j] = (value % LIMB as u128) as u64;
            carry = value / LIMB as u128;
            j += 1;
        }
        i += 1;
    }
    rows
}

#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
const fn powers_of_58() -> [u64; DIGITS + 1] {
    let mut powers = [1; DIGITS + 1];
    let mut i = 0;
    while i < DIGITS {
        powers[i + 1] = powers[i] * 58;
        i += 1;
    }
    powers
}

/// Gives `output` the length of the text of `input`, and writes it where `output` says: a `1` for each leading zero
/// byte, then the digits of the number.
pub fn encode<'o>(input: &[u8], output: impl FnOnce(usize) -> &'o mut [u8]) {
    let zeros = input.iter().take_while(|byte| **byte == 0).count();
    let number = input.get(zeros..).unwrap_or_default();
    // The number of limbs is known when compiling: no loop is left.
    match number.len().div_ceil(CHUNK) {
        0 | 1 => {
            let number = number.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
            write(zeros, &[number], output);
        }
        2 => write(zeros, &limbs(chunks::<2>(number)), output),
        3 => write(zeros, &limbs(chunks::<3>(number)), output),
        4 => write(zeros, &limbs(chunks::<4>(number)), output),
        5 => write(zeros, &limbs(chunks::<5>(number)), output),
        6 => write(zeros, &limbs(chunks::<6>(number)), output),
        7 => write(zeros, &limbs(chunks::<7>(number)), output),
        8 => write(zeros, &limbs(chunks::<8>(number)), output),
        9 => write(zeros, &limbs(chunks::<9>(number)), output),
        10 => write(zeros, &limbs(chunks::<10>(number)), output),
        _ => write(zeros, &blocks(number), output),
    }
}

/// The digits of seven bytes of a number that has more than seven bytes and `N` of them, the least significant first.
#[inline]
fn chunks<const N: usize>(number: &[u8]) -> [u64; N] {
    let mut chunks = [0; N];
    let mut rest = number.len();
    for chunk in chunks.iter_mut().take(N - 1) {
        let upto = number.get(..rest).and_then(<[u8]>::last_chunk);
        *chunk = upto.map_or(0, |bytes| u64::from_be_bytes(*bytes) & ((1 << 56) - 1));
        rest -= CHUNK;
    }
    // The first may have fewer than seven: the eight that begin with it have some too many.
    if let (Some(top), Some(bytes)) = (chunks.last_mut(), number.first_chunk()) {
        *top = u64::from_be_bytes(*bytes) >> (8 * (8 - rest));
    }
    chunks
}

/// The limbs of a number of at most [`BLOCK`] digits of seven bytes; both the least significant first.
#[inline]
#[expect(
    clippy::indexing_slicing,
    reason = "all bounds are known when compiling"
)]
fn limbs<const N: usize>(chunks: [u64; N]) -> [u64; N] {
    const { assert!(N <= BLOCK) };
    let mut columns = [0; N];
    columns[0] = u128::from(chunks[0]);
    for i in 1..N {
        for j in 0..i {
            columns[j] += u128::from(chunks[i]) * u128::from(POWERS[i][j]);
        }
    }
    let mut limbs = [0; N];
    let (mut before, mut carry) = (0, 0);
    for (column, limb) in columns.into_iter().zip(&mut limbs) {
        let (quotient, remainder) = divide(column);
        // Less than two limbs when N is 5, less than three when it is 10: there is a test of that.
        let value = remainder + before + carry;
        carry = u64::from(value >= LIMB) + u64::from(N > 5 && value >= 2 * LIMB);
        *limb = value - carry * LIMB;
        before = quotient;
    }
    limbs
}

/// A sum of at most [`BLOCK`] products of two limbs, divided by [`LIMB`]: a quotient of which up to two may be missing,
/// and the remainder that belongs to it, less than three limbs.
#[inline]
fn divide(value: u128) -> (u64, u64) {
    const RECIPROCAL: u64 = ((1u128 << 121) / LIMB as u128) as u64;
    let upper = u128::from((value >> 57) as u64);
    let quotient = ((upper * u128::from(RECIPROCAL)) >> 64) as u64;
    let remainder = (value as u64).wrapping_sub(quotient.wrapping_mul(LIMB));
    (quotient, remainder)
}

/// The limbs of a number of any length: what is there times a power of 2⁵⁶, plus the next block, until none is left.
#[expect(
    clippy::indexing_slicing,
    reason = "the limbs of a block have room before and after the number"
)]
fn blocks(number: &[u8]) -> Vec<u64> {
    let (first, rest) = number.as_rchunks::<{ CHUNK * BLOCK }>();
    let mut padded = [0; CHUNK * BLOCK];
    padded[CHUNK * BLOCK - first.len()..].copy_from_slice(first);
    let mut power = POWERS[BLOCK];
    power.reverse();
    // Zeros on both sides of the number are what the ends of the power are multiplied by.
    let mut now = vec![0; BLOCK * (rest.len() + 3)];
    let mut next = now.clone();
    let mut used = 2 * BLOCK;
    now[BLOCK..used].copy_from_slice(&limbs(chunks::<BLOCK>(&padded)));
    for block in rest {
        next[BLOCK..2 * BLOCK].copy_from_slice(&limbs(chunks::<BLOCK>(block)));
        next[2 * BLOCK..used + BLOCK].fill(0);
        let (mut before, mut carry) = (0, 0);
        let places = &mut next[BLOCK..used + BLOCK];
        let factors = now
            .windows(BLOCK)
            .skip(1)
            .filter_map(|window| window.first_chunk::<BLOCK>());
        for (factors, limb) in factors.zip(places) {
            let mut sum = u128::from(*limb);
            for (factor, other) in factors.iter().zip(&power) {
                sum += u128::from(*factor) * u128::from(*other);
            }
            let (quotient, remainder) = divide(sum);
            let value = remainder + before + carry;
            carry = value / LIMB;
            *limb = value - carry * LIMB;
            before = quotient;
        }
        used += BLOCK;
        std::mem::swap(&mut now, &mut next);
    }
    now.truncate(used);
    now.drain(..BLOCK);
    now
}

/// How many digits `limb` has, which is not 0.
#[inline]
#[expect(
    clippy::indexing_slicing,
    reason = "a number of 64 bits has at most eleven digits, a limb ten"
)]
fn digits(limb: u64) -> usize {
    // 175 / 1024 digits are a bit: one too few at most.
    let least = (limb.ilog2() as usize + 1) * 175 / 1024;
    least + usize::from(limb >= POWERS_OF_58[least])
}

/// The ten characters of a limb, the first in the lowest byte. The limb is taken as a fraction of 58¹⁰: of each product with 58²
/// two more of its digits are before the point.
#[inline]
#[expect(
    clippy::indexing_slicing,
    reason = "a fraction times 58² is less than 58²"
)]
fn characters(limb: u64) -> u128 {
    /// 2⁶⁴ / 58¹⁰, before the point and after it, the latter in units of 2⁻⁶⁴.
    const WHOLE: u64 = ((1u128 << 64) / LIMB as u128) as u64;
    const PART: u64 = ((((1u128 << 64) % LIMB as u128) << 64) / LIMB as u128) as u64;
    // Up to two more than the fraction: it takes 42 to change a digit.
    let mut fraction = limb * WHOLE + ((u128::from(limb) * u128::from(PART)) >> 64) as u64 + 2;
    let mut text = 0;
    for place in 0..DIGITS / 2 {
        let value = u128::from(fraction) * u128::from(PAIR);
        let pair = PAIRS[(value >> 64) as usize];
        text |= u128::from(u16::from_le_bytes(pair)) << (16 * place);
        fraction = value as u64;
    }
    text
}

/// Writes a `1` for each of `zeros`, then the digits of `limbs`, which begin with the least significant.
#[inline]
fn write<'o>(zeros: usize, limbs: &[u64], output: impl FnOnce(usize) -> &'o mut [u8]) {
    let Some((top, rest)) = significant(limbs).split_last() else {
        return output(zeros).fill(b'1');
    };
    let first = digits(*top);
    let text = output(zeros + first + rest.len() * DIGITS);
    let Some((ones, text)) = text.split_at_mut_checked(zeros) else {
        return;
    };
    // Seldom any: not worth a call of memset.
    if zeros > 0 {
        ones.fill(b'1');
    }
    let top = (characters(*top) >> (8 * (DIGITS - first))).to_le_bytes();
    match text.first_chunk_mut::<16>() {
        // What is too much of it is overwritten by those that follow.
        Some(place) if rest.len() > 1 => *place = top,
        _ => text
            .iter_mut()
            .take(first)
            .zip(top)
            .for_each(|(place, character)| *place = character),
    }
    let tail = text.get_mut(first..).unwrap_or_default();
    for (limb, place) in rest.iter().rev().zip(tail.as_chunks_mut::<DIGITS>().0) {
        if let Some(text) = characters(*limb).to_le_bytes().first_chunk() {
            *place = *text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest sum of a column, that of the largest chunks.
    fn largest_sum(chunks: usize, column: usize) -> u128 {
        let rows = POWERS[..chunks].iter().skip(column + 1);
        let products = rows.map(|row| u128::from(row[column]) << 56);
        products.sum::<u128>() + (1 << 56)
    }

    /// In limbs: what a quotient misses stays in the remainder, and the quotient before is added to that.
    #[test]
    fn no_more_is_carried_than_limbs_expects() {
        for chunks in 2..=BLOCK {
            let mut before = 0.0;
            for column in 0..chunks {
                let sum = largest_sum(chunks, column);
                let missing = 2f64.powi(57) / LIMB as f64 + (sum >> 57) as f64 / 2f64.powi(64);
                let value = 1.0 + missing + before + 1e-9;
                let limit = if chunks > 5 { 3.0 } else { 2.0 };
                assert!(value < limit, "{chunks} chunks, column {column}: {value}");
                before = sum as f64 / (LIMB as f64).powi(2);
            }
        }
    }
}
