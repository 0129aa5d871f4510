//! Which events a subscription is for.

use crate::InvalidSelector;
use crate::condition::Condition;
use crate::field::{Event, Field};
use crate::glob::Glob;
use crate::parse;
use esdb_etf::Term;
use esdb_store::RecordedEvent;

/// The sorts of selectors, by what the published systems call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `by_stream`, `stream`.
    Stream,
    /// `by_event_type`, `event_type`.
    EventType,
    /// `by_event_pattern`, `event_pattern`.
    EventPattern,
    /// `by_event_payload`, `event_payload`.
    EventPayload,
    /// `by_tags`, `tags`.
    Tags,
}

/// One thing that must be true of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clause {
    Stream(Glob),
    /// It bears one of these tags, which are sorted.
    AnyTag(Vec<Box<[u8]>>),
    /// It bears this tag.
    Tag(Box<[u8]>),
    Field(Field, Condition),
}

/// Which events a subscription is for: those of which all its clauses are true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    pub(crate) kind: Kind,
    pub(crate) clauses: Vec<Clause>,
}

/// How the events of a selector are best found in a store. What is found must still be asked
/// [`Selector::matches`], unless the clause is the only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access<'a> {
    /// By walking over all events.
    All,
    /// In the stream of this name.
    Stream(&'a [u8]),
    /// By type: any of these, raw terms as the store keeps them.
    Types(Vec<&'a [u8]>),
    /// By tag: any of these names.
    Tags(Vec<&'a [u8]>),
}

impl Selector {
    /// Reads the two terms with which a client subscribes. The type is one of the atoms at
    /// [`Kind`]; the selector is
    ///
    /// * for a stream: a binary. `$all` is every stream. Some clients write `$` before every
    ///   stream's name, so it is taken off, except from names of system streams
    ///   (`$link:orders`: lower-case letters, digits and `-`, a colon, and something after it);
    ///   [`Selector::stream`] is for those who know what the client means;
    /// * for an event type: a binary, or an atom;
    /// * for an event pattern: a binary, which a stream's name must match (`*` stands for any
    ///   bytes), or a map from names of fields, atoms or binaries, to what they must be;
    /// * for a payload: a map, which must be part of the event's data;
    /// * for tags: a binary, or a list of binaries of which the event must bear one.
    ///
    /// A value in a map must be equal (`=:=`, with 0.0 equal to -0.0), except that a map asks
    /// only for its own pairs, `'_'` for anything at all, and `{Operator, Operand}` for what the
    /// operator says: `gt`, `gte`, `ge`, `lt`, `lte`, `le` with a number, `eq` and `ne` with any
    /// term, `in` with a list. In a pattern, `stream_id` takes wildcards, and `tags` a tag or a
    /// list of tags of which the event must bear each.
    ///
    /// # Errors
    /// [`InvalidSelector`] if the terms are none of these.
    pub fn parse(kind: Term<'_>, selector: Term<'_>) -> Result<Self, InvalidSelector> {
        parse::selector(kind, selector)
    }

    /// The events of the stream of exactly this name.
    pub fn stream(name: &[u8]) -> Self {
        Self {
            kind: Kind::Stream,
            clauses: vec![Clause::Stream(Glob::Exact(name.into()))],
        }
    }

    /// Which sort of selector it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the event is one of those that the subscription is for.
    pub fn matches(&self, event: &RecordedEvent<'_>) -> bool {
        self.holds(&Event::new(event))
    }

    pub(crate) fn holds(&self, event: &Event<'_>) -> bool {
        self.clauses.iter().all(|clause| clause.holds(event))
    }

    /// Where the events are that can match.
    pub fn access(&self) -> Access<'_> {
        let mut best = Access::All;
        for clause in &self.clauses {
            let access = clause.access();
            if access.rank() > best.rank() {
                best = access;
            }
        }
        best
    }
}

impl Access<'_> {
    /// The higher, the fewer events are expected.
    fn rank(&self) -> u8 {
        match self {
            Access::All => 0,
            Access::Types(_) => 1,
            Access::Tags(_) => 2,
            Access::Stream(_) => 3,
        }
    }
}

impl Clause {
    fn holds(&self, event: &Event<'_>) -> bool {
        match self {
            Clause::Stream(glob) => glob.matches(event.recorded.stream),
            Clause::AnyTag(any) => event.tags().any(|tag| {
                let at = any.binary_search_by(|one| (**one).cmp(tag));
                at.is_ok()
            }),
            Clause::Tag(one) => event.tags().any(|tag| **one == *tag),
            Clause::Field(field, condition) => event
                .with(*field, |value| condition.matches(value))
                .unwrap_or(false),
        }
    }

    fn access(&self) -> Access<'_> {
        match self {
            Clause::Stream(Glob::Exact(name)) => Access::Stream(name),
            Clause::AnyTag(tags) => Access::Tags(tags.iter().map(|tag| &**tag).collect()),
            Clause::Tag(tag) => Access::Tags(vec![&**tag]),
            Clause::Field(Field::EventType, Condition::In(types)) => {
                Access::Types(types.iter().map(|one| &**one).collect())
            }
            Clause::Stream(_) | Clause::Field(..) => Access::All,
        }
    }
}
