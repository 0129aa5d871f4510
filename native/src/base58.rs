//! Base58 with the Bitcoin alphabet, as `did:key` uses it.
//!
//! A number is turned from one base into the other, so the work grows with the square of the length. Limbs make it
//! some twenty times smaller than digit by digit: the encoder divides 32 bits at a time by 58⁵ (which needs 30), the
//! decoder multiplies 32-bit limbs by 58⁵.

/// The Bitcoin alphabet: no 0, O, I, l.
const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// 58⁵, the base of the encoder's limbs.
const LIMB: u64 = 58 * 58 * 58 * 58 * 58;
/// Marks a byte outside the alphabet.
const INVALID: u8 = 0xFF;
/// The digit of each character.
static DIGITS: [u8; 256] = digits();

#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
const fn digits() -> [u8; 256] {
    let mut table = [INVALID; 256];
    let mut i = 0;
    while i < 58 {
        table[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    table
}

/// Estimated nanoseconds to convert `length` bytes or characters.
pub fn cost(length: usize) -> usize {
    length.saturating_mul(length) / 12
}

/// Adds `chunk` below `limbs`, least significant first: `limbs = limbs * factor + chunk`, in base `base`.
#[inline]
fn push(limbs: &mut Vec<u32>, factor: u64, chunk: u64, base: impl Fn(u64) -> (u32, u64)) {
    let mut carry = chunk;
    for limb in limbs.iter_mut() {
        (*limb, carry) = base(u64::from(*limb) * factor + carry);
    }
    while carry > 0 {
        let (limb, rest) = base(carry);
        limbs.push(limb);
        carry = rest;
    }
}

/// Digits of one limb, most significant first.
#[expect(clippy::indexing_slicing, reason = "a remainder of 58 is below 58")]
fn characters(mut limb: u32) -> [u8; 5] {
    let mut text = [0; 5];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(limb % 58) as usize];
        limb /= 58;
    }
    text
}

/// The text of `input`: a `1` for each leading zero byte, then the digits of the number.
pub fn encode(input: &[u8]) -> Vec<u8> {
    let zeros = input.iter().take_while(|byte| **byte == 0).count();
    let number = input.get(zeros..).unwrap_or_default();
    let mut limbs = Vec::with_capacity(number.len() / 3 + 1);
    let to_limb = |value: u64| ((value % LIMB) as u32, value / LIMB);
    let (first, chunks) = number.as_rchunks::<4>();
    let head = first
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte));
    push(&mut limbs, 1 << 32, head, to_limb);
    for chunk in chunks {
        push(
            &mut limbs,
            1 << 32,
            u64::from(u32::from_be_bytes(*chunk)),
            to_limb,
        );
    }
    let mut text = vec![b'1'; zeros];
    text.reserve(limbs.len() * 5);
    let mut limbs = limbs.into_iter().rev();
    if let Some(most) = limbs.next() {
        text.extend(
            characters(most)
                .into_iter()
                .skip_while(|character| *character == b'1'),
        );
    }
    text.extend(limbs.flat_map(characters));
    text
}

#[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
fn digit(character: u8) -> u8 {
    DIGITS[usize::from(character)]
}

/// The bytes of `text`; `None` when it has a character outside the alphabet.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let ones = text
        .iter()
        .take_while(|character| **character == b'1')
        .count();
    let number = text.get(ones..).unwrap_or_default();
    let mut limbs = Vec::with_capacity(number.len() / 5 + 1);
    let to_limb = |value: u64| (value as u32, value >> 32);
    let (first, chunks) = number.as_rchunks::<5>();
    let mut seen = 0;
    let mut value_of = |characters: &[u8]| {
        characters.iter().fold(0, |value, character| {
            let digit = digit(*character);
            seen |= digit;
            value * 58 + u64::from(digit)
        })
    };
    let head = value_of(first);
    push(&mut limbs, LIMB, head, to_limb);
    for chunk in chunks {
        let value = value_of(chunk);
        push(&mut limbs, LIMB, value, to_limb);
    }
    if seen & 0x80 != 0 {
        return None;
    }
    let mut bytes = vec![0; ones];
    bytes.reserve(limbs.len() * 4);
    let mut limbs = limbs.into_iter().rev();
    if let Some(most) = limbs.next() {
        bytes.extend(most.to_be_bytes().into_iter().skip_while(|byte| *byte == 0));
    }
    bytes.extend(limbs.flat_map(u32::to_be_bytes));
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        fn agrees_with_bs58(zeros in 0usize..4, tail: Vec<u8>) {
            let mut bytes = vec![0; zeros];
            bytes.extend(tail);
            let text = bs58::encode(&bytes).into_string();
            proptest::prop_assert_eq!(&encode(&bytes), text.as_bytes());
            proptest::prop_assert_eq!(decode(text.as_bytes()), Some(bytes));
        }

        #[test]
        fn reads_what_bs58_reads(text in "[1-9A-Za-z]{0,80}") {
            proptest::prop_assert_eq!(decode(text.as_bytes()), bs58::decode(&text).into_vec().ok());
        }
    }
}
