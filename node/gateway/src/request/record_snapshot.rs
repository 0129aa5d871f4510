//! `{record_snapshot, Store, Source, Stream, Version, Snapshot}`: keeps any term as the snapshot of
//! the stream at that version, in place of one that is there. Reply, if it was a call: `ok`.

use super::{Work, non_negative, stream};
use crate::refusal::Refusal;
use crate::snapshot;
use esdb_etf::{Term, put};
use esdb_store::{RecordOp, Space, command};

/// Keeps the snapshot, which may have `most` bytes.
pub(super) fn work(
    source: Term<'_>,
    name: Term<'_>,
    version: Term<'_>,
    given: Term<'_>,
    most: usize,
) -> Result<Work, Refusal> {
    let key = snapshot::key(stream(name)?, non_negative("version", version)?);
    let value = snapshot::value(snapshot::source(source)?, given, most)?;
    let mut change = Vec::with_capacity(key.len() + value.len() + 32);
    let operation = RecordOp::Put {
        space: Space::SNAPSHOTS,
        key: &key,
        value: &value,
    };
    command::records(&mut change, &[operation]);
    Ok(Work::Write {
        command: change,
        answer: Box::new(|_, out| put::atom(out, "ok")),
    })
}
