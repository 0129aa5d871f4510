//! What the server says about itself: `rs_esdb:info/0` and `{list_stores}`.

use crate::gateway::Gateway;
use crate::served::ServedStore;
use esdb_etf::{Term, put};
use esdb_log::State;
use std::time::Instant;

/// `#{node, version, stores => [#{name, uuid, state, ...}], connections => [#{node, queued_bytes}]}`,
/// all text as binaries.
pub(crate) fn put(out: &mut Vec<u8>, gateway: &Gateway) {
    put::map(out, 4);
    put::atom(out, "node");
    put::atom(out, gateway.node().name());
    put::atom(out, "version");
    put::binary(out, env!("CARGO_PKG_VERSION").as_bytes());
    put::atom(out, "stores");
    list(out, &gateway.stores(), store_info);
    put::atom(out, "connections");
    let connections = gateway.connections();
    if !connections.is_empty() {
        put::list(out, connections.len());
    }
    for connection in &connections {
        put::map(out, 2);
        field(out, "node", |out| put::atom(out, &connection.peer));
        field(out, "queued_bytes", |out| {
            put::unsigned(out, connection.queued_bytes as u64);
        });
    }
    put::nil(out);
}

/// `{ok, [#{store_id, data_dir, mode, timeout, node, registered_at}]}`, as reckon_db 1.2 answers.
pub(crate) fn list_stores(out: &mut Vec<u8>, gateway: &Gateway) {
    put::tuple(out, 2);
    put::atom(out, "ok");
    list(out, &gateway.stores(), |out, store| {
        put::map(out, CONFIG_FIELDS + 2);
        config_fields(out, store);
        field(out, "node", |out| put::atom(out, gateway.node().name()));
        field(out, "registered_at", |out| {
            put::unsigned(out, store.registered_at);
        });
    });
}

/// `#{store_id, data_dir, mode, timeout, options}`, `options` as they were given.
pub(crate) fn store_config(out: &mut Vec<u8>, store: &ServedStore) {
    put::map(out, CONFIG_FIELDS + 1);
    config_fields(out, store);
    field(out, "options", |out| {
        out.extend_from_slice(&store.directory.options)
    });
}

/// How many fields [`config_fields`] writes.
const CONFIG_FIELDS: usize = 4;

/// What a store was created with; `timeout` in milliseconds, the default if none was given.
fn config_fields(out: &mut Vec<u8>, store: &ServedStore) {
    let options = Term::parse(&store.directory.options).ok();
    let timeout = options
        .and_then(|options| option(options, "timeout"))
        .and_then(Term::as_u64);
    field(out, "store_id", |out| put::atom(out, &store.name));
    field(out, "data_dir", |out| {
        put::binary(out, store.directory.path.to_string_lossy().as_bytes());
    });
    field(out, "mode", |out| put::atom(out, "single"));
    field(out, "timeout", |out| {
        put::unsigned(out, timeout.unwrap_or(5000))
    });
}

/// The value of a key in a keyword list or a map.
fn option<'a>(options: Term<'a>, key: &str) -> Option<Term<'a>> {
    match options.as_map() {
        Some(map) => map.get(key),
        None => options
            .as_list()?
            .filter_map(|option| option.as_array())
            .find_map(|[name, value]| name.is_atom(key).then_some(value)),
    }
}

/// One store: text as binaries, counts as integers, `undefined` where there is nothing to tell.
fn store_info(out: &mut Vec<u8>, store: &ServedStore) {
    let status = store.replica.status();
    let (offered, conflict) = {
        let offer = store.offer.lock();
        let conflict = offer.conflict().map(str::to_owned);
        (offer.age(Instant::now()), conflict)
    };
    let offered = offered.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    let torn_tail = status.torn_tail.map(|cut| match cut.last_index {
        Some(last) => format!("cut {} bytes after entry {last} at start", cut.bytes),
        None => format!("cut {} bytes at start, of a log without entries", cut.bytes),
    });
    put::map(out, 15);
    field(out, "name", |out| put::atom(out, &store.name));
    field(out, "uuid", |out| put::binary(out, store.uuid().as_bytes()));
    field(out, "directory", |out| {
        put::binary(out, store.directory.path.to_string_lossy().as_bytes());
    });
    field(out, "state", |out| {
        put::atom(
            out,
            match status.state {
                State::Serving => "serving",
                State::Stopped(_) => "stopped",
            },
        )
    });
    field(out, "reason", |out| match &status.state {
        State::Stopped(reason) => put::binary(out, reason.as_bytes()),
        State::Serving => put::atom(out, "undefined"),
    });
    for (key, value) in [
        ("last_index", status.last_index),
        ("checkpoint_index", status.checkpoint_index),
        ("replayed_entries", Some(status.replayed)),
        ("log_bytes", Some(status.wal_bytes)),
        ("checkpoints", Some(status.checkpoints)),
        ("commands", Some(status.commands)),
        ("offered_ms", offered),
    ] {
        field(out, key, |out| match value {
            Some(value) => put::unsigned(out, value),
            None => put::atom(out, "undefined"),
        });
    }
    field(out, "conflict", |out| text_or_undefined(out, conflict));
    field(out, "torn_tail", |out| text_or_undefined(out, torn_tail));
    field(out, "checkpoint_error", |out| {
        text_or_undefined(out, status.checkpoint_error)
    });
    field(out, "disk_error", |out| {
        text_or_undefined(out, status.disk_error)
    });
    let behind = status.clock_behind.map(|behind| {
        let seconds = behind.as_secs_f64();
        format!("the clock is {seconds:.1} s behind the last event's time")
    });
    field(out, "clock", |out| text_or_undefined(out, behind));
}

fn field(out: &mut Vec<u8>, key: &str, value: impl FnOnce(&mut Vec<u8>)) {
    put::atom(out, key);
    value(out);
}

fn text_or_undefined(out: &mut Vec<u8>, text: Option<String>) {
    match text {
        Some(text) => put::binary(out, text.as_bytes()),
        None => put::atom(out, "undefined"),
    }
}

fn list<T>(out: &mut Vec<u8>, items: &[T], item: impl Fn(&mut Vec<u8>, &ServedStore))
where
    T: AsRef<ServedStore>,
{
    if !items.is_empty() {
        put::list(out, items.len());
    }
    for each in items {
        item(out, each.as_ref());
    }
    put::nil(out);
}
