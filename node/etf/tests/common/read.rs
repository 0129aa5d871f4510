//! All that can be asked of bytes that may be a term. Tests with recorded and mutated bytes and the
//! fuzz target hold it.

use super::rebuild;
use allocation_counter::measure;
use esdb_etf::{Error, Term};

/// What the check of keys needs at most for what is nested, whatever the size of the term.
const WORKSPACE: u64 = 1 << 20;

/// Whether `bytes` are a term without repeated keys. All ways to read them agree; memory stays
/// within four times their number; and the term written anew is the same term.
pub fn read(bytes: &[u8]) -> Result<(), Error> {
    let mut parsed = Ok(());
    let used = measure(|| parsed = Term::parse(bytes).map(drop));
    assert_eq!(used.count_total, 0, "parsing allocates");
    let listed = Term::parse_list(bytes, |_| {});
    assert_eq!(listed.is_ok(), parsed.is_ok(), "{bytes:?}");
    parsed?;
    let term = Term::parse(bytes)?;

    let mut keys = Ok(());
    let used = measure(|| keys = term.check_keys());
    let most = 4 * bytes.len() as u64 + WORKSPACE.min(64 * bytes.len() as u64);
    assert!(
        used.bytes_max <= most,
        "{} bytes for {bytes:?}",
        used.bytes_max
    );

    let mut again = Vec::new();
    rebuild(term, &mut again);
    let rebuilt = Term::parse(&again).expect("what is written is a term");
    match (keys, rebuilt.check_keys()) {
        (Ok(()), again) => assert_eq!(again, Ok(()), "{bytes:?}"),
        (Err(_), again) => assert!(again.is_err(), "{bytes:?}"),
    }
    if keys.is_ok() {
        one_spelling(term, rebuilt);
    }
    let mut third = Vec::new();
    rebuild(rebuilt, &mut third);
    assert_eq!(third, again, "{bytes:?}");
    keys
}

/// Two spellings of one term have one canonical spelling and one hash.
fn one_spelling(one: Term<'_>, other: Term<'_>) {
    let len = one.as_bytes().len() as u64;
    let mut canonical = None;
    let used = measure(|| canonical = one.canonical(usize::MAX));
    assert!(
        used.bytes_max <= 64 * len + 64,
        "{} of {len} bytes",
        used.bytes_max
    );
    assert_eq!(canonical, other.canonical(usize::MAX), "{one:?}");
    assert_eq!(one.phash2(), other.phash2(), "{one:?}");
    let canonical = canonical.expect("any number of bytes");
    assert_eq!(one.canonical(canonical.len()).as_ref(), Some(&canonical));
    assert_eq!(one.canonical(canonical.len() - 1), None);
}
