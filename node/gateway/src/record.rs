//! The `#event{}` record, and lists of it.

use esdb_etf::{put, tag};
use esdb_store::RecordedEvent;

/// A reply that has become longer than this, in bytes, is not sent, so it does not grow further: a
/// request for everything that a large store holds must not use up the server's memory.
pub(crate) const MAX_REPLY: usize = 192 << 20;

/// Appends one `#event{}` of `arity` elements (11, 12 or 15) to `out`. What the client sent goes out
/// as the bytes it came as.
pub(crate) fn event(out: &mut Vec<u8>, arity: usize, event: &RecordedEvent<'_>) {
    put::tuple(out, arity);
    put::atom(out, "event");
    out.extend_from_slice(event.id);
    out.extend_from_slice(event.event_type);
    put::binary(out, event.stream);
    put::unsigned(out, event.version);
    out.extend_from_slice(event.data);
    out.extend_from_slice(event.metadata);
    if arity > 11 {
        out.extend_from_slice(event.tags);
    }
    put::unsigned(out, event.epoch_us / 1000);
    put::unsigned(out, event.epoch_us);
    out.extend_from_slice(event.data_content_type);
    out.extend_from_slice(event.metadata_content_type);
    if arity > 12 {
        for _integrity_field in 0..3 {
            put::atom(out, "undefined");
        }
    }
}

/// Appends `{ok, [#event{}]}`, the events being those that `read` visits, until that is more than
/// [`MAX_REPLY`]; what `read` returns is passed on.
pub(crate) fn events<T>(
    out: &mut Vec<u8>,
    arity: usize,
    read: impl FnOnce(&mut dyn FnMut(RecordedEvent<'_>)) -> T,
) -> T {
    put::tuple(out, 2);
    put::atom(out, "ok");
    let head = out.len();
    put::list(out, 0);
    let mut count: u32 = 0;
    let result = read(&mut |recorded| {
        if out.len() <= MAX_REPLY {
            event(out, arity, &recorded);
            count += 1;
        }
    });
    match count {
        0 => out.truncate(head),
        _ => fill_in(out, head, count),
    }
    out.push(tag::NIL);
    result
}

/// Writes the length of the list whose head stands at `head`.
fn fill_in(out: &mut [u8], head: usize, count: u32) {
    if let Some(length) = out.get_mut(head + 1..head + 5) {
        length.copy_from_slice(&count.to_be_bytes());
    }
}

/// Appends an event as the map that consumers of persistent subscriptions get.
pub(crate) fn event_map(out: &mut Vec<u8>, event: &RecordedEvent<'_>) {
    put::map(out, 12);
    put::atom(out, "stream_id");
    put::binary(out, event.stream);
    for (key, number) in [
        ("position", event.position),
        ("version", event.version),
        ("timestamp", event.epoch_us / 1000),
        ("epoch_us", event.epoch_us),
    ] {
        put::atom(out, key);
        put::unsigned(out, number);
    }
    for (key, raw) in [
        ("event_id", event.id),
        ("event_type", event.event_type),
        ("data", event.data),
        ("metadata", event.metadata),
        ("tags", event.tags),
        ("data_content_type", event.data_content_type),
        ("metadata_content_type", event.metadata_content_type),
    ] {
        put::atom(out, key);
        out.extend_from_slice(raw);
    }
}
