//! The part of PCRE's language in which the `regex` crate gives PCRE's answer.
//!
//! The twin of the regular expression functions is `re`, which is PCRE, a backtracking engine with another language
//! and with a limit after which it answers `nomatch`. [`Expression::translate`] takes the expressions that mean the
//! same in both (literals, `.`, classes, groups, alternatives, repetition, `^` first, `$` last) and leaves all others
//! to the twin. [`Expression::surely_within_limit`] bounds the steps that PCRE may need for a text of a given length,
//! so that its limit cannot make a difference.

use regex::bytes::{Regex, RegexBuilder};

/// Longer expressions are the twin's.
const LONGEST: usize = 256;
/// Half of PCRE's default limit of 10,000,000 steps.
const STEPS: u64 = 5_000_000;

/// An expression that both engines understand alike.
#[derive(Debug)]
pub struct Expression {
    regex: Regex,
    /// Whether a class is used that PCRE's tables fill beyond ASCII.
    ascii_only: bool,
    /// Begins with `^`.
    anchored: bool,
    /// Repetitions without an upper bound.
    unbounded: u32,
    /// The product of all other choices, times the length of the expression.
    choices: u64,
}

/// What was read of the expression, and what is left.
struct Reader<'p> {
    rest: &'p [u8],
    out: String,
    ascii_only: bool,
    unbounded: u32,
    choices: u64,
}

/// What a quantifier may stand behind.
#[derive(Clone, Copy, PartialEq)]
enum Atom {
    /// One byte, or a group of fixed length without choices.
    Fixed,
    /// A group with choices: repeated, PCRE could try exponentially many ways through it.
    Choices,
    /// Nothing: a quantifier here is an error, or possessive.
    None,
}

impl Expression {
    /// Translates `pattern`; `None` when it is not in the common language.
    pub fn translate(pattern: &[u8]) -> Option<Self> {
        if pattern.len() > LONGEST {
            return None;
        }
        let anchored = pattern.first() == Some(&b'^');
        let mut reader = Reader {
            rest: pattern.strip_prefix(b"^").unwrap_or(pattern),
            out: String::from(if anchored { "^" } else { "" }),
            ascii_only: false,
            unbounded: 0,
            choices: pattern.len() as u64 + 1,
        };
        let alternatives = reader.alternatives(0)?;
        // `$` also matches before a line feed at the very end. As the last item it is the end of the match.
        if reader.rest == b"$" {
            reader.out.push_str(r"(?:\n?\z)");
            reader.rest = &[];
        }
        // `^` belongs to the first alternative alone.
        let anchored = anchored && alternatives == 1;
        if !reader.rest.is_empty() {
            return None;
        }
        let regex = RegexBuilder::new(&reader.out)
            .unicode(false)
            .size_limit(1 << 16)
            .build()
            .ok()?;
        let Reader {
            ascii_only,
            unbounded,
            choices,
            ..
        } = reader;
        Some(Expression {
            regex,
            ascii_only,
            anchored,
            unbounded,
            choices,
        })
    }

    /// Whether PCRE needs fewer steps than its limit for every text of `length` bytes.
    pub fn surely_within_limit(&self, length: usize) -> bool {
        let starts = self.unbounded + u32::from(!self.anchored);
        let ways = (length as u64 + 1).saturating_pow(starts);
        ways.saturating_mul(self.choices) <= STEPS
    }

