//! Base58 with the Bitcoin alphabet, as `did:key` uses it.
//!
//! A number is turned from one base into the other, so the work grows with the square of the length.

mod decode;
mod encode;

pub use decode::decode;
pub use encode::encode;

/// The Bitcoin alphabet: no 0, O, I, l.
const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Estimated nanoseconds to convert `length` bytes or characters.
pub fn cost(length: usize) -> usize {
    20 + length.saturating_mul(length) / 80
}

/// The limbs without zeros at the end.
fn significant(limbs: &[u64]) -> &[u64] {
    let count = limbs
        .iter()
        .rposition(|limb| *limb != 0)
        .map_or(0, |top| top + 1);
    limbs.get(..count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    fn encode(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        super::encode(bytes, |length| room(&mut text, length));
        text
    }

    fn decode(text: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        super::decode(text, |length| room(&mut bytes, length)).then_some(bytes)
    }

    /// A place in which every byte that is not written would be seen.
    fn room(place: &mut Vec<u8>, length: usize) -> &mut [u8] {
        place.resize(length, 0xA5);
        place
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
        fn agrees_with_bs58(zeros in 0usize..4, tail in proptest::collection::vec(proptest::num::u8::ANY, 0..700)) {
            let mut bytes = vec![0; zeros];
            bytes.extend(tail);
            let text = bs58::encode(&bytes).into_string();
            proptest::prop_assert_eq!(&encode(&bytes), text.as_bytes());
            proptest::prop_assert_eq!(decode(text.as_bytes()), Some(bytes));
        }

        /// Bytes of ones, and of zeros behind a one, are where quotients are nearly reached.
        #[test]
        fn agrees_with_bs58_at_the_edges(byte in proptest::sample::select(vec![0u8, 1, 0x7F, 0x80, 0xFF]), length in 0usize..300, at: u8) {
            let mut bytes = vec![byte; length];
            if let Some(other) = bytes.get_mut(usize::from(at)) {
                *other ^= 1;
            }
            let text = bs58::encode(&bytes).into_string();
            proptest::prop_assert_eq!(&encode(&bytes), text.as_bytes());
            proptest::prop_assert_eq!(decode(text.as_bytes()), Some(bytes));
        }

        #[test]
        fn reads_what_bs58_reads(text in "[1-9A-Za-z]{0,120}|[1-9A-HJ-NP-Za-km-z]{0,400}") {
            proptest::prop_assert_eq!(decode(text.as_bytes()), bs58::decode(&text).into_vec().ok());
        }
    }
}
