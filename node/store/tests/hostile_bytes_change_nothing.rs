//! Bytes that no builder wrote are refused, command by command or as a batch; nothing panics, and
//! what is refused leaves no trace.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Expected, LogPosition, Outcome, Space, Store, batch};
use proptest::prelude::*;
use std::rc::Rc;
use support::{Event, append, events, open, put, records, remove};

thread_local! {
    /// The store of one test: each runs on a thread of its own, and what one changes is nothing to the
    /// others.
    static STORE: (tempfile::TempDir, Rc<Store>) = {
        let dir = tempfile::tempdir().unwrap();
        let store = Rc::new(open(dir.path()));
        (dir, store)
    };
}

fn store() -> Rc<Store> {
    STORE.with(|(_, store)| Rc::clone(store))
}

fn apply(command: &[u8]) -> Outcome {
    let mut builder = batch::Builder::new(1);
    builder.push(command);
    let batch = builder.finish();
    store()
        .apply(
            LogPosition {
                term: 1,
                node: 1,
                index: 1,
            },
            batch,
        )
        .unwrap()[0]
}

fn count() -> u64 {
    store().stats().next_position
}

#[test]
fn every_beginning_of_a_command_is_refused() {
    let whole = append("cut", Expected::Exactly(3), &events("x", 3));
    for cut in 0..whole.len() {
        assert_eq!(apply(&whole[..cut]), Outcome::Malformed, "cut at {cut}");
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(apply(&longer), Outcome::Malformed);
    assert_eq!(apply(&whole), Outcome::WrongVersion { current: None });
}

#[test]
fn every_beginning_of_a_change_of_records_is_refused() {
    let whole = records(&[put(1, "cut", "value"), remove(2, "cut")]);
    for cut in 0..whole.len() {
        assert_eq!(apply(&whole[..cut]), Outcome::Malformed, "cut at {cut}");
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(apply(&longer), Outcome::Malformed);
    let unknown = [&whole[..6], &[3], &whole[7..]].concat();
    assert_eq!(apply(&unknown), Outcome::Malformed);
    let mut lies = records(&[]);
    lies[2..6].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(apply(&lies), Outcome::Malformed);
    assert_eq!(store().view().count_records(Space(1)), 0);
}

#[test]
fn a_count_that_lies_is_refused() {
    let mut command = append("lies", Expected::Any, &[]);
    let at = command.len() - 4;
    command[at..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(apply(&command), Outcome::Malformed);
}

/// Tags are checked before they come here; were they not, what cannot be read bears no tag.
#[test]
fn tags_that_are_no_list_are_no_tags() {
    for tags in [
        &b""[..],
        b"\x6c\xff\xff\xff\xff",
        b"\x61\x01",
        b"\x6c\x00\x00\x00\x01\x61\x01\x6a",
    ] {
        let event = Event {
            tags: tags.to_vec(),
            ..Event::new("t", "t", "t", &[]).unnamed()
        };
        let outcome = apply(&append("tags", Expected::Any, &[event]));
        assert!(matches!(outcome, Outcome::Appended { .. }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_no_batch_or_change_nothing(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let before = count();
        let _ = store().apply(LogPosition { term: 1, node: 1, index: 1 }, bytes.into());
        prop_assert_eq!(count(), before);
    }

    #[test]
    fn a_changed_byte_is_refused_or_changes_only_what_it_says(at in any::<usize>(), to in any::<u8>()) {
        let mut command = append("changed", Expected::Exactly(9_999), &events("x", 2));
        let at = at % command.len();
        command[at] = to;
        let before = count();
        let appended = matches!(apply(&command), Outcome::Appended { .. });
        prop_assert_eq!(count() > before, appended);
    }
}
