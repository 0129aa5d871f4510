//! The name of a subscription.

use esdb_etf::{Term, put};

/// The id that every published server gives a subscription: `erlang:phash2({Type, Selector,
/// Name})` in decimal digits. All three as the client sent them: `stream` and `by_stream` are
/// different types here.
pub fn subscription_id(kind: Term<'_>, selector: Term<'_>, name: Term<'_>) -> String {
    let mut triple = Vec::new();
    put::tuple(&mut triple, 3);
    for part in [kind, selector, name] {
        triple.extend_from_slice(part.as_bytes());
    }
    // Three terms behind the head of a tuple of three are a term.
    Term::parse(&triple).map_or_else(|_| String::new(), |term| term.phash2().to_string())
}
