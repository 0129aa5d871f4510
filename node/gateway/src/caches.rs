//! One budget for the caches of all stores: half of it for pages of their databases, half for what
//! appends look up, retry windows and stream heads. docs/internals/decisions.md has the figures.

/// A database's page cache: below the least, checkpoints suffer.
const LEAST_PAGES: usize = 64 << 10;

/// Bytes of pages that each of `stores` may keep. Changes with their number, but for what the database
/// itself was opened with, at most 1 MiB.
pub fn pages(budget: usize, stores: usize) -> usize {
    (budget / 2 / stores.max(1)).max(LEAST_PAGES)
}

/// Bytes for what appends look up, of each of `stores`. Changes with their number.
pub(crate) fn windows(budget: usize, stores: usize) -> usize {
    budget / 2 / stores.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_budget_is_given_away() {
        for stores in [1, 2, 16, 100, 512] {
            let given = stores * (pages(64 << 20, stores) + windows(64 << 20, stores));
            assert!(given <= 64 << 20, "{given} to {stores}");
        }
        // With the least for each.
        assert_eq!(1_000 * pages(64 << 20, 1_000), 1_000 * (64 << 10));
    }
}
