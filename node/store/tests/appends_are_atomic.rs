//! An append records all of its events or none, and a batch becomes visible at once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Direction, Expected, LogPosition, Outcome, StoreError, batch};
use support::{Logged, append, collect, delete, events};

#[test]
fn a_conflict_records_nothing() {
    let mut logged = Logged::new();
    logged.append("a", Expected::NoStream, &events("first", 3));
    for expected in [
        Expected::NoStream,
        Expected::Exactly(1),
        Expected::Exactly(3),
        Expected::ExactlyOrEmpty(0),
    ] {
        let outcome = logged.append("a", expected, &events("second", 2));
        assert_eq!(outcome, Outcome::WrongVersion { current: Some(2) });
    }
    for expected in [
        Expected::Exists,
        Expected::Exactly(0),
        Expected::ExactlyOrEmpty(1),
    ] {
        let outcome = logged.append("b", expected, &events("third", 2));
        assert_eq!(outcome, Outcome::WrongVersion { current: None });
    }
    assert_eq!(logged.store.stats().events, 3);
    assert_eq!(logged.store.view().streams().unwrap(), [b"a"]);
    let outcome = logged.append("a", Expected::Exactly(2), &events("second", 2));
    assert_eq!(
        outcome,
        Outcome::Appended {
            version: 4,
            position: 4
        }
    );
    let outcome = logged.append("b", Expected::ExactlyOrEmpty(0), &events("third", 1));
    assert_eq!(
        outcome,
        Outcome::Appended {
            version: 0,
            position: 5
        }
    );
}

#[test]
fn a_damaged_event_among_good_ones_records_nothing() {
    let mut logged = Logged::new();
    let good = append("a", Expected::Any, &events("good", 3));
    let mut damaged = good.clone();
    // The flags of the last event: seven one-byte lengths and the fields follow them.
    let at = damaged
        .windows(6)
        .rposition(|bytes| bytes == b"good-2")
        .unwrap()
        - 13;
    assert_eq!(damaged[at], 1);
    damaged[at] = 0xff;
    let outcomes = logged.apply(&[damaged, good, vec![], vec![9, 9, 0], delete("a")]);
    assert_eq!(
        outcomes,
        [
            Outcome::Malformed,
            Outcome::Appended {
                version: 2,
                position: 2
            },
            Outcome::Malformed,
            Outcome::Malformed,
            Outcome::Deleted { existed: true },
        ]
    );
}

#[test]
fn a_batch_that_is_cut_short_changes_nothing() {
    let logged = Logged::new();
    let mut builder = batch::Builder::new(1);
    assert!(builder.is_empty());
    for n in 0..3 {
        builder.push(&append("a", Expected::Any, &events(&format!("{n}"), 2)));
    }
    assert_eq!(builder.len(), 3);
    let size = builder.bytes();
    let whole = builder.finish();
    assert_eq!(whole.len(), size);
    let at = LogPosition {
        term: 1,
        node: 1,
        index: 1,
    };
    for cut in (0..whole.len()).filter(|cut| *cut < 9 || *cut > whole.len() - 40) {
        let error = logged.store.apply(at, whole.slice(..cut)).unwrap_err();
        assert!(
            matches!(error, StoreError::Batch(_)),
            "cut at {cut}: {error}"
        );
    }
    assert_eq!(logged.store.applied().last, None);
    assert!(!logged.store.view().has_events().unwrap());
    assert_eq!(logged.store.apply(at, whole).unwrap().len(), 3);
}

#[test]
fn an_append_of_no_events_changes_nothing() {
    let mut logged = Logged::new();
    for expected in [Expected::Any, Expected::Exists, Expected::Exactly(7)] {
        let outcome = logged.append("a", expected, &[]);
        assert_eq!(outcome, Outcome::Unchanged { current: None });
    }
    logged.append("a", Expected::Any, &events("x", 2));
    let outcome = logged.append("a", Expected::NoStream, &[]);
    assert_eq!(outcome, Outcome::Unchanged { current: Some(1) });
}

#[test]
fn a_view_stays_as_it_was() {
    let mut logged = Logged::new();
    logged.append("a", Expected::Any, &events("x", 3));
    logged.append("b", Expected::Any, &events("y", 3));
    let view = logged.store.view();
    let all = |view: &esdb_store::View| collect(|visit| view.read_all(0, 100, visit));
    let before = all(&view);
    logged.append("a", Expected::Any, &events("z", 300));
    logged.delete("b");
    for _ in 0..2 {
        assert_eq!(all(&view), before);
        assert_eq!(view.version(b"a").unwrap(), Some(2));
        assert_eq!(view.streams().unwrap(), [b"a", b"b"]);
        let read = collect(|v| view.read_stream(b"b", 2, 9, Direction::Backward, v));
        assert_eq!(read.len(), 3);
        let thing = support::binary(b"thing");
        assert_eq!(collect(|v| view.read_by_types(&[&thing], 100, v)), before);
        logged.store.checkpoint().unwrap();
    }
    assert_eq!(all(&logged.store.view()).len(), 100);
}
