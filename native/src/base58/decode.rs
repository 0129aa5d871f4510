//! Text to bytes.
//!
//! Eight characters at a time are the digits of the number in base 58⁸, and 64 bits at a time its digits in the base of the
//! processor: so the number is multiplied by a matrix, whose rows are the powers of 58⁸.

use super::{ALPHABET, significant};

/// The characters that are one digit of the number.
const CHUNK: usize = 8;
/// The digits of eight characters that are multiplied by the matrix at a time.
const BLOCK: usize = 12;
/// The words of the largest power.
const WORDS: usize = words(BLOCK);
/// The powers of 58⁸, the least significant word first.
static POWERS: [[u64; WORDS]; BLOCK + 1] = powers();

/// The words that 58⁸ to the power of `exponent` has: its digits have almost 47 bits.
const fn words(exponent: usize) -> usize {
    exponent * 47 / 64 + 1
}

#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
const fn powers() -> [[u64; WORDS]; BLOCK + 1] {
    let mut rows = [[0; WORDS]; BLOCK + 1];
    rows[0][0] = 1;
    let mut i = 0;
    while i < BLOCK {
        let (mut j, mut carry) = (0, 0);
        while j < WORDS {
            let value = rows[i][j] as u128 * 58u128.pow(8) + carry;
            rows[i + 1][j] = value as u64;
            carry = value >> 64;
            j += 1;
        }
        i += 1;
    }
    rows
}

/// Gives `output` the length of what `text` stands for, and writes it where `output` says: a zero byte for each leading
/// `1`, then the number. False, without asking for a place, when there is a character outside the alphabet.
pub fn decode<'o>(text: &[u8], output: impl FnOnce(usize) -> &'o mut [u8]) -> bool {
    // How many digits there are is known when compiling: no loop is left.
    match text.len().div_ceil(CHUNK) {
        0 | 1 => {
            let mut eight = [ALPHABET[0]; 8];
            eight
                .iter_mut()
                .rev()
                .zip(text.iter().rev())
                .for_each(|(place, character)| *place = *character);
            short::<1>(&eight, text, output)
        }
        2 => short::<2>(text, text, output),
        3 => short::<3>(text, text, output),
        4 => short::<4>(text, text, output),
        5 => short::<5>(text, text, output),
        6 => short::<6>(text, text, output),
        7 => short::<7>(text, text, output),
        8 => short::<8>(text, text, output),
        9 => short::<9>(text, text, output),
        10 => short::<10>(text, text, output),
        11 => short::<11>(text, text, output),
        12 => short::<12>(text, text, output),
        _ => long(text, output),
    }
}

/// A text of `N` times eight characters or some less, but not less than eight; `original` is it without padding.
#[inline]
fn short<'o, const N: usize>(
    text: &[u8],
    original: &[u8],
    output: impl FnOnce(usize) -> &'o mut [u8],
) -> bool {
    let Some(chunks) = chunks::<N>(text) else {
        return false;
    };
    let all = number(chunks);
    write(original, all.get(..words(N)).unwrap_or_default(), output);
    true
}

/// The digits of eight characters of such a text, the least significant first; `None` when there is a character outside the
/// alphabet.
#[inline]
fn chunks<const N: usize>(text: &[u8]) -> Option<[u64; N]> {
    let mut chunks = [[0; CHUNK]; N];
    let mut rest = text.len();
    for chunk in chunks.iter_mut().take(N - 1) {
        *chunk = *text.get(..rest)?.last_chunk()?;
        rest -= CHUNK;
    }
    // The first may have fewer than eight: ones before it do not count.
    let missing = 8 * CHUNK.saturating_sub(rest) as u32;
    let ones = u64::from_le_bytes([ALPHABET[0]; CHUNK]) & !(u64::MAX << missing);
    *chunks.last_mut()? =
        (u64::from_le_bytes(*text.first_chunk()?) << missing | ones).to_le_bytes();
    if !digits(chunks.as_flattened_mut()) {
        return None;
    }
    let mut joined = [0; N];
    for (place, chunk) in joined.iter_mut().zip(chunks) {
        *place = join(chunk);
    }
    Some(joined)
}

/// Puts digits in place of `characters`; false when one of them has none.
#[inline]
fn digits(characters: &mut [u8]) -> bool {
    let mut foreign = 0;
    for character in characters {
        let (digit, is_foreign) = digit(*character);
        *character = digit;
        foreign |= is_foreign;
    }
    foreign == 0
}

/// The digit of a character, and something other than 0 when it has none.
///
/// Vector instructions do this for sixteen characters at once, if nothing is looked up and nothing decided. Where the
/// alphabet has a gap, as that between `9` and `A`, all later characters stand for so many less. For characters in a gap it
/// matters whether it is counted at its beginning or at its end: that shows them.
#[inline]
fn digit(character: u8) -> (u8, u8) {
    let character = character.cast_signed();
    let above = |limit: u8, count: i8| -i8::from(character > limit.cast_signed()) & count;
    let begun = above(b'9', 7) + above(b'H', 1) + above(b'N', 1) + above(b'Z', 6) + above(b'k', 1);
    let ended = above(b'@', 7) + above(b'I', 1) + above(b'O', 1) + above(b'`', 6) + above(b'l', 1);
    let foreign = begun ^ ended | above(b'z', -1) | !above(b'0', -1);
    let digit = character
        .wrapping_sub(begun)
        .wrapping_sub(b'1'.cast_signed());
    (digit.cast_unsigned(), foreign.cast_unsigned())
}

