//! The format of stream ids that reckon_gater 2.2 documents, for stores that ask for it: a prefix of 1 to
//! 32 small letters, a hyphen, 32 hexadecimal digits; or `$namespace:name`.

use crate::new_event::MAX_NAME;
use crate::refusal::Refusal;
use esdb_etf::Term;

/// Checks the stream id `term`. What is too long to be repeated in an error is left to the check that
/// every name undergoes.
///
/// # Errors
/// [`Refusal::InvalidStreamId`].
pub(crate) fn check(term: Term<'_>) -> Result<(), Refusal> {
    let why = match term.as_binary() {
        _ if term.as_bytes().len() > MAX_NAME => return Ok(()),
        None => "not_binary",
        Some([]) => "empty",
        Some(id @ [b'$', ..]) if !is_system(id) => "malformed_system_id",
        Some([b'$', ..]) => return Ok(()),
        Some(id) if !is_user(id) => "malformed_user_id",
        Some(_) => return Ok(()),
    };
    Err(Refusal::InvalidStreamId {
        why,
        id: term.as_bytes().to_vec(),
    })
}

fn is_system(id: &[u8]) -> bool {
    let mut parts = id
        .get(1..)
        .unwrap_or_default()
        .splitn(2, |byte| *byte == b':');
    parts.next().is_some_and(|namespace| !namespace.is_empty())
        && parts.next().is_some_and(|name| !name.is_empty())
}

fn is_user(id: &[u8]) -> bool {
    let mut parts = id.splitn(2, |byte| *byte == b'-');
    let prefix = parts.next().unwrap_or_default();
    let digits = parts.next().unwrap_or_default();
    (1..=32).contains(&prefix.len())
        && prefix.iter().all(u8::is_ascii_lowercase)
        && digits.len() == 32
        && digits
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
