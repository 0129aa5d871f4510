//! What the server says about itself: `rs_esdb:info/0` and `{list_stores}`.

use crate::gateway::{Gateway, RefusedStore};
use crate::served::ServedStore;
use crate::store_options::option;
use esdb_dist::ConnectionInfo;
use esdb_etf::{Term, put};
use esdb_log::State;
use std::time::{Duration, Instant};

/// `#{node, version, stores => [#{name, uuid, state, ...}], connections => [#{node, queued_bytes}]}`,
/// all text as binaries.
pub(crate) fn put(out: &mut Vec<u8>, gateway: &Gateway) {
    map(out, |fields| {
        fields.put("node", |out| put::atom(out, gateway.node().name()));
        fields.put("version", |out| {
            put::binary(out, env!("CARGO_PKG_VERSION").as_bytes());
        });
        fields.put("stores", |out| {
            let refused = gateway.refused().into_iter().map(Err);
            let stores: Vec<_> = gateway
                .stores()
                .into_iter()
                .map(Ok)
                .chain(refused)
                .collect();
            list(out, &stores, |out, store| match store {
                Ok(served) => store_info(out, served),
                Err(refused) => refused_info(out, refused),
            });
        });
        fields.put("connections", |out| {
            list(out, &gateway.connections(), connection_info);
        });
    });
}

fn connection_info(out: &mut Vec<u8>, connection: &ConnectionInfo) {
    map(out, |fields| {
        fields.put("node", |out| put::atom(out, &connection.peer));
        fields.put("queued_bytes", |out| {
            put::unsigned(out, connection.queued_bytes as u64);
        });
    });
}

/// `{ok, [#{store_id, data_dir, mode, timeout, node, registered_at}]}`, as reckon_db 1.2 answers.
pub(crate) fn list_stores(out: &mut Vec<u8>, gateway: &Gateway) {
    put::tuple(out, 2);
    put::atom(out, "ok");
    list(out, &gateway.stores(), |out, store| {
        map(out, |fields| {
            put_config(fields, store);
            fields.put("node", |out| put::atom(out, gateway.node().name()));
            fields.put("registered_at", |out| {
                put::unsigned(out, store.registered_at);
            });
        });
    });
}

/// `#{store_id, data_dir, mode, timeout, options}`, `options` as they were given.
pub(crate) fn store_config(out: &mut Vec<u8>, store: &ServedStore) {
    map(out, |fields| {
        put_config(fields, store);
        fields.put("options", |out| {
            out.extend_from_slice(&store.directory.options)
        });
    });
}

/// What a store was created with; `timeout` in milliseconds, the default if none was given.
fn put_config(fields: &mut Fields, store: &ServedStore) {
    let options = Term::parse(&store.directory.options).ok();
    let timeout = options
        .and_then(|options| option(options, "timeout"))
        .and_then(Term::as_u64);
    fields.put("store_id", |out| put::atom(out, &store.name));
    fields.put("data_dir", |out| {
        put::binary(out, store.directory.path.to_string_lossy().as_bytes());
    });
    fields.put("mode", |out| put::atom(out, "single"));
    fields.put("timeout", |out| put::unsigned(out, timeout.unwrap_or(5000)));
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
    map(out, |fields| {
        fields.put("name", |out| put::atom(out, &store.name));
        fields.put("uuid", |out| put::binary(out, store.uuid().as_bytes()));
        fields.put("directory", |out| {
            put::binary(out, store.directory.path.to_string_lossy().as_bytes());
        });
        fields.put("state", |out| {
            put::atom(
                out,
                match status.state {
                    State::Serving => "serving",
                    State::Stopped(_) => "stopped",
                },
            )
        });
        fields.put("reason", |out| match &status.state {
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
            ("batches", Some(status.batches)),
            ("batches_us", Some(micros(status.spent.batches))),
            ("disk_us", Some(micros(status.spent.disk))),
            ("apply_us", Some(micros(status.spent.apply))),
            ("answers_us", Some(micros(status.spent.answers))),
            ("offered_ms", offered),
        ] {
            fields.put(key, |out| match value {
                Some(value) => put::unsigned(out, value),
                None => put::atom(out, "undefined"),
            });
        }
        fields.put("conflict", |out| text_or_undefined(out, conflict));
        fields.put("torn_tail", |out| text_or_undefined(out, torn_tail));
        fields.put("checkpoint_error", |out| {
            text_or_undefined(out, status.checkpoint_error)
        });
        fields.put("disk_error", |out| {
            text_or_undefined(out, status.disk_error)
        });
        let behind = status.clock_behind.map(|behind| {
            let seconds = behind.as_secs_f64();
            format!("the clock is {seconds:.1} s behind the last event's time")
        });
        fields.put("clock", |out| text_or_undefined(out, behind));
    });
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// One store that did not open, with the fields of [`store_info`] that say so.
fn refused_info(out: &mut Vec<u8>, store: &RefusedStore) {
    map(out, |fields| {
        fields.put("name", |out| put::atom(out, &store.name));
        fields.put("directory", |out| {
            put::binary(out, store.path.to_string_lossy().as_bytes());
        });
        fields.put("state", |out| put::atom(out, "refused"));
        fields.put("reason", |out| put::binary(out, store.reason.as_bytes()));
        fields.put("conflict", |out| put::atom(out, "undefined"));
    });
}

/// Writes a map of what `write` puts into it.
fn map(out: &mut Vec<u8>, write: impl FnOnce(&mut Fields)) {
    let mut fields = Fields::default();
    write(&mut fields);
    put::map(out, fields.count);
    out.extend_from_slice(&fields.bytes);
}

/// The pairs of a map, counted.
#[derive(Default)]
struct Fields {
    count: usize,
    bytes: Vec<u8>,
}

impl Fields {
    fn put(&mut self, key: &str, value: impl FnOnce(&mut Vec<u8>)) {
        put::atom(&mut self.bytes, key);
        value(&mut self.bytes);
        self.count += 1;
    }
}

fn text_or_undefined(out: &mut Vec<u8>, text: Option<String>) {
    match text {
        Some(text) => put::binary(out, text.as_bytes()),
        None => put::atom(out, "undefined"),
    }
}

fn list<T>(out: &mut Vec<u8>, items: &[T], item: impl Fn(&mut Vec<u8>, &T)) {
    if !items.is_empty() {
        put::list(out, items.len());
    }
    for each in items {
        item(out, each);
    }
    put::nil(out);
}
