//! The pages that lead to events' pages, kept in memory: about four bytes an event, so that those of
//! many millions of events fit, and finding one takes a single read.

use crate::pages::page::Branch;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A page and its checksum, which it has.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: Box<[u8]>,
    checksum: u128,
}

impl Kept {
    /// `None` if the page is not the one of this checksum.
    pub fn new(bytes: Box<[u8]>, checksum: u128) -> Option<Self> {
        let covered = Branch::parse(&bytes, Some(8))?.covered()?;
        let found = twox_hash::XxHash3_128::oneshot(covered);
        (found == checksum).then_some(Self { bytes, checksum })
    }

    /// What it says.
    pub fn branch(&self) -> Option<Branch<'_>> {
        Branch::parse(&self.bytes, Some(8))
    }
}

/// Pages by their number. A number comes again with another content once nobody needs the old one, so
/// the checksum decides.
#[derive(Debug)]
pub(super) struct Branches {
    /// Bytes of each generation.
    room: AtomicUsize,
    generations: RwLock<[Generation; 2]>,
}

/// What was used since the generation began; the one before is forgotten as a whole.
#[derive(Debug, Default)]
struct Generation {
    pages: HashMap<u64, Arc<Kept>>,
    bytes: usize,
}

impl Branches {
    /// With room for so many bytes.
    pub fn new(bytes: usize) -> Self {
        let room = AtomicUsize::new(bytes / 2);
        let generations = RwLock::default();
        Self { room, generations }
    }

    /// From now on with room for so many bytes.
    pub fn set_room(&self, bytes: usize) {
        self.room.store(bytes / 2, Relaxed);
        let mut generations = self.generations.write();
        let generations = generations.iter_mut();
        generations
            .filter(|one| one.bytes > bytes / 2)
            .for_each(|one| *one = Generation::default());
    }

    /// The page, if it is kept.
    pub fn get(&self, number: u64, checksum: u128) -> Option<Arc<Kept>> {
        let generations = self.generations.read();
        let [young, old] = &*generations;
        if let Some(kept) = young.pages.get(&number) {
            return (kept.checksum == checksum).then(|| kept.clone());
        }
        let kept = old.pages.get(&number).cloned()?;
        drop(generations);
        let fits = kept.checksum == checksum;
        fits.then(|| {
            self.keep(number, kept.clone());
            kept
        })
    }

    /// Keeps a page.
    pub fn keep(&self, number: u64, kept: Arc<Kept>) {
        let bytes = kept.bytes.len();
        let room = self.room.load(Relaxed);
        if bytes > room {
            return;
        }
        let mut generations = self.generations.write();
        let [young, old] = &mut *generations;
        if young.bytes + bytes > room {
            *old = std::mem::take(young);
        }
        let before = young.pages.insert(number, kept);
        young.bytes += bytes;
        young.bytes -= before.map_or(0, |before| before.bytes.len());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn kept(bytes: usize, checksum: u128) -> Arc<Kept> {
        let bytes = vec![0; bytes].into();
        Arc::new(Kept { bytes, checksum })
    }

    fn bytes(branches: &Branches) -> usize {
        let generations = branches.generations.read();
        let all = generations.iter().flat_map(|one| one.pages.values());
        all.map(|kept| kept.bytes.len()).sum()
    }

    #[test]
    fn what_is_used_stays_and_the_room_is_kept() {
        let branches = Branches::new(8_192);
        for number in 0..100 {
            branches.keep(number, kept(1_024, 1));
            assert!(branches.get(0, 1).is_some(), "{number}");
            assert!(bytes(&branches) <= 8_192);
        }
        assert!(branches.get(50, 1).is_none());
    }

    #[test]
    fn a_page_that_was_written_anew_is_another() {
        let branches = Branches::new(8_192);
        branches.keep(7, kept(1_024, 1));
        assert!(branches.get(7, 2).is_none());
        branches.keep(7, kept(1_024, 2));
        assert!(branches.get(7, 2).is_some());
        assert_eq!(bytes(&branches), 1_024);
    }

    #[test]
    fn with_less_room_less_is_kept() {
        let branches = Branches::new(1 << 20);
        (0..100).for_each(|number| branches.keep(number, kept(1_024, 1)));
        assert_eq!(bytes(&branches), 100 * 1_024);
        branches.set_room(8_192);
        (0..100).for_each(|number| branches.keep(number, kept(1_024, 1)));
        assert!(bytes(&branches) <= 8_192);
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let branches = Branches::new(0);
        branches.keep(7, kept(1_024, 1));
        assert!(branches.get(7, 1).is_none());
    }
}
