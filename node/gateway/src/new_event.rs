//! Events as clients send them: maps with atom keys, or binary keys of the same names.

use crate::refusal::Refusal;
use esdb_etf::{Kind, Term, put};
use esdb_store::{NewEvent, usual};
use std::borrow::Cow;
use uuid::Uuid;

/// Longest name (stream, event type, event id, tag) in bytes.
pub(crate) const MAX_NAME: usize = 1024;
/// Bytes of the identifier of an event that came without one.
pub(crate) const NEW_ID: usize = 5 + 36;
/// Most tags of an event.
const MAX_TAGS: usize = 1_000;

/// An event that was checked, with the terms that the client left out.
pub(crate) struct Checked<'a> {
    id: Cow<'a, [u8]>,
    id_given: bool,
    event_type: Cow<'a, [u8]>,
    data: &'a [u8],
    metadata: &'a [u8],
    tags: &'a [u8],
    data_content_type: &'a [u8],
    metadata_content_type: &'a [u8],
}

impl<'a> Checked<'a> {
    /// As the store takes it.
    pub(crate) fn as_new_event(&self) -> NewEvent<'_> {
        NewEvent {
            id: &self.id,
            id_given: self.id_given,
            event_type: &self.event_type,
            data: self.data,
            metadata: self.metadata,
            tags: self.tags,
            data_content_type: self.data_content_type,
            metadata_content_type: self.metadata_content_type,
        }
    }

    /// Checks the event `term`, the `number`th of its batch, whose data and metadata may have `most` bytes.
    ///
    /// # Errors
    /// [`Refusal::InvalidEvent`] or [`Refusal::TooLarge`].
    pub(crate) fn parse(number: usize, term: Term<'a>, most: usize) -> Result<Self, Refusal> {
        let invalid = |problem: String| Refusal::InvalidEvent { number, problem };
        let fields = Fields::of(term).map_err(invalid)?;
        let event = fields.check().map_err(invalid)?;
        let size = event.data.len() + event.metadata.len();
        if size > most {
            return Err(Refusal::TooLarge(format!(
                "event {number} of the batch has {size} bytes of data and metadata, the most is \
                 {most}"
            )));
        }
        Ok(event)
    }
}

/// The values of an event's map, by key.
#[derive(Default)]
struct Fields<'a> {
    event_id: Option<Term<'a>>,
    event_type: Option<Term<'a>>,
    data: Option<Term<'a>>,
    metadata: Option<Term<'a>>,
    tags: Option<Term<'a>>,
    data_content_type: Option<Term<'a>>,
    metadata_content_type: Option<Term<'a>>,
}

impl<'a> Fields<'a> {
    fn of(term: Term<'a>) -> Result<Self, String> {
        let Some(map) = term.as_map() else {
            return Err(format!("an event is a map, this is a {:?}", term.kind()));
        };
        let mut fields = Fields::default();
        for (key, value) in map {
            let (name, is_atom) = match (key.as_atom(), key.as_binary()) {
                (Some(atom), _) => (atom.text(), true),
                (_, Some(bytes)) => (String::from_utf8_lossy(bytes), false),
                _ => continue,
            };
            let Some(field) = fields.field(&name) else {
                continue;
            };
            // The atom is the documented spelling, so it wins over a binary of the same name.
            if is_atom || field.is_none() {
                *field = Some(value);
            }
        }
        Ok(fields)
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<Term<'a>>> {
        match name {
            "event_id" => Some(&mut self.event_id),
            "event_type" => Some(&mut self.event_type),
            "data" => Some(&mut self.data),
            "metadata" => Some(&mut self.metadata),
            "tags" => Some(&mut self.tags),
            "data_content_type" => Some(&mut self.data_content_type),
            "metadata_content_type" => Some(&mut self.metadata_content_type),
            _ => None,
        }
    }

    fn check(self) -> Result<Checked<'a>, String> {
        let (id, id_given) = match given(self.event_id) {
            Some(id) => (Cow::Borrowed(named("event_id", id)?), true),
            None => (Cow::Owned(new_id()), false),
        };
        let data = self
            .data
            .ok_or("data is missing; every event has the key data")?;
        Ok(Checked {
            id,
            id_given,
            event_type: event_type(self.event_type)?,
            data: data.as_bytes(),
            metadata: given(self.metadata).map_or(usual::METADATA, Term::as_bytes),
            tags: tags(self.tags)?,
            data_content_type: content_type("data_content_type", self.data_content_type)?,
            metadata_content_type: content_type(
                "metadata_content_type",
                self.metadata_content_type,
            )?,
        })
    }
}

/// An optional value that is there: `undefined` and Elixir's `nil` stand for "not given".
fn given(value: Option<Term<'_>>) -> Option<Term<'_>> {
    value.filter(|term| !term.is_atom("undefined") && !term.is_atom("nil"))
}

/// A binary that can be a name, as the term's bytes.
fn named<'a>(key: &str, term: Term<'a>) -> Result<&'a [u8], String> {
    match term.as_binary().map(<[u8]>::len) {
        Some(1..=MAX_NAME) => Ok(term.as_bytes()),
        Some(len) => Err(format!("{key} has {len} bytes; give 1 to {MAX_NAME}")),
        None => Err(format!("{key} is a {:?}; give a binary", term.kind())),
    }
}

/// The type, with an atom in the one form that every atom of that name is stored in.
fn event_type(term: Option<Term<'_>>) -> Result<Cow<'_, [u8]>, String> {
    let term = given(term).ok_or("event_type is missing; give a binary")?;
    match term.as_atom() {
        Some(atom) => {
            let mut canonical = Vec::new();
            put::atom(&mut canonical, &atom.text());
            Ok(Cow::Owned(canonical))
        }
        None => named("event_type", term).map(Cow::Borrowed),
    }
}

fn tags(term: Option<Term<'_>>) -> Result<&[u8], String> {
    let Some(term) = given(term) else {
        return Ok(usual::TAGS);
    };
    let Some(list) = term.as_proper_list() else {
        return Err(format!(
            "tags is a {:?}; give a list of binaries",
            term.kind()
        ));
    };
    if list.len() > MAX_TAGS {
        let count = list.len();
        return Err(format!(
            "tags has {count} elements; give {MAX_TAGS} at most"
        ));
    }
    for tag in list {
        named("a tag", tag)?;
    }
    Ok(term.as_bytes())
}

fn content_type<'a>(key: &str, term: Option<Term<'a>>) -> Result<&'a [u8], String> {
    match given(term) {
        None => Ok(usual::CONTENT_TYPE),
        // ExESDB's events have numbers: 0 for bytes, 1 for JSON.
        Some(term) if matches!(term.kind(), Kind::Binary | Kind::Integer) => Ok(term.as_bytes()),
        Some(term) => Err(format!("{key} is a {:?}; give a binary", term.kind())),
    }
}

/// A new UUID of version 7, as the term that events carry.
fn new_id() -> Vec<u8> {
    let mut text = Uuid::encode_buffer();
    let mut id = Vec::with_capacity(NEW_ID);
    put::binary(
        &mut id,
        Uuid::now_v7()
            .hyphenated()
            .encode_lower(&mut text)
            .as_bytes(),
    );
    id
}
