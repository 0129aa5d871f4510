//! `{has_events, Store}`. Reply: the bare atom `true` or `false`.

use super::Work;
use crate::refusal::Refusal;
use esdb_etf::put;

/// Looks whether any event exists.
pub(super) fn work() -> Result<Work, Refusal> {
    Work::look_up(|view, out| {
        put::atom(out, if view.has_events()? { "true" } else { "false" });
        Ok(())
    })
}
