//! `{delete_snapshot, Store, Source, Stream, Version}`: the snapshot at exactly that version is
//! gone, whatever its source. Reply, if it was a call: `ok`, also if there was none.

use super::{Work, non_negative, stream};
use crate::refusal::Refusal;
use crate::snapshot;
use esdb_etf::{Term, put};
use esdb_store::{RecordOp, Space, command};

/// Deletes the snapshot.
pub(super) fn work(source: Term<'_>, name: Term<'_>, version: Term<'_>) -> Result<Work, Refusal> {
    snapshot::source(source)?;
    let key = snapshot::key(stream(name)?, non_negative("version", version)?);
    let mut change = Vec::new();
    let operation = RecordOp::Delete {
        space: Space::SNAPSHOTS,
        key: &key,
    };
    command::records(&mut change, &[operation]);
    Ok(Work::Write {
        command: change,
        answer: Box::new(|_, out| put::atom(out, "ok")),
    })
}
