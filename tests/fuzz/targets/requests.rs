//! A request of a client, a term: it is understood or refused. Nothing panics, memory is in proportion
//! to the term, and the error is a term.
#![no_main]

#[path = "../../../node/gateway/tests/common/mod.rs"]
mod common;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _understood = common::ask(bytes);
});
