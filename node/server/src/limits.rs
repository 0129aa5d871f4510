//! The limits of what clients and other nodes may use up.

use crate::cli::LimitOptions;
use anyhow::{Result, bail};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Each limit that can be configured.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) event_bytes: usize,
    pub(crate) node: esdb_dist::Limits,
}

impl Limits {
    /// Of each limit what `first` says, else what `second` says, else the default.
    ///
    /// # Errors
    /// What is out of range, with the range.
    pub(crate) fn new(first: LimitOptions, second: LimitOptions) -> Result<Self> {
        let default = esdb_dist::Limits::default();
        let mib = |name, a: Option<usize>, b, default| {
            Ok::<_, anyhow::Error>(within(name, a.or(b), default, 1..=1024, "MiB")? << 20)
        };
        let event_bytes = mib(
            "max_event_mib",
            first.max_event_mib,
            second.max_event_mib,
            64,
        )?;
        let frame_bytes = mib(
            "max_frame_mib",
            first.max_frame_mib,
            second.max_frame_mib,
            default.frame_bytes >> 20,
        )?;
        if frame_bytes <= event_bytes {
            bail!(
                "max_frame_mib = {}: a frame holds an event and more; give more than \
                 max_event_mib, which is {}",
                frame_bytes >> 20,
                event_bytes >> 20
            );
        }
        let count = |name, a: Option<usize>, b, default, least| {
            within(name, a.or(b), default, least..=1_000_000, "")
        };
        let node = esdb_dist::Limits {
            frame_bytes,
            queued_frames: count(
                "max_queued_frames",
                first.max_queued_frames,
                second.max_queued_frames,
                default.queued_frames,
                100,
            )?,
            queued_bytes: mib(
                "max_queued_mib",
                first.max_queued_mib,
                second.max_queued_mib,
                default.queued_bytes >> 20,
            )?,
            connections: count(
                "max_connections",
                first.max_connections,
                second.max_connections,
                default.connections,
                1,
            )?,
            handshakes: count(
                "max_handshakes",
                first.max_handshakes,
                second.max_handshakes,
                default.handshakes,
                1,
            )?,
            handshake: Duration::from_secs(within(
                "handshake_seconds",
                first.handshake_seconds.or(second.handshake_seconds),
                default.handshake.as_secs() as usize,
                1..=3600,
                "seconds",
            )? as u64),
            ..default
        };
        Ok(Limits { event_bytes, node })
    }
}

fn within(
    name: &str,
    given: Option<usize>,
    default: usize,
    range: RangeInclusive<usize>,
    unit: &str,
) -> Result<usize> {
    match given.unwrap_or(default) {
        n if range.contains(&n) => Ok(n),
        n => bail!(
            "{name} = {n}: give {} to {} {unit}",
            range.start(),
            range.end()
        ),
    }
}
