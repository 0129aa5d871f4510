//! Keys of several parts, which sort as the parts do: by the first, among equals by the second, and
//! so on.
//!
//! A text is followed by two zeros; a zero in it is followed by a one. A number is eight bytes,
//! big-endian. The keys that begin with some text are those that begin with its bytes here, since
//! no other text's bytes do.

/// Adds a part of any bytes.
pub fn put_text(key: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        key.push(*byte);
        if *byte == 0 {
            key.push(1);
        }
    }
    key.extend_from_slice(&[0, 0]);
}

/// Adds a part that is a number.
pub fn put_number(key: &mut Vec<u8>, number: u64) {
    key.extend_from_slice(&number.to_be_bytes());
}

/// Takes a part of bytes off the front of what is left of a key; `None` if none stands there.
pub fn take_text(key: &mut &[u8]) -> Option<Vec<u8>> {
    let (mut rest, mut text) = (*key, Vec::new());
    loop {
        let zero = rest.iter().position(|byte| *byte == 0)?;
        let (before, from) = rest.split_at_checked(zero)?;
        text.extend_from_slice(before);
        match from {
            [0, 0, after @ ..] => {
                *key = after;
                return Some(text);
            }
            [0, 1, after @ ..] => {
                text.push(0);
                rest = after;
            }
            _ => return None,
        }
    }
}

/// Takes a number off the front of what is left of a key; `None` if none stands there.
pub fn take_number(key: &mut &[u8]) -> Option<u64> {
    let (number, rest) = key.split_first_chunk()?;
    *key = rest;
    Some(u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(text: &[u8], other: &[u8], number: u64) -> Vec<u8> {
        let mut key = Vec::new();
        put_text(&mut key, text);
        put_text(&mut key, other);
        put_number(&mut key, number);
        key
    }

    /// Short, of few bytes, so that one often begins with another.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(2), Just(255)], 0..5)
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_parts_and_give_them_back(
            a in (text(), text(), any::<u64>()),
            b in (text(), text(), 0..3u64),
        ) {
            let keys = [&a, &b].map(|(text, other, number)| key(text, other, *number));
            prop_assert_eq!(keys[0].cmp(&keys[1]), a.cmp(&b));
            let mut rest = &keys[0][..];
            prop_assert_eq!(take_text(&mut rest), Some(a.0.clone()));
            prop_assert_eq!(take_text(&mut rest), Some(a.1));
            prop_assert_eq!(take_number(&mut rest), Some(a.2));
            prop_assert!(rest.is_empty());
            let mut prefix = Vec::new();
            put_text(&mut prefix, &a.0);
            prop_assert_eq!(keys[1].starts_with(&prefix), a.0 == b.0);
        }

        #[test]
        fn any_bytes_are_parts_or_none(bytes in prop::collection::vec(0..3u8, 0..12)) {
            let mut rest = &bytes[..];
            while let Some(text) = take_text(&mut rest) {
                let mut again = Vec::new();
                put_text(&mut again, &text);
                prop_assert!(bytes.windows(again.len()).any(|window| window == again));
            }
            prop_assert!(take_number(&mut &bytes[..]).is_some() == (bytes.len() >= 8));
        }
    }
}
