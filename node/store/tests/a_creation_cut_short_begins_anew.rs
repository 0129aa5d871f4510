//! A store whose creation a crash cut short is created by the next opening; whatever was left behind
//! is nobody's data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use esdb_store::{Options, Store};
use std::fs;
use std::path::Path;

fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What a creation holds on disk at its steps: no byte, a length, half of its pages.
#[test]
fn whatever_it_left() {
    let made = tempfile::tempdir().unwrap();
    drop(Store::open(made.path(), Options::default()).unwrap());
    let whole = fs::read(made.path().join("state.redb")).unwrap();
    let zeros = vec![0; whole.len()];
    let mut half = whole.clone();
    half[whole.len() / 2..].fill(0);
    let mut no_magic = whole.clone();
    no_magic[..9].fill(0);
    for left in [&[][..], &zeros, &half, &no_magic, &whole] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("state.new"), left).unwrap();
        let uuid = Store::open(dir.path(), Options::default()).unwrap().uuid();
        assert_eq!(files(dir.path()), ["state.redb"]);
        let again = Store::open(dir.path(), Options::default()).unwrap();
        assert_eq!(again.uuid(), uuid, "created once");
    }
}

/// The file has its name only when it holds a store: what stands there is never created anew.
#[test]
fn a_file_without_a_store_is_refused_and_kept() {
    for left in [&[][..], &[0; 1 << 20]] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state.redb");
        fs::write(&file, left).unwrap();
        Store::open(dir.path(), Options::default()).expect_err("no store");
        assert!(fs::read(&file).unwrap() == left);
    }
}
