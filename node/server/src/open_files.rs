//! The limit on open files, of which a store takes four and a connection one.

use anyhow::{Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Where the kernel's own limit is unless it was changed.
const MOST: u64 = 1 << 20;
/// Files for each store: four that stay open (lock, database, segment, end), and one for what comes
/// and goes.
const EACH: u64 = 5;
/// Files for everything but stores and their connections.
const OTHERS: u64 = 100;

/// Raises the limit as far as the system allows, and answers how many stores there may be: a quarter
/// of the files is left for connections.
pub(crate) fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(MOST).min(MOST);
    if limit.current.is_some_and(|current| current < most) {
        let raised = Rlimit {
            current: Some(most),
            ..limit
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit on open files could not be raised to {most}");
        }
    }
    let current = getrlimit(Resource::Nofile).current.unwrap_or(MOST);
    allowed(current)
}

/// How many stores there may be with so many files.
fn allowed(files: u64) -> usize {
    let stores = (files / 4 * 3).saturating_sub(OTHERS) / EACH;
    usize::try_from(stores).unwrap_or(usize::MAX).max(1)
}

/// The fewest files that allow so many stores, or a few more.
fn needed(stores: usize) -> u64 {
    (stores as u64 * EACH + OTHERS).div_ceil(3) * 4
}

/// Refuses to open more stores than there may be.
pub(crate) fn check(stores: usize, most: usize) -> Result<()> {
    if stores > most {
        let files = needed(stores);
        bail!(
            "there are {stores} stores, and the limit on open files allows {most}; raise it to {files} \
             or more (ulimit -n, or LimitNOFILE in a systemd unit)"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_is_advised_allows_the_stores() {
        for stores in [1, 100, 1_000, 10_000] {
            assert!(allowed(needed(stores)) >= stores, "{stores}");
        }
    }
}
