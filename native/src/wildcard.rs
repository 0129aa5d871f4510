//! Wildcard patterns over bytes: `*` stands for any sequence, an empty one too, `?` for any one byte.

use memchr::memmem;

/// A pattern cut at its stars.
///
/// The part before the first star must begin the text, the part after the last must end it, and those between
/// follow one another from the left: the first place where a part fits is never worse than a later one.
#[derive(Debug)]
pub struct Pattern<'p> {
    head: &'p [u8],
    /// The parts between stars; `None` without any star.
    rest: Option<(Vec<&'p [u8]>, &'p [u8])>,
    /// The bytes of all parts: no shorter text matches.
    least: usize,
}

/// Whether `part`, where `?` fits every byte, is `text`, which has the same length.
#[inline]
fn fits(text: &[u8], part: &[u8]) -> bool {
    text.iter()
        .zip(part)
        .all(|(have, want)| have == want || *want == b'?')
}

/// Whether `part` is searched for in a text of `length` bytes in linear time. That has no place for `?`, and takes
/// longer to begin.
#[inline]
fn is_literal(length: usize, part: &[u8]) -> bool {
    length.saturating_mul(part.len()) > 4096 && memchr::memchr(b'?', part).is_none()
}

impl<'p> Pattern<'p> {
    /// Cuts `pattern`.
    pub fn new(pattern: &'p [u8]) -> Self {
        let stars = memchr::memchr_iter(b'*', pattern).count();
        let mut parts = pattern.split(|byte| *byte == b'*');
        let head = parts.next().unwrap_or_default();
        let rest = parts
            .next_back()
            .map(|tail| (parts.filter(|part| !part.is_empty()).collect(), tail));
        Pattern {
            head,
            rest,
            least: pattern.len() - stars,
        }
    }

    /// Estimated nanoseconds to match a text of `length` bytes. The estimate itself looks at each part, of which there
    /// are no more than bytes.
    #[inline]
    pub fn cost(&self, length: usize) -> usize {
        if length < self.least {
            return 15;
        }
        let parts = match &self.rest {
            Some((parts, _)) => parts.as_slice(),
            None => &[],
        };
        let searching = parts.iter().map(|part| match is_literal(length, part) {
            // What is looked for is prepared anew for each text.
            true => 500 + length + 4 * part.len(),
            false => length.saturating_mul(part.len()) / 4,
        });
        searching.fold(15 + length / 4, usize::saturating_add)
    }

    /// Whether the whole of `text` matches.
    #[inline]
    pub fn matches(&self, text: &[u8]) -> bool {
        if text.len() < self.least {
            return false;
        }
        let Some((head, mut text)) = text.split_at_checked(self.head.len()) else {
            return false;
        };
        if !fits(head, self.head) {
            return false;
        }
        let Some((parts, tail)) = &self.rest else {
            return text.is_empty();
        };
        let Some(end) = text.len().checked_sub(tail.len()) else {
            return false;
        };
        let Some((body, end)) = text.split_at_checked(end) else {
            return false;
        };
        if !fits(end, tail) {
            return false;
        }
        text = body;
        for part in parts {
            let found = if is_literal(text.len(), part) {
                memmem::find(text, part)
            } else {
                text.windows(part.len())
                    .position(|window| fits(window, part))
            };
            match found.and_then(|at| text.get(at + part.len()..)) {
                Some(after) => text = after,
                None => return false,
            }
        }
        true
    }
}

/// The regular expression that says the same, as the module page shows it: `^orders-.*$` for `orders-*`.
pub fn to_regex(pattern: &[u8]) -> Vec<u8> {
    let mut regex = Vec::with_capacity(pattern.len() + 16);
    regex.push(b'^');
    for byte in pattern {
        match byte {
            b'*' => regex.extend(b".*"),
            b'?' => regex.push(b'.'),
            b'.' | b'^' | b'$' | b'+' | b'{' | b'}' | b'[' | b']' | b'\\' | b'|' | b'(' | b')' => {
                regex.extend([b'\\', *byte]);
            }
            other => regex.push(*other),
        }
    }
    regex.push(b'$');
    regex
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, byte by byte.
    fn plain(text: &[u8], pattern: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, _) => text.is_empty(),
            (Some((b'*', rest)), _) => (0..=text.len()).any(|from| plain(&text[from..], rest)),
            (Some((b'?', rest)), Some((_, text))) => plain(text, rest),
            (Some((want, rest)), Some((have, text))) => want == have && plain(text, rest),
            (Some(_), None) => false,
        }
    }

    proptest::proptest! {
        #[test]
        fn is_what_the_definition_says(text in "[ab?*\n]{0,12}", pattern in "[ab?*]{0,8}") {
            let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
            proptest::prop_assert_eq!(Pattern::new(pattern).matches(text), plain(text, pattern));
        }

        /// Long texts are searched in another way.
        #[test]
        fn is_the_same_far_inside(text in "[ab]{0,6}", pattern in "[ab]{0,3}[*][ab]{1,5}[*][ab]{1,3}[*]") {
            let far = |text: &str| "c".repeat(5000) + text;
            let (long, longer) = (far(&text), "*".to_owned() + &pattern);
            let expected = plain(text.as_bytes(), longer.as_bytes());
            proptest::prop_assert_eq!(Pattern::new(longer.as_bytes()).matches(long.as_bytes()), expected);
        }
    }
}
