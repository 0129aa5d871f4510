//! Subscriptions by what their events must have.
//!
//! A selector's clauses are necessary conditions, each of which can be looked up: a stream's name
//! or part of it, a tag, a field's value, a key in a map. A subscription is filed under one of its
//! conditions, the one that shares its place with the fewest others when it comes. An event's own
//! properties lead to the places that hold everything that can match; only that is evaluated.
//!
//! So the cost of an event grows with its own fields and with the subscriptions filed where it
//! looks, not with the number of subscriptions.

mod anchor;
mod keyed;
mod values;

use crate::field::{Event, FIELDS, Field};
use crate::selector::Selector;
use anchor::Anchor;
use esdb_store::RecordedEvent;
use keyed::Keyed;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use values::Values;

/// Where a subscription stands in [`Index::entries`].
type Slot = u32;

/// Live subscriptions, found by event.
#[derive(Debug)]
pub struct Index<K> {
    entries: Vec<Option<Entry<K>>>,
    free: Vec<Slot>,
    slots: HashMap<K, Slot>,
    places: Places,
    evaluations: AtomicU64,
}

#[derive(Debug)]
struct Entry<K> {
    key: K,
    selector: Arc<Selector>,
    /// Under which of the selector's anchors it is filed; `None` if it has none.
    anchor: Option<usize>,
}

/// What subscriptions are filed under.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Under nothing: they are asked about every event.
    everything: Vec<Slot>,
    streams: Keyed<Vec<Slot>>,
    prefixes: Keyed<Vec<Slot>>,
    suffixes: Keyed<Vec<Slot>>,
    pieces: Keyed<Vec<Slot>>,
    tags: Keyed<Vec<Slot>>,
    fields: [Values; FIELDS],
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            slots: HashMap::new(),
            places: Places::default(),
            evaluations: AtomicU64::new(0),
        }
    }
}

impl<K: Clone + Eq + Hash> Index<K> {
    /// An index without subscriptions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a subscription, in place of the one of the same key, if there is one.
    pub fn insert(&mut self, key: K, selector: Arc<Selector>) {
        self.remove(&key);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            // Each takes far more than a byte, so there are fewer than 2^32.
            (self.entries.len() - 1) as Slot
        });
        let anchors = anchor::anchors(&selector);
        let loads = anchors.iter().map(|anchor| self.places.load(anchor));
        let best = loads.enumerate().min_by_key(|(_, load)| *load);
        let anchor = best.map(|(at, _)| at);
        self.places
            .file(anchor.and_then(|at| anchors.get(at)), slot);
        self.slots.insert(key.clone(), slot);
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            *entry = Some(Entry {
                key,
                selector: selector.clone(),
                anchor,
            });
        }
    }

    /// Removes a subscription. Answers whether there was one.
    pub fn remove(&mut self, key: &K) -> bool {
        let Some(slot) = self.slots.remove(key) else {
            return false;
        };
        let entry = self.entries.get_mut(slot as usize).and_then(Option::take);
        if let Some(entry) = entry {
            let anchors = anchor::anchors(&entry.selector);
            let anchor = entry.anchor.and_then(|at| anchors.get(at));
            self.places.unfile(anchor, slot);
        }
        self.free.push(slot);
        true
    }

    /// Visits the key of each subscription that the event belongs to, once.
    pub fn candidates(&self, event: &RecordedEvent<'_>, mut visit: impl FnMut(&K)) {
        let event = Event::new(event);
        let mut found = Vec::new();
        self.places.collect(&event, &mut found);
        found.sort_unstable();
        found.dedup();
        self.evaluations
            .fetch_add(found.len() as u64, Ordering::Relaxed);
        for slot in found {
            let entry = self.entries.get(slot as usize).and_then(Option::as_ref);
            if let Some(entry) = entry.filter(|entry| entry.selector.holds(&event)) {
                visit(&entry.key);
            }
        }
    }

    /// How often a selector has been evaluated since the index was made.
    pub fn evaluations(&self) -> u64 {
        self.evaluations.load(Ordering::Relaxed)
    }

    /// How many subscriptions there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are no subscriptions.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

