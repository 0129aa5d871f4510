//! URL-safe base64 without padding (RFC 4648 §5), strict when it reads: no other character, no padding, no white
//! space, no loose bits. What decodes is therefore exactly what the encoder writes.

/// The URL-safe alphabet of RFC 4648.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Marks a byte outside the alphabet; its high bits survive the `|` of the whole input.
const INVALID: u8 = 0xFF;

/// Two characters for each 12 bits: half the look-ups of an alphabet of one.
static PAIRS: [[u8; 2]; 4096] = pairs();
/// The six bits of each character.
static VALUES: [u8; 256] = values();

#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
const fn pairs() -> [[u8; 2]; 4096] {
    let mut table = [[0; 2]; 4096];
    let mut i = 0;
    while i < 4096 {
        table[i] = [ALPHABET[i >> 6], ALPHABET[i & 63]];
        i += 1;
    }
    table
}

#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
const fn values() -> [u8; 256] {
    let mut table = [INVALID; 256];
    let mut i = 0;
    while i < 64 {
        table[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    table
}

/// The length of the text of `length` bytes.
pub const fn encoded_len(length: usize) -> usize {
    length / 3 * 4
        + match length % 3 {
            0 => 0,
            rest => rest + 1,
        }
}

/// The two characters of the lower 12 bits.
#[inline]
#[expect(clippy::indexing_slicing, reason = "12 bits are below 4096")]
fn characters(bits: u32) -> [u8; 2] {
    PAIRS[(bits & 0xFFF) as usize]
}

/// Writes the text of `input` into `output`, which must have [`encoded_len`] bytes.
pub fn encode(input: &[u8], output: &mut [u8]) {
    let (triples, rest) = input.as_chunks::<3>();
    let (quads, tail) = output.as_chunks_mut::<4>();
    for (triple, quad) in triples.iter().zip(quads.iter_mut()) {
        let bits = u32::from(triple[0]) << 16 | u32::from(triple[1]) << 8 | u32::from(triple[2]);
        let ([a, b], [c, d]) = (characters(bits >> 12), characters(bits));
        *quad = [a, b, c, d];
    }
    let text = match *rest {
        [a] => {
            let [x, y] = characters(u32::from(a) << 4);
            [x, y, 0]
        }
        [a, b] => {
            let bits = (u32::from(a) << 8 | u32::from(b)) << 2;
            let ([x, y], [_, z]) = (characters(bits >> 6), characters(bits & 63));
            [x, y, z]
        }
        _ => return,
    };
    for (to, from) in tail.iter_mut().zip(text) {
        *to = from;
    }
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

#[inline]
#[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
fn value(character: u8) -> u8 {
    VALUES[usize::from(character)]
}

/// Marks bits that stand for no byte and must be zero.
#[inline]
fn loose(bits: u8) -> u8 {
    if bits == 0 { 0 } else { INVALID }
}

/// Reads `input` into `output`, which must have [`decoded_len`] bytes; false when it is not valid.
#[must_use]
pub fn decode(input: &[u8], output: &mut [u8]) -> bool {
    let (quads, rest) = input.as_chunks::<4>();
    let (triples, tail) = output.as_chunks_mut::<3>();
    let mut seen = 0;
    for (quad, triple) in quads.iter().zip(triples.iter_mut()) {
        let [a, b, c, d] = quad.map(value);
        seen |= a | b | c | d;
        *triple = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    }
    match (rest, tail) {
        ([a, b], [x]) => {
            let (a, b) = (value(*a), value(*b));
            seen |= a | b | loose(b & 0x0F);
            *x = a << 2 | b >> 4;
        }
        ([a, b, c], [x, y]) => {
            let (a, b, c) = (value(*a), value(*b), value(*c));
            seen |= a | b | c | loose(c & 0x03);
            (*x, *y) = (a << 2 | b >> 4, b << 4 | c >> 2);
        }
        ([], []) => {}
        _ => return false,
    }
    seen & 0xC0 == 0
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
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(read(text(&bytes).as_bytes()), Some(bytes));
        }
    }
}
