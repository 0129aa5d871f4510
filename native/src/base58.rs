//! Base58 with the Bitcoin alphabet, as `did:key` uses it.
//!
//! A number is turned from one base into the other, so the work grows with the square of the length. Large limbs keep
//! it small: the encoder takes seven bytes at a time into limbs of ten digits, the decoder ten digits at a time into limbs of
//! 64 bits. Several of these go over the limbs in one pass: each waits for the carry of the one before, and a processor
//! that has others to do meanwhile does not wait.

/// The Bitcoin alphabet: no 0, O, I, l.
const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// 58¹⁰, the base of the encoder's limbs: 59 bits.
const LIMB: u64 = 430_804_206_899_405_824;
/// The digits of a limb.
const DIGITS: usize = 10;
/// The bytes that the encoder takes at a time.
const CHUNK: usize = 7;
/// How many times [`CHUNK`] bytes go over the limbs in one pass.
const LANES: usize = 4;
/// How many times [`DIGITS`] digits do.
const DECODER_LANES: usize = 2;
/// 58² values stand for two digits.
const PAIR: u64 = 58 * 58;
/// Inputs of so many bytes or characters are converted without allocating.
const SHORT: usize = 96;
/// Marks a byte outside the alphabet.
const INVALID: u8 = 0xFF;
/// The digit of each character.
static VALUES: [u8; 256] = values();
/// The characters of two digits.
static PAIRS: [[u8; 2]; PAIR as usize] = pairs();

