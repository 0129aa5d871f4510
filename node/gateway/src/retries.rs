//! What the published clients do with each error: a permanent one must be one that they do not send
//! the request again for, since they do so for about a minute; one that may pass must be retried.

use crate::generation::Generation;
use crate::refusal::{self, Refusal};
use esdb_etf::{Term, put};
use esdb_log::Unavailable;
use esdb_store::StoreError;
use esdb_subscription::Selector;

/// Versions of the client library that treat errors alike.
struct Library {
    /// The first and the last of them.
    versions: &'static str,
    generation: Generation,
    /// Whether everything is retried that is not listed, or nothing.
    by_default: bool,
    /// The errors that are not retried, or else those that are: names, with the number of elements
    /// of the tuple that each is the first of (1: a bare atom).
    listed: &'static [(&'static str, usize)],
}

/// Source: `is_retriable_error` in the client library's module for retries, at each version.
const LIBRARIES: [Library; 9] = [
    Library {
        versions: "1.0.1",
        generation: Generation::Esdb,
        by_default: false,
        listed: &[
            ("timeout", 1),
            ("worker_down", 1),
            ("node_down", 1),
            ("no_workers", 1),
            ("noproc", 2),
            ("nodedown", 2),
            ("exit", 2),
        ],
    },
    retrying_all_but("1.0.2-1.3.1", Generation::Esdb, 3),
    retrying_all_but("1.3.2", Generation::Esdb, 4),
    retrying_all_but("2.0.0-2.1.0", Generation::Reckon, 4),
    retrying_all_but("2.1.1", Generation::Reckon, 5),
    retrying_all_but("2.1.2", Generation::Reckon, 6),
    retrying_all_but("2.1.3", Generation::Reckon, 7),
    retrying_all_but("2.1.4-3.7.1", Generation::Reckon, 8),
    retrying_all_but("3.7.2-3.8.0", Generation::Reckon, 9),
];

/// Errors that are not retried, in the order in which they were added.
const NOT_RETRIED: &[(&str, usize)] = &[
    ("stream_not_found", 2),
    ("wrong_expected_version", 2),
    ("not_found", 1),
    ("wrong_expected_version", 3),
    ("invalid_stream_id", 3),
    ("invalid_filter", 2),
    ("subscription_not_found", 2),
    ("no_snapshot", 2),
    ("context_changed", 2),
];

/// A library that knows the first `count` of [`NOT_RETRIED`].
const fn retrying_all_but(versions: &'static str, generation: Generation, count: usize) -> Library {
    Library {
        versions,
        generation,
        by_default: true,
        listed: NOT_RETRIED.split_at(count).0,
    }
}

impl Library {
    /// Whether it sends a request again that was answered with `reply`.
    fn retries(&self, reply: &[u8]) -> bool {
        let reply = Term::parse(reply).unwrap();
        let [error, reason] = reply.as_array().unwrap();
        assert!(error.is_atom("error"));
        let (name, size) = match reason.as_tuple() {
            Some(mut elements) => (elements.next().unwrap(), elements.count() + 1),
            None => (reason, 1),
        };
        let is_listed = |&(listed, of): &(&str, usize)| of == size && name.is_atom(listed);
        self.by_default != self.listed.iter().any(is_listed)
    }
}

/// One of each.
fn every_refusal() -> [Refusal; 6] {
    // Whoever adds one is reminded here to put it into the list.
    let _all_of_them = |refusal: Refusal| match refusal {
        Refusal::InvalidEvent { .. }
        | Refusal::InvalidRequest { .. }
        | Refusal::InvalidStreamId { .. }
        | Refusal::InvalidFilter(_)
        | Refusal::UnknownStore(_)
        | Refusal::UnknownRequest(_)
        | Refusal::TooLarge(_) => {}
    };
    [
        Refusal::InvalidEvent {
            number: 1,
            problem: "no data".into(),
        },
        Refusal::argument("count", "it is below 0"),
        Refusal::InvalidStreamId {
            why: "malformed_user_id",
            id: written(|out| put::binary(out, b"s")),
        },
        Refusal::UnknownStore("s".into()),
        Refusal::UnknownRequest("frobnicate".into()),
        Refusal::TooLarge("it has 2 bytes, the most is 1".into()),
    ]
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

#[test]
fn no_version_retries_a_permanent_error() {
    for library in &LIBRARIES {
        let versions = library.versions;
        for refusal in every_refusal() {
            let reply = written(|out| library.generation.refused(out, &refusal));
            // Stores that are strict about stream ids are for those who know them.
            let is_strict = matches!(refusal, Refusal::InvalidStreamId { .. });
            let retries = is_strict && versions == "2.0.0-2.1.0";
            assert_eq!(library.retries(&reply), retries, "{versions}: {refusal:?}");
        }
        let not_found = written(|out| refusal::stream_not_found(out, b"s"));
        assert!(!library.retries(&not_found), "{versions}: missing stream");
        let none = written(refusal::not_found);
        assert!(!library.retries(&none), "{versions}: missing snapshot");
        let expected = written(|out| put::atom(out, "no_stream"));
        let conflict = written(|out| {
            library.generation.wrong_expected_version(out, &expected, 3);
        });
        assert!(!library.retries(&conflict), "{versions}: version conflict");
    }
}

#[test]
fn whoever_waits_for_a_subscription_does_not_repeat_a_senseless_one() {
    let (kind, selector) = (
        written(|out| put::atom(out, "by_stream")),
        written(put::nil),
    );
    let [kind, selector] = [&kind, &selector].map(|term| Term::parse(term).unwrap());
    let invalid = Selector::parse(kind, selector).unwrap_err();
    let senseless = written(|out| refusal::refused(out, &Refusal::InvalidFilter(invalid)));
    let unknown = written(|out| refusal::subscription_not_found(out, b"name"));
    let from = |first: &str| {
        let first = LIBRARIES
            .iter()
            .position(|library| library.versions.starts_with(first));
        LIBRARIES.iter().skip(first.unwrap())
    };
    assert!(from("2.1.2").all(|library| !library.retries(&senseless)));
    assert!(from("2.1.3").all(|library| !library.retries(&unknown)));
}

#[test]
fn an_answer_that_is_too_large_is_not_retried_from_2_1_2_on() {
    for library in &LIBRARIES {
        let reply = written(|out| library.generation.reply_too_large(out, 72 << 20));
        let knows_a_shape = library.listed.contains(&("invalid_filter", 2));
        let retries = library.by_default && !knows_a_shape;
        assert_eq!(library.retries(&reply), retries, "{}", library.versions);
        // What adapters take for an empty stream.
        let [_, reason] = Term::parse(&reply).unwrap().as_array().unwrap();
        let [name, _] = reason.as_array().unwrap();
        assert!(!name.is_atom("stream_not_found"), "{}", library.versions);
    }
}

#[test]
fn what_may_pass_is_retried() {
    let replies = [
        written(|out| refusal::unavailable(out, &Unavailable::Overloaded)),
        written(|out| refusal::unavailable(out, &Unavailable::DiskFull("full".into()))),
        written(|out| refusal::unavailable(out, &Unavailable::Stopped("why".into()))),
        written(|out| refusal::failed_read(out, &StoreError::DamagedPage("3".into()))),
    ];
    // 1.0.1 retries failures of the transport only.
    for library in LIBRARIES.iter().filter(|library| library.by_default) {
        for reply in &replies {
            assert!(library.retries(reply), "{}: {reply:?}", library.versions);
        }
    }
}
