//! How long it takes to read a batch of events: `cargo run --release --example scan_speed`.
//!
//! The batch is a list of 100 event maps of about 540 bytes. Prints nanoseconds per event for
//! checking the list and splitting it into its events, for the check of keys, and for putting the
//! list together again.

use esdb_etf::{Term, put};
use std::hint::black_box;
use std::time::Instant;

const EVENTS: usize = 100;
const ROUNDS: u32 = 2_000;

fn event(out: &mut Vec<u8>, n: i64) {
    put::map(out, 9);
    let binary = |out: &mut Vec<u8>, key: &str, value: &[u8]| {
        put::atom(out, key);
        put::binary(out, value);
    };
    binary(out, "event_id", b"018f4e1c-7a1b-7c3d-9e4f-0123456789ab");
    binary(out, "event_type", b"account_credited_v1");
    binary(out, "stream_id", b"account-0123456789abcdef");
    put::atom(out, "version");
    put::integer(out, n);
    put::atom(out, "data");
    put::map(out, 5);
    binary(out, "account", b"0123456789abcdef");
    binary(out, "currency", b"EUR");
    binary(out, "reference", &[b'r'; 80]);
    put::atom(out, "amount");
    put::integer(out, 1_000_000 + n);
    put::atom(out, "rate");
    put::float(out, 1.25);
    put::atom(out, "metadata");
    put::map(out, 2);
    binary(
        out,
        "correlation_id",
        b"018f4e1c-7a1b-7c3d-9e4f-ba9876543210",
    );
    binary(out, "causation_id", b"018f4e1c-7a1b-7c3d-9e4f-aaaaaaaaaaaa");
    put::atom(out, "timestamp");
    put::integer(out, 1_731_000_000_000);
    put::atom(out, "epoch_us");
    put::integer(out, 1_731_000_000_000_000 + n);
    binary(out, "data_content_type", b"application/x-erlang-term");
}

/// Prints the best of ten measurements of `run`, which treats all events once.
fn measure(what: &str, mut run: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        (0..ROUNDS / 10).for_each(|_| run());
        let ns = start.elapsed().as_nanos() as f64 / f64::from(ROUNDS / 10) / EVENTS as f64;
        best = best.min(ns);
    }
    println!("{what:<28} {best:6.1} ns/event");
}

fn main() -> Result<(), esdb_etf::Error> {
    let mut list = Vec::new();
    put::list(&mut list, EVENTS);
    (0..EVENTS as i64).for_each(|n| event(&mut list, n));
    put::nil(&mut list);
    println!("{EVENTS} events of {} bytes", list.len() / EVENTS);
    let term = Term::parse(&list)?;
    term.check_keys()?;
    let split: Vec<&[u8]> = term
        .as_list()
        .into_iter()
        .flatten()
        .map(Term::as_bytes)
        .collect();

    let mut slices: Vec<&[u8]> = Vec::with_capacity(EVENTS);
    measure("check and split in one", || {
        slices.clear();
        let tail = Term::parse_list(black_box(&list), |event| slices.push(event.as_bytes()));
        let _ = black_box((tail, &slices));
    });
    measure("check", || {
        let _ = black_box(Term::parse(black_box(&list)));
    });
    measure("split", || {
        slices.clear();
        slices.extend(
            black_box(term)
                .as_list()
                .into_iter()
                .flatten()
                .map(Term::as_bytes),
        );
        black_box(&slices);
    });
    measure("check keys", || {
        let _ = black_box(black_box(term).check_keys());
    });
    let mut out = Vec::with_capacity(list.len());
    measure("put together again", || {
        out.clear();
        put::list(&mut out, split.len());
        black_box(&split)
            .iter()
            .for_each(|event| out.extend_from_slice(event));
        put::nil(&mut out);
        black_box(&out);
    });
    Ok(())
}