/// The number of eight digits: pairs, then fours, then all, several in one multiplication.
#[inline]
fn join(digits: [u8; CHUNK]) -> u64 {
    let ones = u64::from_le_bytes(digits);
    let twos = (ones & 0x00FF_00FF_00FF_00FF) * 58 + (ones >> 8 & 0x00FF_00FF_00FF_00FF);
    let fours =
        (twos & 0x0000_FFFF_0000_FFFF) * 58u64.pow(2) + (twos >> 16 & 0x0000_FFFF_0000_FFFF);
    (fours & 0xFFFF_FFFF) * 58u64.pow(4) + (fours >> 32)
}

/// The words of the number of `N` digits of eight characters, both the least significant first.
#[inline]
#[expect(
    clippy::indexing_slicing,
    reason = "all bounds are known when compiling"
)]
fn number<const N: usize>(chunks: [u64; N]) -> [u64; WORDS] {
    const { assert!(N <= BLOCK) };
    // A sum of twelve products of 47 and 64 bits has less than 128.
    let mut columns = [0; WORDS];
    for i in 0..N {
        for j in 0..words(i) {
            columns[j] += u128::from(chunks[i]) * u128::from(POWERS[i][j]);
        }
    }
    let mut words = [0; WORDS];
    let mut carry = 0;
    for (word, column) in words.iter_mut().zip(columns) {
        let sum: u128 = column + carry;
        *word = sum as u64;
        carry = sum >> 64;
    }
    words
}

/// A text of any length. Ten digits at a time go over the words that are there: word times 58¹⁰, plus what is carried. Each
/// waits for the carry of the one before, and a processor that has two others to do meanwhile does not wait.
fn long<'o>(text: &[u8], output: impl FnOnce(usize) -> &'o mut [u8]) -> bool {
    const LANES: usize = 3;
    const DIGITS: usize = 10;
    const BLOCK: usize = LANES * DIGITS;
    // Zeros before the first digit make whole blocks.
    let mut all = vec![ALPHABET[0]; text.len().next_multiple_of(BLOCK) - text.len()];
    all.extend(text);
    if !digits(&mut all) {
        return false;
    }
    // Ten digits are less than a word.
    let mut words = Vec::with_capacity(all.len() / DIGITS);
    for block in all.as_chunks::<BLOCK>().0 {
        let mut carries = [0; LANES];
        for (carry, ten) in carries.iter_mut().zip(block.as_chunks::<DIGITS>().0) {
            if let Some((eight, [a, b])) = ten.split_first_chunk() {
                *carry = join(*eight) * 58u64.pow(2) + u64::from(*a) * 58 + u64::from(*b);
            }
        }
        for word in &mut words {
            (*word, carries) = carry_into(*word, carries);
        }
        while carries != [0; LANES] {
            let word;
            (word, carries) = carry_into(0, carries);
            words.push(word);
        }
    }
    write(text, &words, output);
    true
}

/// Once for each of `carries`: `word * 58¹⁰ + carry`, of which the upper half is the carry for the next word.
#[inline]
fn carry_into<const N: usize>(mut word: u64, mut carries: [u64; N]) -> (u64, [u64; N]) {
    const TEN_DIGITS: u64 = 58u64.pow(10);
    for carry in &mut carries {
        let value = u128::from(word) * u128::from(TEN_DIGITS) + u128::from(*carry);
        word = value as u64;
        *carry = (value >> 64) as u64;
    }
    (word, carries)
}

/// Writes a zero byte for each leading `1` of `text`, then the bytes of `words`, which begin with the least significant.
#[inline]
fn write<'o>(text: &[u8], words: &[u64], output: impl FnOnce(usize) -> &'o mut [u8]) {
    let ones = text
        .iter()
        .take_while(|character| **character == ALPHABET[0])
        .count();
    let Some((top, rest)) = significant(words).split_last() else {
        return output(ones).fill(0);
    };
    let first = 8 - top.leading_zeros() as usize / 8;
    let bytes = output(ones + first + rest.len() * 8);
    let Some((zeros, bytes)) = bytes.split_at_mut_checked(ones) else {
        return;
    };
    // Seldom any: not worth a call of memset.
    if ones > 0 {
        zeros.fill(0);
    }
    let top = top.unbounded_shl(top.leading_zeros() / 8 * 8).to_be_bytes();
    match bytes.first_chunk_mut() {
        // What is too much of it is overwritten by those that follow.
        Some(place) if !rest.is_empty() => *place = top,
        _ => bytes
            .iter_mut()
            .zip(top)
            .for_each(|(place, byte)| *place = byte),
    }
    let tail = bytes.get_mut(first..).unwrap_or_default();
    for (word, place) in rest.iter().rev().zip(tail.as_chunks_mut::<8>().0) {
        *place = word.to_be_bytes();
    }
}
