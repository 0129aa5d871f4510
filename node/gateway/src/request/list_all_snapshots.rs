//! `{list_all_snapshots, Store}`: what snapshots there are, the one recorded last first. Reply:
//! `{ok, [#{stream_id, version, metadata, timestamp}]}`, as reckon_db's store inspector answers.

use super::{Effort, Work, list_snapshots};
use crate::record::MAX_REPLY;
use crate::refusal::Refusal;
use esdb_etf::put;
use std::cmp::Reverse;

/// Lists all snapshots without their data.
pub(super) fn work() -> Result<Work, Refusal> {
    Work::read(Effort::Long, |view, _, out| {
        let (mut summaries, mut bytes) = (Vec::new(), 0);
        list_snapshots::each(view, &[], |snapshot| {
            let mut summary = Vec::new();
            snapshot.put_summary(&mut summary);
            bytes += summary.len();
            summaries.push((Reverse(snapshot.epoch_us), summary));
            bytes <= MAX_REPLY
        })?;
        summaries.sort_by_key(|(recorded, _)| *recorded);
        put::tuple(out, 2);
        put::atom(out, "ok");
        if !summaries.is_empty() {
            put::list(out, summaries.len());
        }
        for (_, summary) in &summaries {
            out.extend_from_slice(summary);
        }
        put::nil(out);
        Ok(())
    })
}
