//! Floats of the old format: 31 bytes of text.

/// The number that `text`, up to its first zero byte, spells: digits, a point, digits, perhaps an
/// exponent. `None` for anything else, and for a number that is not finite.
pub(crate) fn parse_text(text: &[u8]) -> Option<f64> {
    let end = text.iter().position(|byte| *byte == 0)?;
    let text = std::str::from_utf8(text.get(..end)?).ok()?;
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = unsigned(mantissa).split_once('.')?;
    let spelled = digits(whole) && digits(fraction) && exponent.is_none_or(|e| digits(unsigned(e)));
    text.parse().ok().filter(|f: &f64| spelled && f.is_finite())
}

fn unsigned(number: &str) -> &str {
    number.strip_prefix(['+', '-']).unwrap_or(number)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
