//! Subscriptions by what a value is, or what is in it.

use super::anchor::Leaf;
use super::keyed::Keyed;
use super::{Slot, forget};
use crate::number::Number;
use esdb_etf::Term;
use std::collections::BTreeMap;

/// Subscriptions that ask something of one value.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// By canonical bytes.
    equal: Keyed<Vec<Slot>>,
    /// By the number that it must be, or be above.
    above: BTreeMap<Number<'static>, Vec<Slot>>,
    below: BTreeMap<Number<'static>, Vec<Slot>>,
    present: Vec<Slot>,
    /// By the canonical bytes of a key in it.
    inside: Keyed<Values>,
}

impl Values {
    pub fn is_empty(&self) -> bool {
        self.equal.is_empty()
            && self.above.is_empty()
            && self.below.is_empty()
            && self.present.is_empty()
            && self.inside.is_empty()
    }

    /// How many subscriptions a value that is as `leaf` asks leads to, at most. For numbers that
    /// is all that ask for one on that side.
    pub fn load(&self, path: &[&[u8]], leaf: &Leaf<'_>) -> usize {
        if let [key, path @ ..] = path {
            let inside = self.inside.get(key);
            return inside.map_or(0, |inside| inside.load(path, leaf));
        }
        match leaf {
            Leaf::Equal(values) => {
                let slots = values.iter().filter_map(|value| self.equal.get(value));
                slots.map(Vec::len).sum()
            }
            Leaf::Beyond(comparison, _) if comparison.is_above() => self.above.len(),
            Leaf::Beyond(..) => self.below.len(),
            Leaf::Present => self.present.len(),
        }
    }

    pub fn file(&mut self, path: &[&[u8]], leaf: &Leaf<'_>, slot: Slot) {
        if let [key, path @ ..] = path {
            return self.inside.entry(key).file(path, leaf, slot);
        }
        match leaf {
            Leaf::Equal(values) => {
                for value in *values {
                    self.equal.entry(value).push(slot);
                }
            }
            Leaf::Beyond(comparison, bound) => {
                let side = match comparison.is_above() {
                    true => &mut self.above,
                    false => &mut self.below,
                };
                side.entry((*bound).clone()).or_default().push(slot);
            }
            Leaf::Present => self.present.push(slot),
        }
    }

    pub fn unfile(&mut self, path: &[&[u8]], leaf: &Leaf<'_>, slot: Slot) {
        if let [key, path @ ..] = path {
            if let Some(inside) = self.inside.get_mut(key) {
                inside.unfile(path, leaf, slot);
                if inside.is_empty() {
                    self.inside.remove(key);
                }
            }
            return;
        }
        match leaf {
            Leaf::Equal(values) => {
                for value in *values {
                    self.equal.forget(value, slot);
                }
            }
            Leaf::Beyond(comparison, bound) => {
                let side = match comparison.is_above() {
                    true => &mut self.above,
                    false => &mut self.below,
                };
                if let Some(slots) = side.get_mut(bound) {
                    forget(slots, slot);
                    if slots.is_empty() {
                        side.remove(bound);
                    }
                }
            }
            Leaf::Present => forget(&mut self.present, slot),
        }
    }

    /// Adds the subscriptions whose question this value answers with yes. As deep as patterns are,
    /// not as deep as the value.
    pub fn collect(&self, value: Term<'_>, found: &mut Vec<Slot>) {
        found.extend_from_slice(&self.present);
        if !self.equal.is_empty()
            && let Some(canonical) = value.canonical(self.equal.longest())
        {
            self.equal.collect(&canonical, found);
        }
        self.collect_beyond(value, found);
        let Some(map) = value.as_map().filter(|_| !self.inside.is_empty()) else {
            return;
        };
        for (key, value) in map {
            let inside = key
                .canonical(self.inside.longest())
                .and_then(|key| self.inside.get(&key));
            if let Some(inside) = inside {
                inside.collect(value, found);
            }
        }
    }

    fn collect_beyond(&self, value: Term<'_>, found: &mut Vec<Slot>) {
        if self.above.is_empty() && self.below.is_empty() {
            return;
        }
        let Some(number) = Number::of(value) else {
            return;
        };
        let number = number.into_owned();
        for (_, slots) in self.above.range(..=&number) {
            found.extend_from_slice(slots);
        }
        for (_, slots) in self.below.range(&number..) {
            found.extend_from_slice(slots);
        }
    }
}
