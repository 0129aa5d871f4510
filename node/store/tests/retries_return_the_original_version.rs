//! The same named events again return what they returned first, whatever version is expected; some
//! of them again are a conflict; the same name with other bytes is another event.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Expected, Outcome};
use support::{Event, Logged, events};

const ORIGINAL: Outcome = Outcome::Appended {
    version: 4,
    position: 4,
};

/// A stream of 5, another stream's 2, then 5 more.
fn three_appends() -> (Logged, Vec<Event>) {
    let mut logged = Logged::new();
    let first = events("first", 5);
    assert_eq!(logged.append("a", Expected::NoStream, &first), ORIGINAL);
    logged.append("b", Expected::Any, &events("other", 2));
    logged.append("a", Expected::Any, &events("second", 5));
    (logged, first)
}

#[test]
fn whatever_is_expected() {
    let (mut logged, first) = three_appends();
    for expected in [
        Expected::NoStream,
        Expected::Any,
        Expected::Exactly(77),
        Expected::Exists,
    ] {
        assert_eq!(logged.append("a", expected, &first), ORIGINAL);
    }
    assert_eq!(logged.store.stats().events, 12);
}

#[test]
fn contiguous_anywhere() {
    let (mut logged, first) = three_appends();
    let middle = logged.append("a", Expected::NoStream, &first[1..3]);
    assert_eq!(
        middle,
        Outcome::Appended {
            version: 2,
            position: 2
        }
    );
    // The end of one append and the beginning of the next stand side by side in the stream.
    let across = [first[4].clone(), events("second", 1)[0].clone()];
    let across = logged.append("a", Expected::NoStream, &across);
    assert_eq!(
        across,
        Outcome::Appended {
            version: 5,
            position: 7
        }
    );
}

#[test]
fn a_partial_overlap_is_a_conflict() {
    let (mut logged, first) = three_appends();
    let conflict = Outcome::WrongVersion { current: Some(9) };
    let new = events("new", 1).remove(0);
    for mixed in [
        vec![first[4].clone(), new.clone()],
        vec![new.clone(), first[0].clone()],
        vec![first[0].clone(), first[2].clone()],
        vec![first[1].clone(), first[0].clone()],
        vec![first[0].clone(), first[1].clone().unnamed()],
    ] {
        assert_eq!(logged.append("a", Expected::Any, &mixed), conflict);
    }
    assert_eq!(logged.store.stats().events, 12);
}

#[test]
fn other_bytes_or_another_stream_or_no_name_make_a_new_event() {
    let (mut logged, first) = three_appends();
    let original = &first[2];
    let other_data = Event {
        data: support::binary(b"else"),
        ..original.clone()
    };
    let other_type = Event {
        event_type: support::binary(b"else"),
        ..original.clone()
    };
    let mut version = 9;
    for event in [
        other_data,
        other_type,
        original.clone().unnamed(),
        original.clone().unnamed(),
    ] {
        version += 1;
        let outcome = logged.append("a", Expected::Any, &[event]);
        assert!(matches!(outcome, Outcome::Appended { version: v, .. } if v == version));
    }
    let outcome = logged.append("b", Expected::Any, std::slice::from_ref(original));
    assert!(matches!(outcome, Outcome::Appended { version: 2, .. }));
    // The original is still known beside its namesakes.
    let outcome = logged.append("a", Expected::Any, std::slice::from_ref(original));
    assert_eq!(
        outcome,
        Outcome::Appended {
            version: 2,
            position: 2
        }
    );
}

#[test]
fn after_a_checkpoint_and_a_restart() {
    let (mut logged, first) = three_appends();
    logged.store.checkpoint().unwrap();
    assert_eq!(logged.append("a", Expected::NoStream, &first), ORIGINAL);
    logged = logged.reopen();
    assert_eq!(logged.append("a", Expected::NoStream, &first), ORIGINAL);
    // Half of the window on disk, half in memory.
    logged = logged.reopen();
    let third = events("third", 5);
    let outcome = logged.append("a", Expected::Any, &third);
    assert_eq!(
        outcome,
        Outcome::Appended {
            version: 14,
            position: 16
        }
    );
    logged = logged.reopen();
    assert_eq!(logged.append("a", Expected::Any, &third), outcome);
    assert_eq!(logged.append("a", Expected::NoStream, &first), ORIGINAL);
    let across = [events("second", 5)[4].clone(), third[0].clone()];
    let outcome = logged.append("a", Expected::Any, &across);
    assert_eq!(
        outcome,
        Outcome::Appended {
            version: 10,
            position: 12
        }
    );
}

#[test]
fn among_the_last_thousand_events() {
    for checkpoint in [false, true] {
        let mut logged = Logged::new();
        let all = events("e", 1_500);
        for part in all.chunks(70) {
            logged.append("a", Expected::Any, part);
        }
        if checkpoint {
            logged.store.checkpoint().unwrap();
            logged = logged.reopen();
        }
        let oldest = logged.append("a", Expected::Any, &all[500..502]);
        assert_eq!(
            oldest,
            Outcome::Appended {
                version: 501,
                position: 501
            }
        );
        let newest = logged.append("a", Expected::Any, &all[1_499..]);
        assert_eq!(
            newest,
            Outcome::Appended {
                version: 1_499,
                position: 1_499
            }
        );
        let astride = logged.append("a", Expected::Any, &all[499..501]);
        assert_eq!(
            astride,
            Outcome::WrongVersion {
                current: Some(1_499)
            }
        );
        let before = logged.append("a", Expected::Any, &all[499..500]);
        assert_eq!(
            before,
            Outcome::Appended {
                version: 1_500,
                position: 1_500
            }
        );
    }
}

#[test]
fn when_memory_for_windows_is_short() {
    let dir = tempfile::tempdir().unwrap();
    let options = esdb_store::Options {
        cache_bytes: 64 << 10,
        ..Default::default()
    };
    let store = esdb_store::Store::open(dir.path(), options).unwrap();
    let mut logged = Logged {
        dir,
        store,
        ..Logged::new()
    };
    let name = |n: usize| format!("s{n}");
    for n in 0..200 {
        logged.append(&name(n), Expected::NoStream, &events(&name(n), 40));
    }
    logged.store.checkpoint().unwrap();
    for n in 0..200 {
        let outcome = logged.append(&name(n), Expected::NoStream, &events(&name(n), 40));
        let position = n as u64 * 40 + 39;
        assert_eq!(
            outcome,
            Outcome::Appended {
                version: 39,
                position
            }
        );
    }
}

#[test]
fn when_memory_for_windows_becomes_short() {
    let mut logged = Logged::new();
    let name = |n: usize| format!("s{n}");
    for n in 0..200 {
        logged.append(&name(n), Expected::NoStream, &events(&name(n), 40));
    }
    // A window of 40 hashes each, with its filter.
    let freed = allocation_counter::measure(|| logged.store.set_window_bytes(0));
    assert!(freed.bytes_current < -200 * 40 * 8, "{freed:?}");
    let again = logged.append("s7", Expected::NoStream, &events("s7", 40));
    assert!(
        matches!(again, Outcome::Appended { version: 39, .. }),
        "{again:?}"
    );
}

#[test]
fn not_of_an_earlier_incarnation() {
    let (mut logged, first) = three_appends();
    logged.delete("a");
    let outcome = logged.append("a", Expected::NoStream, &first);
    assert_eq!(
        outcome,
        Outcome::Appended {
            version: 4,
            position: 16
        }
    );
    logged.store.checkpoint().unwrap();
    assert_eq!(logged.append("a", Expected::NoStream, &first), outcome);
}
