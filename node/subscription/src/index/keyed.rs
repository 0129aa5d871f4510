//! A map by bytes that knows which lengths its keys have.

use super::{Slot, forget};
use std::collections::{BTreeMap, HashMap};

#[derive(Debug)]
pub(crate) struct Keyed<T> {
    by_key: HashMap<Box<[u8]>, T>,
    /// How many keys have each length.
    lengths: BTreeMap<usize, usize>,
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self {
            by_key: HashMap::new(),
            lengths: BTreeMap::new(),
        }
    }
}

impl<T: Default> Keyed<T> {
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub fn get(&self, key: &[u8]) -> Option<&T> {
        self.by_key.get(key)
    }

    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut T> {
        self.by_key.get_mut(key)
    }

    /// What is under `key`, which is made if need be.
    pub fn entry(&mut self, key: &[u8]) -> &mut T {
        let lengths = &mut self.lengths;
        self.by_key.entry(key.into()).or_insert_with(|| {
            *lengths.entry(key.len()).or_default() += 1;
            T::default()
        })
    }

    pub fn remove(&mut self, key: &[u8]) {
        if self.by_key.remove(key).is_none() {
            return;
        }
        if let Some(count) = self.lengths.get_mut(&key.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&key.len());
            }
        }
    }

    /// The lengths that keys have, up to `most`.
    pub fn lengths(&self, most: usize) -> impl Iterator<Item = usize> {
        self.lengths.range(..=most).map(|(length, _)| *length)
    }

    /// The length of the longest key.
    pub fn longest(&self) -> usize {
        self.lengths
            .last_key_value()
            .map_or(0, |(length, _)| *length)
    }
}

impl Keyed<Vec<Slot>> {
    pub fn collect(&self, key: &[u8], found: &mut Vec<Slot>) {
        if let Some(slots) = self.get(key) {
            found.extend_from_slice(slots);
        }
    }

    pub fn forget(&mut self, key: &[u8], slot: Slot) {
        if let Some(slots) = self.get_mut(key) {
            forget(slots, slot);
            if slots.is_empty() {
                self.remove(key);
            }
        }
    }
}