#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
const fn values() -> [u8; 256] {
    let mut table = [INVALID; 256];
    let mut i = 0;
    while i < 58 {
        table[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    table
}

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

/// Estimated nanoseconds to convert `length` bytes or characters.
pub fn cost(length: usize) -> usize {
    length.saturating_mul(length) / 25
}

/// `limb * 2⁵⁶ + carry`, divided by [`LIMB`]: remainder and quotient, for a carry below 2⁵⁶.
#[inline]
fn divide(limb: u64, carry: u64) -> (u64, u64) {
    /// 2¹¹⁵ / 58¹⁰.
    const RECIPROCAL: u64 = ((1u128 << 115) / LIMB as u128) as u64;
    let value = (u128::from(limb) << 56) + u128::from(carry);
    // The value has 115 bits: its upper 64 times the reciprocal give the quotient, or one less.
    let upper = (value >> 51) as u64;
    let quotient = ((u128::from(upper) * u128::from(RECIPROCAL)) >> 64) as u64;
    let remainder = (value as u64).wrapping_sub(quotient.wrapping_mul(LIMB));
    match remainder.checked_sub(LIMB) {
        Some(less) => (less, quotient + 1),
        None => (remainder, quotient),
    }
}

/// Goes once over `limbs`, least significant first, of which `count` are used, with one `step` for each of `carries`;
/// how many are used then.
#[inline]
fn pass<const N: usize>(
    limbs: &mut [u64],
    count: usize,
    mut carries: [u64; N],
    step: impl Fn(u64, u64) -> (u64, u64),
) -> usize {
    let mut used = 0;
    for limb in limbs {
        if used >= count && carries.iter().all(|carry| *carry == 0) {
            break;
        }
        for carry in &mut carries {
            (*limb, *carry) = step(*limb, *carry);
        }
        used += 1;
    }
    used
}

/// Runs `body` with zeroed `limbs` and `text` of at least these lengths.
fn with_space<R>(
    short: bool,
    limbs: usize,
    text: usize,
    body: impl FnOnce(&mut [u64], &mut [u8]) -> R,
) -> R {
    if short {
        body(&mut [0; 16], &mut [0; 2 * SHORT])
    } else {
        body(&mut vec![0; limbs], &mut vec![0; text])
    }
}

/// The ten digits of a limb, most significant first.
#[inline]
#[expect(clippy::indexing_slicing, reason = "a remainder of 58² is below it")]
fn characters(limb: u64) -> [u8; DIGITS] {
    let pair = |value: u64| PAIRS[(value % PAIR) as usize];
    // Two halves of six and four digits are divided independently.
    let (high, low) = (limb / (PAIR * PAIR), limb % (PAIR * PAIR));
    let parts = [
        pair(high / (PAIR * PAIR)),
        pair(high / PAIR),
        pair(high),
        pair(low / PAIR),
        pair(low),
    ];
    let mut text = [0; DIGITS];
    for (place, part) in text.as_chunks_mut::<2>().0.iter_mut().zip(parts) {
        *place = part;
    }
    text
}

/// Gives `result` the text of `input`: a `1` for each leading zero byte, then the digits of the number.
pub fn encode<R>(input: &[u8], result: impl FnOnce(&[u8]) -> R) -> R {
    let zeros = input.iter().take_while(|byte| **byte == 0).count();
    let number = input.get(zeros..).unwrap_or_default();
    // Seven bytes are less than a limb.
    let limbs = number.len() / CHUNK + 1;
    let short = input.len() <= SHORT;
    with_space(short, limbs, zeros + limbs * DIGITS, |limbs, text| {
        let (first, rest) = number.as_rchunks::<{ CHUNK * LANES }>();
        let mut head = [0; CHUNK * LANES];
        if let Some(tail) = head.get_mut(CHUNK * LANES - first.len()..) {
            tail.copy_from_slice(first);
        }
        let mut count = pass(limbs, 0, lanes(&head), divide);
        for block in rest {
            count = pass(limbs, count, lanes(block), divide);
        }
        if let Some(ones) = text.get_mut(..zeros) {
            ones.fill(b'1');
        }
        let mut end = zeros;
        for limb in limbs.iter().take(count).rev() {
            let digits = characters(*limb);
            let skip = match end == zeros {
                true => digits.iter().take_while(|digit| **digit == b'1').count(),
                false => 0,
            };
            let digits = digits.get(skip..).unwrap_or_default();
            if let Some(place) = text.get_mut(end..end + digits.len()) {
                place.copy_from_slice(digits);
            }
            end += digits.len();
        }
        result(text.get(..end).unwrap_or_default())
    })
}

/// The numbers of seven bytes each.
#[inline]
fn lanes(block: &[u8; CHUNK * LANES]) -> [u64; LANES] {
    let mut lanes = [0; LANES];
    for (lane, bytes) in lanes.iter_mut().zip(block.as_chunks::<CHUNK>().0) {
        let [a, b, c, d, e, f, g] = *bytes;
        *lane = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
    }
    lanes
}

/// `limb * 58¹⁰ + carry`: its lower 64 bits and its upper.
#[inline]
fn multiply(limb: u64, carry: u64) -> (u64, u64) {
    let value = u128::from(limb) * u128::from(LIMB) + u128::from(carry);
    (value as u64, (value >> 64) as u64)
}

/// The number of some digits; all bits of them are collected in `seen`.
#[inline]
#[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
fn number_of(characters: &[u8], seen: &mut u8) -> u64 {
    characters.iter().fold(0, |number, character| {
        let digit = VALUES[usize::from(*character)];
        *seen |= digit;
        number * 58 + u64::from(digit)
    })
}

/// Gives `result` the bytes of `text`; `None` when it has a character outside the alphabet.
pub fn decode<R>(text: &[u8], result: impl FnOnce(&[u8]) -> R) -> Option<R> {
    let ones = text
        .iter()
        .take_while(|character| **character == b'1')
        .count();
    let number = text.get(ones..).unwrap_or_default();
    // Ten digits are less than a limb.
    let limbs = number.len() / DIGITS + 1;
    let short = text.len() <= SHORT;
    with_space(short, limbs, ones + limbs * 8, |limbs, bytes| {
        let mut seen = 0;
        let mut count = 0;
        let (first, rest) = number.as_rchunks::<{ DIGITS * DECODER_LANES }>();
        let (head, tail) = first.as_rchunks::<DIGITS>();
        let after_head = tail
            .first()
            .map_or(0, |characters| number_of(characters, &mut seen));
        let before = number_of(head, &mut seen);
        count = match tail.is_empty() {
            true => pass(limbs, count, [0, before], multiply),
            false => pass(limbs, count, [before, after_head], multiply),
        };
        for block in rest {
            let mut lanes = [0; DECODER_LANES];
            for (lane, characters) in lanes.iter_mut().zip(block.as_chunks::<DIGITS>().0) {
                let (high, low) = characters.split_at(DIGITS / 2);
                // Two independent chains of multiplications.
                let high = number_of(high, &mut seen);
                *lane = high * 58u64.pow(5) + number_of(low, &mut seen);
            }
            count = pass(limbs, count, lanes, multiply);
        }
        if seen & 0x80 != 0 {
            return None;
        }
        let mut end = ones;
        for limb in limbs.iter().take(count).rev() {
            let limb = limb.to_be_bytes();
            let skip = match end == ones {
                true => limb.iter().take_while(|byte| **byte == 0).count(),
                false => 0,
            };
            let limb = limb.get(skip..).unwrap_or_default();
            if let Some(place) = bytes.get_mut(end..end + limb.len()) {
                place.copy_from_slice(limb);
            }
            end += limb.len();
        }
        Some(result(bytes.get(..end).unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(bytes: &[u8]) -> Vec<u8> {
        super::encode(bytes, <[u8]>::to_vec)
    }

    fn decode(text: &[u8]) -> Option<Vec<u8>> {
        super::decode(text, <[u8]>::to_vec)
    }

    /// The examples of draft-msporny-base58-03 §5.
    #[test]
    fn vectors_of_the_draft() {
        for (bytes, text) in [
            (b"Hello World!".to_vec(), "2NEpo7TZRRrLZSi2U"),
            (
                b"The quick brown fox jumps over the lazy dog.".to_vec(),
                "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z",
            ),
            (vec![0, 0, 0x28, 0x7f, 0xb4, 0xcd], "11233QC4"),
        ] {
            assert_eq!(encode(&bytes), text.as_bytes());
            assert_eq!(decode(text.as_bytes()), Some(bytes));
        }
    }

    #[test]
    fn a_character_outside_the_alphabet_is_refused() {
        for bad in ["0", "O", "I", "l", "1111l", "abcdefghijklmno-", "\u{e9}"] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest::proptest! {
        /// bs58 is an independent implementation.
        #[test]
        fn agrees_with_bs58(zeros in 0usize..4, tail in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let mut bytes = vec![0; zeros];
            bytes.extend(tail);
            let text = bs58::encode(&bytes).into_string();
            proptest::prop_assert_eq!(&encode(&bytes), text.as_bytes());
            proptest::prop_assert_eq!(decode(text.as_bytes()), Some(bytes));
        }

        /// Bytes of ones, and of zeros behind a one, are where quotients are nearly reached.
        #[test]
        fn agrees_with_bs58_at_the_edges(byte in proptest::sample::select(vec![0u8, 1, 0x7F, 0x80, 0xFF]), length in 0usize..200, at: u8) {
            let mut bytes = vec![byte; length];
            if let Some(other) = bytes.get_mut(usize::from(at)) {
                *other ^= 1;
            }
            let text = bs58::encode(&bytes).into_string();
            proptest::prop_assert_eq!(&encode(&bytes), text.as_bytes());
            proptest::prop_assert_eq!(decode(text.as_bytes()), Some(bytes));
        }

        #[test]
        fn divides_as_the_processor_does(limb in 0..LIMB, carry in 0u64..1 << 56, low in 0u64..4) {
            for (limb, carry) in [(limb, carry), (LIMB - 1 - low, (1 << 56) - 1 - low), (limb, low), (low, carry)] {
                let value = (u128::from(limb) << 56) + u128::from(carry);
                let exact = ((value % u128::from(LIMB)) as u64, (value / u128::from(LIMB)) as u64);
                proptest::prop_assert_eq!(divide(limb, carry), exact);
            }
        }

        #[test]
        fn reads_what_bs58_reads(text in "[1-9A-Za-z]{0,80}|[1-9A-HJ-NP-Za-km-z]{0,250}") {
            proptest::prop_assert_eq!(decode(text.as_bytes()), bs58::decode(&text).into_vec().ok());
        }
    }
}
