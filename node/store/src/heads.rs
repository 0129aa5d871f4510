//! What the applying thread remembers of streams: where they end, and their retry windows.
//!
//! Only a cache: whatever is not here is read back. Two generations: what is used moves to the
//! young one; when that has taken half of the budget it becomes the old one, which is forgotten.

use crate::StoreError;
use crate::tables::Head;
use crate::window::Window;
use std::collections::HashMap;
use std::sync::Arc;

/// What is remembered of a name.
#[derive(Debug)]
pub(crate) struct Entry {
    pub name: Arc<[u8]>,
    /// Where the stream ends; `None` if there is none.
    pub head: Option<Head>,
    /// `None` if it has not been needed yet.
    pub window: Option<Window>,
    /// What the cache has counted for this entry.
    counted: usize,
}

impl Entry {
    fn bytes(&self) -> usize {
        160 + self.name.len() + self.window.as_ref().map_or(0, Window::bytes)
    }

    /// The stream's last version.
    pub fn current(&self) -> Option<u64> {
        self.head.map(|head| head.last_version)
    }

    /// First version that the stream does not have.
    pub fn next_version(&self) -> u64 {
        self.head.map_or(0, |head| head.last_version + 1)
    }
}

/// The cache.
#[derive(Debug)]
pub(crate) struct Heads {
    young: HashMap<Arc<[u8]>, Entry>,
    old: HashMap<Arc<[u8]>, Entry>,
    young_bytes: usize,
    budget: usize,
}

impl Heads {
    /// A cache of about `budget` bytes.
    pub fn new(budget: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            young_bytes: 0,
            budget,
        }
    }

    /// Sets the budget, and forgets what is beyond it.
    pub fn set_budget(&mut self, budget: usize) {
        self.budget = budget;
        if self.young_bytes > budget / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.old.values().map(|entry| entry.counted).sum::<usize>() > budget / 2 {
            self.old = HashMap::new();
        }
    }

    /// Takes what is remembered of a name, or what `load` finds out, out of the cache; to be given
    /// back by [`Heads::put`].
    pub fn take(
        &mut self,
        name: &[u8],
        load: impl FnOnce() -> Result<Option<Head>, StoreError>,
    ) -> Result<Entry, StoreError> {
        if let Some(entry) = self.young.remove(name) {
            self.young_bytes = self.young_bytes.saturating_sub(entry.counted);
            return Ok(entry);
        }
        if let Some(entry) = self.old.remove(name) {
            return Ok(entry);
        }
        Ok(Entry {
            name: name.into(),
            head: load()?,
            window: None,
            counted: 0,
        })
    }

    /// Gives an entry back.
    pub fn put(&mut self, mut entry: Entry) {
        entry.counted = entry.bytes();
        self.young_bytes += entry.counted;
        self.young.insert(entry.name.clone(), entry);
        if self.young_bytes > self.budget / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}
