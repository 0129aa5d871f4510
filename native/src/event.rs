//! Events: maps, and `#event{}` records of every generation of clients.

use crate::budget::Stop;
use crate::raw::Elements;
use rustler::Term;

rustler::atoms! {
    data, event, event_id, event_type, stream_id, version, metadata, tags, timestamp, epoch_us, data_content_type,
    metadata_content_type
}

/// A map, or the elements of a record.
pub enum Event<'a> {
    /// An event as a map.
    Map(Term<'a>),
    /// An event as a record of 11, 12 or more elements; those beyond the twelfth have no name.
    Record(Elements<'a>),
}

impl<'a> Event<'a> {
    /// The event in `term`.
    ///
    /// # Errors
    /// [`Stop::Twin`] when it is none.
    #[inline]
    pub fn read(term: Term<'a>) -> Result<Self, Stop> {
        if term.is_map() {
            return Ok(Event::Map(term));
        }
        let elements = Elements::of(term).ok_or(Stop::Twin)?;
        match elements.get(0) {
            Some(name) if elements.len() >= 11 && event() == name => Ok(Event::Record(elements)),
            _ => Err(Stop::Twin),
        }
    }

    /// The map to aggregate: that under `data`, or the event itself when it is a map without one.
    #[inline]
    pub fn data(&self) -> Option<Term<'a>> {
        match self {
            Event::Map(map) => Some(
                map.map_get(data())
                    .ok()
                    .filter(|data| data.is_map())
                    .unwrap_or(*map),
            ),
            Event::Record(elements) => elements.get(5).filter(|data| data.is_map()),
        }
    }

    /// The field `name` of the event itself.
    #[inline]
    pub fn field(&self, name: Term<'a>) -> Option<Term<'a>> {
        match self {
            Event::Map(map) => map.map_get(name).ok(),
            Event::Record(elements) => elements.get(place(name, elements.len())?),
        }
    }
}

/// Where a record of `length` elements has the field `name`: those of 11 have no tags.
fn place(name: Term<'_>, length: usize) -> Option<usize> {
    let names = [
        event_id(),
        event_type(),
        stream_id(),
        version(),
        data(),
        metadata(),
        tags(),
        timestamp(),
        epoch_us(),
        data_content_type(),
        metadata_content_type(),
    ];
    let place = names.iter().position(|known| *known == name)? + 1;
    match (length, place) {
        (11, 7) => None,
        (11, 8..) => Some(place - 1),
        _ => Some(place),
    }
}
