//! Expected versions, as clients of all generations write them.

use crate::generation::Generation;
use crate::refusal::Refusal;
use crate::store_options::StoreOptions;
use esdb_etf::Term;
use esdb_store::Expected;

const ARGUMENT: &str = "expected version";

/// Reads an expected version: an atom (`any`, `no_stream`, `stream_exists`), a version, or -1 (no
/// stream), -2 (any), -4 (stream exists). Source: reckon_db 1.7.5.
///
/// # Errors
/// [`Refusal`] for anything else.
pub(crate) fn parse(
    term: Term<'_>,
    generation: Generation,
    options: StoreOptions,
) -> Result<Expected, Refusal> {
    if let Some(atom) = term.as_atom() {
        return match &*atom.text() {
            "any" => Ok(Expected::Any),
            "no_stream" => Ok(Expected::NoStream),
            "stream_exists" => Ok(Expected::Exists),
            other => Err(unknown(&format!("the atom {other}"))),
        };
    }
    match term.as_i64() {
        Some(-1) => Ok(Expected::NoStream),
        Some(-2) => Ok(Expected::Any),
        Some(-4) => Ok(Expected::Exists),
        Some(n) => u64::try_from(n)
            .map(|n| options.exactly(generation, n))
            .map_err(|_| unknown(&format!("the integer {n}"))),
        None => Err(unknown(&format!("{:?}", term.kind()))),
    }
}

fn unknown(what: &str) -> Refusal {
    Refusal::argument(
        ARGUMENT,
        format!(
            "{what} is none; give a version (0 and above), -1 or no_stream, -2 or any, -4 or \
             stream_exists"
        ),
    )
}