impl Places {
    /// How many subscriptions an event that has what `anchor` asks for leads to, at most.
    fn load(&self, anchor: &Anchor<'_>) -> usize {
        let at = |place: &Keyed<Vec<Slot>>, key: &[u8]| place.get(key).map_or(0, Vec::len);
        match anchor {
            Anchor::Stream(name) => at(&self.streams, name),
            Anchor::Prefix(name) => at(&self.prefixes, name),
            Anchor::Suffix(name) => at(&self.suffixes, name),
            Anchor::Piece(name) => at(&self.pieces, name),
            Anchor::Tags(tags) => tags.iter().map(|tag| at(&self.tags, tag)).sum(),
            Anchor::Value { field, path, leaf } => {
                let values = self.fields.get(*field as usize);
                values.map_or(0, |values| values.load(path, leaf))
            }
        }
    }

    fn file(&mut self, anchor: Option<&Anchor<'_>>, slot: Slot) {
        match anchor {
            None => self.everything.push(slot),
            Some(Anchor::Stream(name)) => self.streams.entry(name).push(slot),
            Some(Anchor::Prefix(name)) => self.prefixes.entry(name).push(slot),
            Some(Anchor::Suffix(name)) => self.suffixes.entry(name).push(slot),
            Some(Anchor::Piece(name)) => self.pieces.entry(name).push(slot),
            Some(Anchor::Tags(tags)) => {
                for tag in tags {
                    self.tags.entry(tag).push(slot);
                }
            }
            Some(Anchor::Value { field, path, leaf }) => {
                if let Some(values) = self.fields.get_mut(*field as usize) {
                    values.file(path, leaf, slot);
                }
            }
        }
    }

    fn unfile(&mut self, anchor: Option<&Anchor<'_>>, slot: Slot) {
        match anchor {
            None => forget(&mut self.everything, slot),
            Some(Anchor::Stream(name)) => self.streams.forget(name, slot),
            Some(Anchor::Prefix(name)) => self.prefixes.forget(name, slot),
            Some(Anchor::Suffix(name)) => self.suffixes.forget(name, slot),
            Some(Anchor::Piece(name)) => self.pieces.forget(name, slot),
            Some(Anchor::Tags(tags)) => {
                for tag in tags {
                    self.tags.forget(tag, slot);
                }
            }
            Some(Anchor::Value { field, path, leaf }) => {
                if let Some(values) = self.fields.get_mut(*field as usize) {
                    values.unfile(path, leaf, slot);
                }
            }
        }
    }

    /// Adds what is filed under anything that the event has.
    fn collect(&self, event: &Event<'_>, found: &mut Vec<Slot>) {
        let stream = event.recorded.stream;
        found.extend_from_slice(&self.everything);
        self.streams.collect(stream, found);
        for length in self.prefixes.lengths(stream.len()) {
            let prefix = stream.get(..length).unwrap_or_default();
            self.prefixes.collect(prefix, found);
        }
        for length in self.suffixes.lengths(stream.len()) {
            let suffix = stream.get(stream.len() - length..).unwrap_or_default();
            self.suffixes.collect(suffix, found);
        }
        for length in self.pieces.lengths(stream.len()) {
            for piece in stream.windows(length) {
                self.pieces.collect(piece, found);
            }
        }
        if !self.tags.is_empty() {
            event.tags().for_each(|tag| self.tags.collect(tag, found));
        }
        for (field, values) in Field::ALL.into_iter().zip(&self.fields) {
            if !values.is_empty() {
                event.with(field, |value| values.collect(value, found));
            }
        }
    }
}

/// Takes one subscription out.
fn forget(slots: &mut Vec<Slot>, slot: Slot) {
    if let Some(at) = slots.iter().position(|one| *one == slot) {
        slots.swap_remove(at);
    }
}
