//! The fields of an event, by the names that clients give them, and as terms.

use crate::condition::Condition;
use esdb_etf::{Kind, Term, put};
use esdb_store::RecordedEvent;
use std::cell::OnceCell;

/// A field of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    EventId,
    EventType,
    Stream,
    Version,
    Data,
    Metadata,
    Tags,
    Timestamp,
    EpochUs,
    DataContentType,
    MetadataContentType,
}

/// How many fields there are.
pub(crate) const FIELDS: usize = Field::MetadataContentType as usize + 1;

impl Field {
    pub const ALL: [Field; FIELDS] = [
        Field::EventId,
        Field::EventType,
        Field::Stream,
        Field::Version,
        Field::Data,
        Field::Metadata,
        Field::Tags,
        Field::Timestamp,
        Field::EpochUs,
        Field::DataContentType,
        Field::MetadataContentType,
    ];

    /// The field that the Erlang record, or ExESDB's struct, calls `name`.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "event_id" => Field::EventId,
            "event_type" => Field::EventType,
            "stream_id" | "event_stream_id" => Field::Stream,
            "version" | "event_number" => Field::Version,
            "data" => Field::Data,
            "metadata" => Field::Metadata,
            "tags" => Field::Tags,
            "timestamp" => Field::Timestamp,
            "epoch_us" | "created_epoch" => Field::EpochUs,
            "data_content_type" => Field::DataContentType,
            "metadata_content_type" => Field::MetadataContentType,
            _ => return None,
        })
    }

    /// Whether there can be an event of which the condition holds for this field.
    pub fn can_be(self, condition: &Condition) -> bool {
        let holds_anything = matches!(self, Field::Data | Field::Metadata);
        match condition {
            Condition::Any | Condition::NotEqual(_) => true,
            Condition::In(values) => values
                .iter()
                .any(|value| Term::parse(value).is_ok_and(|value| self.can_hold(value))),
            Condition::Compare(..) => holds_anything || self.is_number() || self.is_content_type(),
            Condition::Map(_) => holds_anything,
        }
    }

    /// Whether an event can have this value, as appends are checked.
    fn can_hold(self, value: Term<'_>) -> bool {
        let name = |term: Term<'_>| term.as_binary().is_some_and(|name| !name.is_empty());
        match self {
            Field::Data | Field::Metadata => true,
            _ if self.is_number() => value.as_u64().is_some(),
            _ if self.is_content_type() => matches!(value.kind(), Kind::Binary | Kind::Integer),
            Field::EventType => {
                let missing = value.is_atom("undefined") || value.is_atom("nil");
                name(value) || (value.as_atom().is_some() && !missing)
            }
            Field::Tags => match value.as_proper_list() {
                Some(mut tags) => tags.all(name),
                None => value.is_atom("undefined"),
            },
            _ => name(value),
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Field::Version | Field::Timestamp | Field::EpochUs)
    }

    fn is_content_type(self) -> bool {
        matches!(self, Field::DataContentType | Field::MetadataContentType)
    }
}

/// An event, and the terms that its long fields hold, each checked no more than once.
pub(crate) struct Event<'a> {
    pub recorded: &'a RecordedEvent<'a>,
    data: OnceCell<Option<Term<'a>>>,
    metadata: OnceCell<Option<Term<'a>>>,
}

impl<'a> Event<'a> {
    pub fn new(recorded: &'a RecordedEvent<'a>) -> Self {
        Self {
            recorded,
            data: OnceCell::new(),
            metadata: OnceCell::new(),
        }
    }

    /// What `then` says of the field's value. `None` if the field holds no term, which only a
    /// damaged event's does.
    pub fn with<R>(&self, field: Field, then: impl FnOnce(Term<'_>) -> R) -> Option<R> {
        let event = self.recorded;
        let bytes = match field {
            Field::Data => return self.data().map(then),
            Field::Metadata => return self.metadata().map(then),
            Field::Version => return integer(event.version, then),
            Field::Timestamp => return integer(event.epoch_us / 1000, then),
            Field::EpochUs => return integer(event.epoch_us, then),
            Field::Stream => {
                let mut bytes = Vec::new();
                put::binary(&mut bytes, event.stream);
                return Term::parse(&bytes).ok().map(then);
            }
            Field::EventId => event.id,
            Field::EventType => event.event_type,
            Field::Tags => event.tags,
            Field::DataContentType => event.data_content_type,
            Field::MetadataContentType => event.metadata_content_type,
        };
        Term::parse(bytes).ok().map(then)
    }

    fn data(&self) -> Option<Term<'a>> {
        let parse = || Term::parse(self.recorded.data).ok();
        *self.data.get_or_init(parse)
    }

    fn metadata(&self) -> Option<Term<'a>> {
        let parse = || Term::parse(self.recorded.metadata).ok();
        *self.metadata.get_or_init(parse)
    }

    /// The bytes of each tag.
    pub fn tags(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let list = Term::parse(self.recorded.tags)
            .ok()
            .and_then(|term| term.as_list());
        list.into_iter().flatten().filter_map(Term::as_binary)
    }
}

fn integer<R>(n: u64, then: impl FnOnce(Term<'_>) -> R) -> Option<R> {
    let mut bytes = Vec::new();
    put::unsigned(&mut bytes, n);
    Term::parse(&bytes).ok().map(then)
}
