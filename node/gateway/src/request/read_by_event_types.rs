//! `{read_by_event_types, Store, [Type], Limit}`: events of any of the types, of all types if none is
//! named, in the order of their commit. Reply: `{ok, [#event{}]}`.

use super::{Effort, Work, count, name, names};
use crate::record;
use crate::refusal::Refusal;
use esdb_etf::{Term, put};

/// Reads at most `limit` events.
pub(super) fn work(types: Term<'_>, limit: Term<'_>) -> Result<Work, Refusal> {
    let types = event_types(types)?;
    let limit = count("batch size", limit)?;
    Work::read(Effort::of(limit), move |view, arity, out| {
        let types: Vec<&[u8]> = types.iter().map(Vec::as_slice).collect();
        record::events(out, arity, |visit| view.read_by_types(&types, limit, visit))?;
        Ok(())
    })
}

/// Types as the terms they are stored as: binaries, or atoms in their one stored form.
fn event_types(term: Term<'_>) -> Result<Vec<Vec<u8>>, Refusal> {
    names("event types", term)?
        .map(|event_type| match event_type.as_atom() {
            Some(atom) => {
                let mut canonical = Vec::new();
                put::atom(&mut canonical, &atom.text());
                Ok(canonical)
            }
            None => name("event type", event_type).map(|_| event_type.as_bytes().to_vec()),
        })
        .collect()
}
