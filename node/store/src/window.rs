//! A stream's retry window: a hash of what a retry would repeat, for each of its last events.
//!
//! A hash that is here leads to the event itself, which decides. So what the window holds, and
//! whether it was read back after a restart, changes no outcome.

/// Events of a stream among which an append is recognized as a retry.
pub(crate) const WINDOW: u64 = 1_000;
const FILTER_WORDS: usize = 256;
/// Below this many events looking at all of them is as cheap as a filter.
const FILTER_FROM: usize = 32;

/// The window of one stream.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// The hash of version v at v modulo [`WINDOW`]; 0 for an event the client did not name.
    hashes: Vec<u64>,
    /// First version after the window.
    end: u64,
    /// One bit for each hash added since the filter was last made: most hashes that are not here
    /// are known not to be. Empty while the window is small.
    filter: Vec<u64>,
    added: usize,
}

impl Window {
    /// The window of a stream whose last versions, up to `end`, have these hashes: [`WINDOW`] of
    /// them, or all.
    pub fn new(end: u64, hashes: Vec<u64>) -> Self {
        let mut window = Self {
            end: end.saturating_sub(hashes.len() as u64),
            ..Self::default()
        };
        if window.end > 0 {
            window.hashes = vec![0; WINDOW as usize];
        }
        hashes.into_iter().for_each(|hash| window.push(hash));
        window
    }

    /// Adds the hash of the next version.
    pub fn push(&mut self, hash: u64) {
        match self.hashes.get_mut((self.end % WINDOW) as usize) {
            Some(slot) => *slot = hash,
            None => self.hashes.push(hash),
        }
        self.end += 1;
        self.added += 1;
        if self.hashes.len() > FILTER_FROM
            && (self.filter.is_empty() || self.added > 2 * WINDOW as usize)
        {
            self.filter = vec![0; FILTER_WORDS];
            self.added = 0;
            for at in 0..self.hashes.len() {
                self.mark(self.hashes.get(at).copied().unwrap_or(0));
            }
        } else {
            self.mark(hash);
        }
    }

    fn mark(&mut self, hash: u64) {
        if let Some(word) = self.filter.get_mut(word_of(hash)) {
            *word |= 1 << (hash % 64);
        }
    }

    /// The versions with this hash, latest first.
    pub fn find(&self, hash: u64) -> Vec<u64> {
        let marked = self
            .filter
            .get(word_of(hash))
            .is_none_or(|word| word & 1 << (hash % 64) != 0);
        if hash == 0 || !marked {
            return Vec::new();
        }
        let start = self.end.saturating_sub(self.hashes.len() as u64);
        let found = (start..self.end)
            .rev()
            .filter(|version| self.at(*version) == hash);
        match self.hashes.contains(&hash) {
            true => found.collect(),
            false => Vec::new(),
        }
    }

    /// The hash of this version; 0 if it is not in the window.
    pub fn at(&self, version: u64) -> u64 {
        let inside = version < self.end && self.end - version <= self.hashes.len() as u64;
        let hash = self.hashes.get((version % WINDOW) as usize).copied();
        hash.filter(|_| inside).unwrap_or(0)
    }

    /// Memory taken.
    pub fn bytes(&self) -> usize {
        8 * (self.hashes.capacity() + self.filter.capacity())
    }
}

fn word_of(hash: u64) -> usize {
    (hash >> 32) as usize % FILTER_WORDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(version: u64) -> u64 {
        (version + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn the_last_thousand_are_found_and_no_others() {
        let mut window = Window::default();
        for version in 0..5_000u64 {
            window.push(hash(version));
        }
        for version in 0..5_000u64 {
            let found = window.find(hash(version));
            let expected = if version < 4_000 {
                vec![]
            } else {
                vec![version]
            };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_window_read_back_equals_one_that_grew() {
        for end in [1, 31, 33, 999, 1_000, 1_001, 2_500u64] {
            let mut grown = Window::default();
            (0..end).for_each(|version| grown.push(version % 7 + 1));
            let start = end.saturating_sub(WINDOW);
            let read = Window::new(end, (start..end).map(|version| version % 7 + 1).collect());
            for hash in 0..9 {
                assert_eq!(grown.find(hash), read.find(hash), "end {end}, hash {hash}");
            }
        }
    }
}
