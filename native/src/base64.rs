//! URL-safe base64 without padding (RFC 4648 §5), strict when it reads: no other character, no padding, no white
//! space, no loose bits. What decodes is therefore exactly what the encoder writes.

use base64_simd::{AsOut, URL_SAFE_NO_PAD};

/// The length of the text of `length` bytes.
pub const fn encoded_len(length: usize) -> usize {
    length / 3 * 4
        + match length % 3 {
            0 => 0,
            rest => rest + 1,
        }
}

/// Writes the text of `input` into `output`, which must have [`encoded_len`] bytes.
pub fn encode(input: &[u8], output: &mut [u8]) {
    let _ = URL_SAFE_NO_PAD.encode(input, output.as_out());
}

/// The number of bytes that a text of `length` characters stands for; `None` where no text has that length.
pub const fn decoded_len(length: usize) -> Option<usize> {
    match length % 4 {
        0 => Some(length / 4 * 3),
        2 => Some(length / 4 * 3 + 1),
        3 => Some(length / 4 * 3 + 2),
        _ => None,
    }
}

/// Reads `input` into `output`, which must have [`decoded_len`] bytes; false when it is not valid.
#[must_use]
pub fn decode(input: &[u8], output: &mut [u8]) -> bool {
    URL_SAFE_NO_PAD.decode(input, output.as_out()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let mut output = vec![0; encoded_len(bytes.len())];
        encode(bytes, &mut output);
        String::from_utf8(output).unwrap()
    }

    fn read(text: &[u8]) -> Option<Vec<u8>> {
        let mut output = vec![0; decoded_len(text.len())?];
        decode(text, &mut output).then_some(output)
    }

    /// RFC 4648 §10, without the padding.
    #[test]
    fn vectors_of_the_rfc() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(text(bytes.as_bytes()), expected);
            assert_eq!(read(expected.as_bytes()).unwrap(), bytes.as_bytes());
        }
        assert_eq!(text(&[0xFB, 0xFF]), "-_8");
    }

    #[test]
    fn loose_bits_padding_and_foreign_characters_are_refused() {
        for bad in [
            "Z", "Zh", "Zm9", "Zg==", "Zm9+", "Zm9/", "Zm 9", "Zm9v\n", "\u{e9}Zg",
        ] {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
            // Long texts are read by other instructions.
            let long = "Zm9v".repeat(50) + bad;
            assert_eq!(read(long.as_bytes()), None, "{long}");
        }
    }

    proptest::proptest! {
        /// One character in many changed: refused, unless it is of the alphabet.
        #[test]
        fn each_character_is_looked_at(length in 1usize..200, at: proptest::sample::Index, other: u8) {
            let mut text = vec![b'A'; length / 4 * 4 + 4];
            *text.get_mut(at.index(length)).unwrap() = other;
            let known = other.is_ascii_alphanumeric() || b"-_".contains(&other);
            proptest::prop_assert_eq!(read(&text).is_some(), known);
        }

        #[test]
        fn what_is_written_is_read(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(read(text(&bytes).as_bytes()), Some(bytes));
        }
    }
}
