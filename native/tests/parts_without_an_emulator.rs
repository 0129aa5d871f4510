//! The parts of the library that touch no terms, with their tests: a library of NIFs links into an emulator only, so
//! these files are compiled once more, alone.
#![allow(
    dead_code,
    missing_docs,
    reason = "each part is used here by its own tests alone"
)]

#[path = "../src/base58/mod.rs"]
mod base58;
#[path = "../src/base64.rs"]
mod base64;
#[path = "../src/digraph.rs"]
mod digraph;
#[path = "../src/lz4.rs"]
mod lz4;
#[path = "../src/pcre.rs"]
mod pcre;
#[path = "../src/wildcard.rs"]
mod wildcard;
