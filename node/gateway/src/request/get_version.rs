//! `{get_version, Store, Stream}`. Reply: the bare version of the last event, -1 for no stream.

use super::{Work, stream};
use crate::refusal::Refusal;
use esdb_etf::{Term, put};

/// Looks the version up.
pub(super) fn work(name: Term<'_>) -> Result<Work, Refusal> {
    let name = stream(name)?.to_vec();
    Work::look_up(move |view, out| {
        match view.version(&name)? {
            Some(version) => put::unsigned(out, version),
            None => put::integer(out, -1),
        }
        Ok(())
    })
}
