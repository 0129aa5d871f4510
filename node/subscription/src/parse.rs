//! Selectors as clients write them.

use crate::InvalidSelector;
use crate::condition::Condition;
use crate::field::Field;
use crate::glob::Glob;
use crate::selector::{Clause, Kind, Selector};
use esdb_etf::Term;

/// Longest selector in bytes of External Term Format: each event may be compared with all of it.
const MAX_SELECTOR: usize = 64 << 10;

fn invalid<T>(reason: &'static str, text: impl Into<String>) -> Result<T, InvalidSelector> {
    Err(InvalidSelector::new(reason, text))
}

pub(crate) fn selector(kind: Term<'_>, selector: Term<'_>) -> Result<Selector, InvalidSelector> {
    let length = selector.as_bytes().len();
    if length > MAX_SELECTOR {
        let text = format!("the selector has {length} bytes, the most is {MAX_SELECTOR}");
        return invalid("too_large", text);
    }
    if let Err(error) = selector.check_keys() {
        return invalid("malformed", error.to_string());
    }
    let kind = self::kind(kind)?;
    let clauses = match kind {
        Kind::Stream => stream(selector)?,
        Kind::EventType => event_type(selector)?,
        Kind::EventPattern => pattern(selector)?,
        Kind::EventPayload => payload(selector)?,
        Kind::Tags => vec![Clause::AnyTag(tags(selector)?)],
    };
    Ok(Selector { kind, clauses })
}

fn kind(kind: Term<'_>) -> Result<Kind, InvalidSelector> {
    let name = kind.as_atom().map(|atom| atom.text());
    Ok(match name.as_deref() {
        Some("by_stream" | "stream") => Kind::Stream,
        Some("by_event_type" | "event_type") => Kind::EventType,
        Some("by_event_pattern" | "event_pattern") => Kind::EventPattern,
        Some("by_event_payload" | "event_payload") => Kind::EventPayload,
        Some("by_tags" | "tags") => Kind::Tags,
        Some(other) => return invalid("unknown_type", format!("no subscription type {other}")),
        None => {
            let text = format!("a subscription type is an atom, not a {:?}", kind.kind());
            return invalid("unknown_type", text);
        }
    })
}

fn stream(selector: Term<'_>) -> Result<Vec<Clause>, InvalidSelector> {
    let exact = |name: &[u8]| vec![Clause::Stream(Glob::Exact(name.into()))];
    match selector.as_binary() {
        Some(b"$all") => Ok(Vec::new()),
        Some(b"" | b"$") => invalid("invalid_stream", "a stream's name has a byte or more"),
        Some(name) if is_system(name) => Ok(exact(name)),
        Some(name) => Ok(exact(name.strip_prefix(b"$").unwrap_or(name))),
        None => {
            let text = format!("a stream is a binary, not a {:?}", selector.kind());
            invalid("invalid_stream", text)
        }
    }
}

/// Whether `name` is `$namespace:name`.
fn is_system(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"$") else {
        return false;
    };
    let mut parts = rest.splitn(2, |byte| *byte == b':');
    let namespace = parts.next().unwrap_or_default();
    let may_follow = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    namespace.first().is_some_and(u8::is_ascii_lowercase)
        && namespace.iter().all(may_follow)
        && parts.next().is_some_and(|name| !name.is_empty())
}

fn event_type(selector: Term<'_>) -> Result<Vec<Clause>, InvalidSelector> {
    let value = crate::condition::canonical(selector);
    let condition = Condition::In(vec![value]);
    if !Field::EventType.can_be(&condition) {
        let text = format!("an event type is a binary or an atom, not {selector:?}");
        return invalid("invalid_event_type", text);
    }
    Ok(vec![Clause::Field(Field::EventType, condition)])
}

fn payload(selector: Term<'_>) -> Result<Vec<Clause>, InvalidSelector> {
    match selector.as_map() {
        Some(_) => Ok(vec![Clause::Field(
            Field::Data,
            Condition::parse(selector)?,
        )]),
        None => {
            let text = format!("a payload selector is a map, not a {:?}", selector.kind());
            invalid("invalid_payload", text)
        }
    }
}

fn tags(selector: Term<'_>) -> Result<Vec<Box<[u8]>>, InvalidSelector> {
    let name = |term: Term<'_>| {
        term.as_binary()
            .filter(|name| !name.is_empty())
            .map(Box::from)
    };
    let tags = match (selector.as_binary(), selector.as_proper_list()) {
        (Some(_), _) => name(selector).map(|tag| vec![tag]),
        (_, Some(list)) => list.map(name).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    match tags {
        Some(mut tags) if !tags.is_empty() => {
            tags.sort_unstable();
            tags.dedup();
            Ok(tags)
        }
        _ => invalid("invalid_tags", "tags are a list of one binary or more"),
    }
}

fn pattern(selector: Term<'_>) -> Result<Vec<Clause>, InvalidSelector> {
    if let Some(name) = selector.as_binary() {
        return streams(name);
    }
    let Some(map) = selector.as_map() else {
        let text = format!(
            "an event pattern is a binary or a map, not a {:?}",
            selector.kind()
        );
        return invalid("invalid_pattern", text);
    };
    let mut clauses = Vec::new();
    for (key, value) in map {
        clauses.append(&mut field(key, value)?);
    }
    Ok(clauses)
}

/// The streams whose names match; `$all`, which is no stream's name, means what it means
/// elsewhere.
fn streams(pattern: &[u8]) -> Result<Vec<Clause>, InvalidSelector> {
    if pattern.is_empty() {
        return invalid("invalid_pattern", "a pattern has a byte or more");
    }
    let glob = Glob::new(pattern);
    Ok(match glob.is_any() || pattern == b"$all" {
        true => Vec::new(),
        false => vec![Clause::Stream(glob)],
    })
}

/// What one pair of a pattern asks for.
fn field(key: Term<'_>, value: Term<'_>) -> Result<Vec<Clause>, InvalidSelector> {
    let name = match (key.as_atom(), key.as_binary()) {
        (Some(atom), _) => atom.text(),
        (_, Some(bytes)) => String::from_utf8_lossy(bytes),
        _ => {
            let text = format!(
                "a field's name is an atom or a binary, not a {:?}",
                key.kind()
            );
            return invalid("invalid_pattern", text);
        }
    };
    let Some(field) = Field::named(&name) else {
        let text = format!(
            "events have no field {name}; what is inside data or metadata stands in a map there"
        );
        return invalid("unknown_field", text);
    };
    if field == Field::Stream
        && let Some(pattern) = value.as_binary()
    {
        return streams(pattern);
    }
    if field == Field::Tags
        && let Ok(tags) = tags(value)
    {
        return Ok(tags.into_iter().map(Clause::Tag).collect());
    }
    match Condition::parse(value)? {
        // Every event has every field.
        Condition::Any => Ok(Vec::new()),
        condition if field.can_be(&condition) => Ok(vec![Clause::Field(field, condition)]),
        _ => invalid(
            "invalid_pattern",
            format!("the {name} of an event is never so: {value:?}"),
        ),
    }
}
