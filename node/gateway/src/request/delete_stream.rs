//! `{delete_stream, Store, Stream}`: the stream and its events are gone; the next append begins a
//! new one at version 0. Reply: `ok`, also if there was none, as reckon_db answers.

use super::{Work, stream};
use crate::refusal::Refusal;
use esdb_etf::{Term, put};
use esdb_store::command;

/// Deletes the stream.
pub(super) fn work(name: Term<'_>) -> Result<Work, Refusal> {
    let mut deletion = Vec::new();
    command::delete(&mut deletion, stream(name)?);
    Ok(Work::Write {
        command: deletion,
        answer: Box::new(|_, out| put::atom(out, "ok")),
    })
}
