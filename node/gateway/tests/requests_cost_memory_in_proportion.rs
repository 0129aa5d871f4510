//! Whatever a request holds, it is read without a panic and with memory for at most four times its
//! bytes; what cannot be served is refused with a term.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;
#[path = "../../dist/tests/common/dice.rs"]
mod dice;
#[path = "../../../tests/recorded/recorded.rs"]
mod recorded;

use common::ask;
use dice::Dice;
use esdb_etf::put;
use esdb_gateway::probe::Understood;
use recorded::{mutations, recorded};

type Part<'a> = &'a dyn Fn(&mut Vec<u8>);

fn tuple(name: &str, parts: &[Part<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    put::tuple(&mut out, parts.len() + 2);
    put::atom(&mut out, name);
    put::atom(&mut out, "default_store");
    parts.iter().for_each(|part| part(&mut out));
    out
}

fn list(out: &mut Vec<u8>, count: usize, element: Part<'_>) {
    put::list(out, count);
    (0..count).for_each(|_| element(out));
    put::nil(out);
}

fn is_refused(request: &[u8]) -> bool {
    let understood = ask(request).expect("a term");
    understood
        .iter()
        .all(|asked| matches!(asked, Understood::Refused(_)))
}

fn is_written(request: &[u8]) -> bool {
    let understood = ask(request).expect("a term");
    understood
        .iter()
        .all(|asked| matches!(asked, Understood::Write(_)))
}

/// The smallest event there is.
fn event(out: &mut Vec<u8>) {
    put::map(out, 2);
    put::atom(out, "event_type");
    put::atom(out, "");
    put::atom(out, "data");
    put::nil(out);
}

fn stream(out: &mut Vec<u8>) {
    put::binary(out, b"s");
}

#[test]
fn requests_of_a_real_client() {
    for (name, request) in recorded("requests.txt") {
        let [old, new] = ask(&request).expect("a term");
        if name == "append_events" {
            assert!(matches!(
                (old, new),
                (Understood::Write(_), Understood::Write(_))
            ));
        }
        for end in 0..request.len() {
            assert_eq!(ask(&request[..end]), None);
        }
    }
}

#[test]
fn mutations_of_requests() {
    let requests = recorded("requests.txt");
    let (mut dice, mut terms, count) = (Dice(0x9E37_79B9_7F4A_7C15), 0, mutations());
    for n in 0..count {
        let (_, mut request) = requests[n % requests.len()].clone();
        dice.mutate(&mut request);
        terms += usize::from(ask(&request).is_some());
    }
    assert!(terms > count / 20, "{terms} of {count} were terms");
}

#[test]
fn batches_of_the_smallest_events() {
    for count in [1, 2, 1000, 100_000] {
        let events = |out: &mut Vec<u8>| list(out, count, &event);
        assert!(is_written(&tuple("append_events", &[&stream, &events])));
        // The last one is none.
        let spoilt = |out: &mut Vec<u8>| {
            put::list(out, count + 1);
            (0..count).for_each(|_| event(out));
            put::map(out, 0);
            put::nil(out);
        };
        assert!(is_refused(&tuple("append_events", &[&stream, &spoilt])));
        let improper = |out: &mut Vec<u8>| {
            events(out);
            out.pop();
            put::map(out, 0);
        };
        assert!(is_refused(&tuple("append_events", &[&stream, &improper])));
    }
}

/// Keys that mean nothing are passed over, whatever their number.
#[test]
fn events_with_a_million_other_keys() {
    let event = |out: &mut Vec<u8>| {
        put::list(out, 1);
        put::map(out, 1_000_002);
        for n in 0..1_000_000 {
            put::atom(out, &format!("key{n}"));
            put::nil(out);
        }
        put::atom(out, "event_type");
        put::binary(out, b"t");
        put::atom(out, "data");
        put::nil(out);
        put::nil(out);
    };
    assert!(is_written(&tuple("append_events", &[&stream, &event])));
}

#[test]
fn names_in_lists() {
    let integer = |n: i64| move |out: &mut Vec<u8>| put::integer(out, n);
    let any = |out: &mut Vec<u8>| put::atom(out, "any");
    let type_of = |out: &mut Vec<u8>| put::atom(out, "");
    let tag = |out: &mut Vec<u8>| put::binary(out, b"t");
    for (count, refused) in [(1000, false), (1001, true), (1_000_000, true)] {
        let types = |out: &mut Vec<u8>| list(out, count, &type_of);
        let request = tuple("read_by_event_types", &[&types, &integer(10)]);
        assert_eq!(is_refused(&request), refused);
        let tags = |out: &mut Vec<u8>| list(out, count, &tag);
        let request = tuple("read_by_tags", &[&tags, &any, &integer(10)]);
        assert_eq!(is_refused(&request), refused);
        let tagged = |out: &mut Vec<u8>| {
            put::list(out, 1);
            put::map(out, 3);
            put::atom(out, "event_type");
            tag(out);
            put::atom(out, "data");
            put::nil(out);
            put::atom(out, "tags");
            tags(out);
            put::nil(out);
        };
        let request = tuple("append_events", &[&stream, &tagged]);
        assert_eq!(is_refused(&request), refused);
    }
}

#[test]
fn positions_in_lists() {
    let pid = |out: &mut Vec<u8>| {
        out.extend([
            88, 119, 3, b'a', b'@', b'b', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1,
        ]);
    };
    let position = |out: &mut Vec<u8>| put::integer(out, 7);
    for (count, refused) in [(10_000, false), (10_001, true), (1_000_000, true)] {
        let positions = |out: &mut Vec<u8>| list(out, count, &position);
        let request = tuple("ack_subscription", &[&stream, &pid, &positions]);
        assert_eq!(is_refused(&request), refused);
    }
    // A list of bytes, as a string.
    let positions = |out: &mut Vec<u8>| out.extend([&[107, 255, 255], &[7; 65_535][..]].concat());
    assert!(is_refused(&tuple(
        "ack_subscription",
        &[&stream, &pid, &positions]
    )));
}

#[test]
fn requests_of_many_elements() {
    let mut out = Vec::new();
    put::tuple(&mut out, 1_000_000);
    put::atom(&mut out, "append_events");
    (1..1_000_000).for_each(|_| put::nil(&mut out));
    assert!(is_refused(&out));
    out[1..5].copy_from_slice(&999_999u32.to_be_bytes());
    assert_eq!(ask(&out), None, "a byte too many");
}

/// A million levels, in every argument of every request.
#[test]
fn nested_arguments() {
    for (_, request) in recorded("requests.txt") {
        let arity = usize::from(request[1]);
        for at in 2..arity {
            let mut parts = esdb_etf::Term::parse(&request).unwrap().as_tuple().unwrap();
            let mut out = request[..2].to_vec();
            for n in 0..arity {
                let part = parts.next().unwrap();
                match n == at {
                    true => out.extend([[104, 1].repeat(20_000), vec![106]].concat()),
                    false => out.extend(part.as_bytes()),
                }
            }
            ask(&out).expect("a term");
        }
    }
    let deep = |out: &mut Vec<u8>| {
        put::list(out, 1);
        put::map(out, 2);
        put::atom(out, "event_type");
        put::binary(out, b"t");
        put::atom(out, "data");
        out.extend([116, 0, 0, 0, 1, 106].repeat(1_000_000));
        put::nil(out);
        put::nil(out);
    };
    assert!(is_written(&tuple("append_events", &[&stream, &deep])));
}
