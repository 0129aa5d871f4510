//! `{list_snapshots, Store, Source | any, Stream | any}`: the snapshots of a stream, by version, of
//! whatever source; or, of no stream in particular, those of that source, by stream and version.
//! Reply: `{ok, [#{stream_id, version, data, metadata, timestamp}]}`.

use super::{Effort, Work, stream};
use crate::record::MAX_REPLY;
use crate::refusal::Refusal;
use crate::snapshot::{self, Snapshot};
use esdb_etf::{Term, put};
use esdb_store::{Direction, Record, Space, StoreError, View};
use std::ops::Bound::Unbounded;

/// Lists snapshots, as records or as maps.
pub(super) fn work(source: Term<'_>, name: Term<'_>, records: bool) -> Result<Work, Refusal> {
    let source = match source.is_atom("any") {
        true => None,
        false => Some(snapshot::source(source)?.to_vec()),
    };
    let (prefix, source) = match name.is_atom("any") {
        true => (Vec::new(), source),
        false => (snapshot::prefix(stream(name)?), None),
    };
    Work::read(Effort::Long, move |view, arity, out| {
        let is_wanted = |snapshot: &Snapshot<'_>| {
            source
                .as_ref()
                .is_none_or(|source| snapshot.source == source)
        };
        let mut list = Vec::new();
        let mut count = 0;
        each(view, &prefix, |snapshot| {
            if is_wanted(&snapshot) {
                snapshot.put_as(records.then_some(arity), &mut list);
                count += 1;
            }
            list.len() <= MAX_REPLY
        })?;
        put::tuple(out, 2);
        put::atom(out, "ok");
        if count > 0 {
            put::list(out, count);
        }
        out.append(&mut list);
        put::nil(out);
        Ok(())
    })
}

/// Visits the snapshots under keys that begin with `prefix`, in order, until `visit` answers false.
pub(super) fn each(
    view: &View,
    prefix: &[u8],
    mut visit: impl FnMut(Snapshot<'_>) -> bool,
) -> Result<(), StoreError> {
    let mut failed = None;
    let mut open = |key: &[u8], record: &Record| match Snapshot::open(key, record) {
        Ok(snapshot) => visit(snapshot),
        Err(error) => {
            failed = Some(error);
            false
        }
    };
    let space = Space::SNAPSHOTS;
    view.records(space, prefix, Unbounded, Direction::Forward, &mut open)?;
    failed.map_or(Ok(()), Err)
}
