//! Events on their way to a subscriber, written as it wants them.

use crate::record;
use esdb_store::RecordedEvent;
use twox_hash::XxHash3_64;

/// How a subscriber wants an event written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// An `#event{}` of so many elements: 11, 12 or 15.
    Record(usize),
    /// A map.
    Map,
}

impl Shape {
    /// Appends the event's term.
    pub(crate) fn put(self, out: &mut Vec<u8>, event: &RecordedEvent<'_>) {
        match self {
            Shape::Record(arity) => record::event(out, arity, event),
            Shape::Map => record::event_map(out, event),
        }
    }
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) position: u64,
    pub(crate) version: u64,
    /// A hash of its stream's name.
    pub(crate) stream: u64,
}

impl From<&RecordedEvent<'_>> for Place {
    fn from(event: &RecordedEvent<'_>) -> Self {
        Place {
            position: event.position,
            version: event.version,
            stream: XxHash3_64::oneshot(event.stream),
        }
    }
}

/// How much may be taken at once. At least one event is, however large it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Events; at least 1.
    pub(crate) events: usize,
    /// Bytes of their terms.
    pub(crate) bytes: usize,
}

/// Events in the order of their positions.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Their terms, one after the other.
    pub(crate) terms: Vec<u8>,
    /// Their places, and where the term of each ends.
    pub(crate) events: Vec<(Place, usize)>,
    /// Everything that matters to the subscription and stands before this position has been taken.
    pub(crate) next: u64,
}

impl Batch {
    /// Whether there is no room left in `room`.
    pub(crate) fn is_full(&self, room: Room) -> bool {
        self.events.len() >= room.events
            || (!self.events.is_empty() && self.terms.len() >= room.bytes)
    }

    /// Adds an event whose term `write` writes.
    pub(crate) fn push(&mut self, place: Place, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.terms);
        self.events.push((place, self.terms.len()));
        self.next = place.position + 1;
    }

    /// Drops the events that stand before a position.
    pub(crate) fn forget_before(&mut self, position: u64) {
        let first = self.events.first().map(|(place, _)| place.position);
        if first.is_none_or(|first| first >= position) {
            return;
        }
        let mut kept = Batch::default();
        for (place, term) in self.iter().filter(|(place, _)| place.position >= position) {
            kept.push(place, |out| out.extend_from_slice(term));
        }
        kept.next = self.next;
        *self = kept;
    }

    /// The events with their terms.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &[u8])> {
        let mut start = 0;
        self.events.iter().map(move |(place, end)| {
            let term = self.terms.get(start..*end).unwrap_or_default();
            start = *end;
            (*place, term)
        })
    }
}
