//! The hash behind `erlang:phash2/2`, for binaries: Bob Jenkins's `lookup2`, as the emulator's `make_hash2` calls it
//! (erts/emulator/beam/erl_term_hashing.c).

/// The golden ratio, which `lookup2` starts with.
const GOLDEN: u32 = 0x9E37_79B9;
/// What the emulator seeds the hash of a binary with: thirteen times [`GOLDEN`], modulo 2³².
const BINARY_SEED: u32 = GOLDEN.wrapping_mul(13);

/// One round: the eight-way mixing of `lookup2`.
#[inline]
fn mix([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    for (right, left, last) in [(13, 8, 13), (12, 16, 5), (3, 10, 15)] {
        a = a.wrapping_sub(b).wrapping_sub(c) ^ (c >> right);
        b = b.wrapping_sub(c).wrapping_sub(a) ^ (a << left);
        c = c.wrapping_sub(a).wrapping_sub(b) ^ (b >> last);
    }
    [a, b, c]
}

/// A word of four bytes or fewer, least significant first.
fn word(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// The 32 bits that `phash2(Binary, Range)` divides by its range.
pub fn of_binary(bytes: &[u8]) -> u32 {
    if bytes.is_empty() {
        return BINARY_SEED;
    }
    let mut state = [GOLDEN, GOLDEN, BINARY_SEED];
    let (blocks, rest) = bytes.as_chunks::<12>();
    for block in blocks {
        for (part, four) in state.iter_mut().zip(block.as_chunks::<4>().0) {
            *part = part.wrapping_add(u32::from_le_bytes(*four));
        }
        state = mix(state);
    }
    let [a, b, c] = state;
    let at = |from: usize, to: usize| {
        rest.get(from..to.min(rest.len()))
            .map(word)
            .unwrap_or_default()
    };
    // The lowest byte of the last word belongs to the length.
    let last = (at(8, 12) << 8).wrapping_add(bytes.len() as u32);
    let [_, _, hash] = mix([
        a.wrapping_add(at(0, 4)),
        b.wrapping_add(at(4, 8)),
        c.wrapping_add(last),
    ]);
    hash
}