    /// Whether `text` has a match; `None` when only the twin can tell.
    pub fn is_match(&self, text: &[u8]) -> Option<bool> {
        let known = self.surely_within_limit(text.len()) && (!self.ascii_only || text.is_ascii());
        known.then(|| self.regex.is_match(text))
    }
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn eat(&mut self, expected: u8) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.next();
        }
        found
    }

    fn literal(&mut self, byte: u8) {
        self.out.push_str(&format!("\\x{byte:02x}"));
    }

    /// Alternatives up to the end of the group or of the expression; how many there are.
    fn alternatives(&mut self, depth: u32) -> Option<u64> {
        let mut count = 1;
        loop {
            let mut last = Atom::None;
            let mut any = false;
            while let Some(byte) = self.peek() {
                match byte {
                    b'|' | b')' | b'$' => break,
                    b'*' | b'+' | b'?' | b'{' => last = self.quantifier(last)?,
                    _ => last = self.item(depth)?,
                }
                any = true;
            }
            if !any {
                return None;
            }
            if !self.eat(b'|') {
                break;
            }
            self.out.push('|');
            count += 1;
        }
        self.choices = self.choices.saturating_mul(count);
        Some(count)
    }

    fn item(&mut self, depth: u32) -> Option<Atom> {
        match self.next()? {
            b'.' => self.out.push('.'),
            b'[' => self.class()?,
            b'(' => return self.group(depth),
            b'\\' => self.escape()?,
            b'^' | b']' | b'}' => return None,
            byte if byte.is_ascii_graphic() || byte == b' ' => self.literal(byte),
            _ => return None,
        }
        Some(Atom::Fixed)
    }

    fn group(&mut self, depth: u32) -> Option<Atom> {
        if depth == 8 || self.rest.starts_with(b"*") {
            return None;
        }
        if self.eat(b'?') && !self.eat(b':') {
            return None;
        }
        let before = (self.unbounded, self.choices);
        self.out.push_str("(?:");
        self.alternatives(depth + 1)?;
        self.out.push(')');
        if !self.eat(b')') {
            return None;
        }
        let plain = before == (self.unbounded, self.choices);
        Some(if plain { Atom::Fixed } else { Atom::Choices })
    }

    /// A backslash and what follows, inside a class or outside.
    fn escape(&mut self) -> Option<()> {
        let byte = self.next()?;
        match byte {
            b'd' => self.out.push_str(r"\d"),
            b'w' | b's' | b'W' | b'S' | b'D' => {
                self.ascii_only = true;
                self.out.push('\\');
                self.out.push(char::from(byte));
            }
            punctuation if punctuation.is_ascii_punctuation() => self.literal(punctuation),
            _ => return None,
        }
        Some(())
    }

    fn class(&mut self) -> Option<()> {
        self.out.push('[');
        if self.eat(b'^') {
            self.out.push('^');
        }
        let mut empty = true;
        loop {
            match self.next()? {
                b']' if !empty => break,
                b'\\' => self.escape()?,
                byte if byte.is_ascii_alphanumeric() => self.range(byte)?,
                byte if b"_.:/@# ,;=!%".contains(&byte) => self.literal(byte),
                b'-' if self.peek() == Some(b']') => self.literal(b'-'),
                _ => return None,
            }
            empty = false;
        }
        self.out.push(']');
        Some(())
    }

    /// One letter or digit of a class, or a range between two of a kind.
    fn range(&mut self, from: u8) -> Option<()> {
        self.literal(from);
        if self.rest.starts_with(b"-") && !self.rest.starts_with(b"-]") {
            self.next();
            let to = self.next()?;
            let alike = |kind: fn(&u8) -> bool| kind(&from) && kind(&to);
            let kinds = [
                u8::is_ascii_digit,
                u8::is_ascii_lowercase,
                u8::is_ascii_uppercase,
            ];
            if from > to || !kinds.into_iter().any(alike) {
                return None;
            }
            self.out.push('-');
            self.literal(to);
        }
        Some(())
    }

    fn quantifier(&mut self, atom: Atom) -> Option<Atom> {
        let (low, high) = match self.next()? {
            b'*' => (0, None),
            b'+' => (1, None),
            b'?' => (0, Some(1)),
            _ => self.bounds()?,
        };
        // A group with choices may be optional, not repeated.
        let allowed = atom == Atom::Fixed || (atom == Atom::Choices && high == Some(1));
        if !allowed || high.is_some_and(|high| high < low) {
            return None;
        }
        match high {
            None => {
                self.unbounded += 1;
                self.out.push_str(&format!("{{{low},}}"));
            }
            Some(high) => {
                self.choices = self.choices.saturating_mul(u64::from(high.max(1)) + 1);
                self.out.push_str(&format!("{{{low},{high}}}"));
            }
        }
        // Whether a repetition is lazy says which match is found, not whether there is one.
        self.eat(b'?');
        Some(Atom::None)
    }

    /// The bounds of `{n}`, `{n,}` or `{n,m}`.
    fn bounds(&mut self) -> Option<(u32, Option<u32>)> {
        let low = self.number()?;
        if self.eat(b'}') {
            return Some((low, Some(low)));
        }
        if !self.eat(b',') {
            return None;
        }
        if self.eat(b'}') {
            return Some((low, None));
        }
        let high = self.number()?;
        self.eat(b'}').then_some((low, Some(high)))
    }

    /// One or two digits.
    fn number(&mut self) -> Option<u32> {
        let digits = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if !(1..=2).contains(&digits) {
            return None;
        }
        let (number, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        str::from_utf8(number).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translates_the_usual_and_leaves_the_rest() {
        for usual in [
            "^order-[0-9]+$",
            "user_?\\d{3,5}",
            "a|b|c",
            "^(?:x|y)z.*$",
            "[^a-f]+\\.json$",
        ] {
            assert!(Expression::translate(usual.as_bytes()).is_some(), "{usual}");
        }
        for rest in [
            "(a+)+$",
            "(?=a)",
            "(a)\\1",
            "a++",
            "[[:alpha:]]",
            "(?i)a",
            "a^b",
            "a$b",
            "",
            "(a|ab)*c",
        ] {
            assert!(Expression::translate(rest.as_bytes()).is_none(), "{rest}");
        }
    }

    #[test]
    fn the_dollar_sees_a_last_line_feed() {
        let expression = Expression::translate(b"^a.c$").unwrap();
        for (text, expected) in [
            ("abc", true),
            ("abc\n", true),
            ("abc\n\n", false),
            ("a\nc", false),
        ] {
            assert_eq!(
                expression.is_match(text.as_bytes()),
                Some(expected),
                "{text:?}"
            );
        }
    }
}
