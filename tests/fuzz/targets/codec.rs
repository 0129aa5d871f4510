//! Terms: reading, finding the end, checking keys and writing anew agree; nothing panics, and memory
//! is in proportion to the input.
#![no_main]

#[path = "../../../node/etf/tests/common/mod.rs"]
mod common;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _is_term = common::read::read(bytes);
});
