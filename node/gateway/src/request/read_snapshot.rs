//! `{read_snapshot, Store, Source, Stream, Version | latest}`: the snapshot at exactly that version,
//! or the one with the greatest, whatever its source; what 0 means depends on the generation.
//! Reply: `{ok, #{stream_id, version, data, metadata, timestamp}}` or `{error, not_found}`.

use super::{Effort, Rules, Work, non_negative, stream};
use crate::refusal::{self, Refusal};
use crate::snapshot::{self, Snapshot};
use esdb_etf::{Term, put};
use esdb_store::{Direction, Record, Space, StoreError, View};
use std::ops::Bound::Unbounded;

/// Which snapshot of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SnapshotVersion {
    /// The one at this version.
    At(u64),
    /// The one with the greatest version.
    Latest,
    /// The one at this version, or else the one with the greatest.
    AtOrLatest(u64),
}

/// Reads one snapshot.
pub(super) fn work(
    source: Term<'_>,
    name: Term<'_>,
    version: Term<'_>,
    rules: Rules,
) -> Result<Work, Refusal> {
    snapshot::source(source)?;
    let name = stream(name)?.to_vec();
    let wanted = match version.is_atom("latest") {
        true => SnapshotVersion::Latest,
        false => rules.generation.snapshot(non_negative("version", version)?),
    };
    Work::read(Effort::Short, move |view, arity, out| {
        match find(view, &name, wanted)? {
            Some((key, record)) => {
                put::tuple(out, 2);
                put::atom(out, "ok");
                let snapshot = Snapshot::open(&key, &record)?;
                snapshot.put_as(rules.options.records.then_some(arity), out);
            }
            None => refusal::not_found(out),
        }
        Ok(())
    })
}

fn find(
    view: &View,
    stream: &[u8],
    wanted: SnapshotVersion,
) -> Result<Option<(Vec<u8>, Record)>, StoreError> {
    if let SnapshotVersion::At(version) | SnapshotVersion::AtOrLatest(version) = wanted {
        let key = snapshot::key(stream, version);
        let record = view.record(Space::SNAPSHOTS, &key)?;
        if record.is_some() || wanted == SnapshotVersion::At(version) {
            return Ok(record.map(|record| (key, record)));
        }
    }
    let mut last = None;
    let prefix = snapshot::prefix(stream);
    let mut visit = |key: &[u8], record: &Record| {
        last = Some((key.to_vec(), record.clone()));
        false
    };
    let space = Space::SNAPSHOTS;
    view.records(space, &prefix, Unbounded, Direction::Backward, &mut visit)?;
    Ok(last)
}
