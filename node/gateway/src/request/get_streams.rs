//! `{get_streams, Store}`. Reply: `{ok, [Stream]}`, sorted.

use super::{Effort, Work};
use crate::refusal::Refusal;
use esdb_etf::put;

/// Lists the names of all streams that exist.
pub(super) fn work() -> Result<Work, Refusal> {
    Work::read(Effort::Long, |view, _, out| {
        let streams = view.streams()?;
        put::tuple(out, 2);
        put::atom(out, "ok");
        if !streams.is_empty() {
            put::list(out, streams.len());
        }
        for stream in &streams {
            put::binary(out, stream);
        }
        put::nil(out);
        Ok(())
    })
}
