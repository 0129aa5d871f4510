//! Guarantee: the `eetf` crate, written by others, reads what is written here and the other way
//! round; where the two differ, a test says how, and that a node would agree with this crate.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use allocation_counter::measure;
use common::{Rng, external};
use eetf::Term as Theirs;
use esdb_etf::{Kind, Pid, Term, put};

/// A random term of the sorts that both crates read alike.
fn random(rng: &mut Rng, depth: usize, out: &mut Vec<u8>) {
    let several = rng.below(5);
    match rng.below(if depth == 0 { 6 } else { 9 }) {
        0 => put::integer(out, (rng.next() as i64) >> rng.below(64)),
        1 => put::unsigned(out, rng.next() >> rng.below(64)),
        2 => put::float(out, rng.below(1_000) as f64 / 7.0),
        3 => put::atom(out, &"aé😀".repeat(rng.below(60))),
        4 => put::binary(out, &rng.next().to_be_bytes()[..several]),
        5 => Pid {
            node: "n@host".into(),
            id: rng.next() as u32,
            serial: 1,
            creation: 7,
        }
        .put(out),
        6 => {
            put::tuple(out, several);
            (0..several).for_each(|_| random(rng, depth - 1, out));
        }
        7 => {
            put::list(out, several + 1);
            (0..=several).for_each(|_| random(rng, depth - 1, out));
            put::nil(out);
        }
        _ => {
            put::map(out, several);
            for key in 0..several {
                put::atom(out, &format!("key{key}"));
                random(rng, depth - 1, out);
            }
        }
    }
}

fn agree(ours: Term<'_>, theirs: &Theirs) -> bool {
    match (ours.kind(), theirs) {
        (Kind::Integer, Theirs::FixInteger(n)) => ours.as_i64() == Some(i64::from(n.value)),
        (Kind::Integer, Theirs::BigInteger(n)) => match ours.as_i64() {
            Some(m) => n.value.to_string() == m.to_string(),
            None => n.value > i64::MAX.into() || n.value < i64::MIN.into(),
        },
        (Kind::Float, Theirs::Float(f)) => ours.as_f64() == Some(f.value),
        (Kind::Atom, Theirs::Atom(atom)) => ours.is_atom(&atom.name),
        (Kind::Binary, Theirs::Binary(binary)) => ours.as_binary() == Some(&binary.bytes),
        (Kind::Pid, Theirs::Pid(pid)) => ours.as_pid().is_some_and(|ours| {
            *ours.node == *pid.node.name && (ours.id, ours.serial) == (pid.id, pid.serial)
        }),
        (Kind::Tuple, Theirs::Tuple(tuple)) => ours.as_tuple().is_some_and(|elements| {
            elements.len() == tuple.elements.len()
                && elements
                    .zip(&tuple.elements)
                    .all(|(ours, theirs)| agree(ours, theirs))
        }),
        (Kind::List, Theirs::List(list)) => ours.as_proper_list().is_some_and(|elements| {
            elements.len() == list.elements.len()
                && elements
                    .zip(&list.elements)
                    .all(|(ours, theirs)| agree(ours, theirs))
        }),
        (Kind::List, Theirs::ByteList(string)) => ours.as_proper_list().is_some_and(|elements| {
            elements
                .filter_map(Term::as_u64)
                .eq(string.bytes.iter().map(|byte| u64::from(*byte)))
        }),
        (Kind::Map, Theirs::Map(map)) => ours.as_map().is_some_and(|pairs| {
            pairs.len() == map.map.len()
                && pairs.into_iter().all(|(key, value)| {
                    map.map
                        .iter()
                        .any(|(k, v)| agree(key, k) && agree(value, v))
                })
        }),
        _ => false,
    }
}

fn decode(bytes: &[u8]) -> Theirs {
    Theirs::decode(bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"))
}

fn encode(term: &Theirs) -> Vec<u8> {
    let mut bytes = Vec::new();
    term.encode(&mut bytes).expect("into memory");
    bytes
}

#[test]
fn both_read_what_either_writes() {
    let mut rng = Rng(21);
    for _ in 0..5_000 {
        let mut body = Vec::new();
        random(&mut rng, 4, &mut body);
        let (bytes, ours) = (external(&body), Term::parse(&body).expect("well-formed"));
        let theirs = decode(&bytes);
        assert!(agree(ours, &theirs), "{bytes:?}");
        let written = encode(&theirs);
        // Their strings of negative numbers are not what was written: see below.
        let garbled = written.contains(&107);
        let again = Term::parse_external(&written).expect("well-formed");
        assert!(garbled || agree(again, &theirs), "{written:?}");
    }
}

#[test]
fn theirs_turns_a_list_of_negative_numbers_into_a_string() {
    let body = [
        108, 0, 0, 0, 2, 98, 255, 255, 255, 255, 98, 255, 255, 255, 254, 106,
    ];
    assert_eq!(
        encode(&decode(&external(&body))),
        [131, 107, 0, 2, 255, 254]
    );
    let mut again = Vec::new();
    common::rebuild(Term::parse(&body).expect("well-formed"), &mut again);
    assert_eq!(again, body);
}

#[test]
fn theirs_cuts_the_length_of_a_long_string() {
    let string = Theirs::from(eetf::ByteList {
        bytes: vec![1; 65_537],
    });
    let written = encode(&string);
    assert_eq!(written.get(..4), Some([131, 107, 0, 1].as_slice()));
    assert!(Term::parse_external(&written).is_err());
}

#[test]
fn theirs_reserves_what_a_length_announces() {
    let lie = [131, 108, 0, 1, 0, 0];
    let theirs = measure(|| assert!(Theirs::decode(lie.as_slice()).is_err()));
    let ours = measure(|| assert!(Term::parse_external(&lie).is_err()));
    assert!(theirs.bytes_max > 65_536, "{}", theirs.bytes_max);
    assert_eq!(ours.bytes_max, 0);
}

/// Theirs overflows its stack, and ends the process, at some thousands of levels.
#[test]
fn theirs_nests_as_deep_as_the_stack_allows() {
    let nested = |levels: usize| [&[131], [104, 1].repeat(levels).as_slice(), &[106]].concat();
    assert!(Theirs::decode(nested(100).as_slice()).is_ok());
    assert!(Term::parse_external(&nested(1_000_000)).is_ok());
}

#[test]
fn theirs_panics_on_tags_of_distribution_headers() {
    for tag in [68, 82] {
        let bytes = [131, tag, 0, 0];
        assert!(std::panic::catch_unwind(|| Theirs::decode(bytes.as_slice()).is_ok()).is_err());
        let refused = Err(esdb_etf::Error::Tag { tag, at: 0 });
        assert_eq!(Term::parse_external(&bytes), refused);
    }
}

#[test]
fn theirs_keeps_integers_of_more_than_32_bits_on_the_heap() {
    let mut body = Vec::new();
    put::integer(&mut body, 1_731_000_000_000_000);
    assert!(matches!(decode(&external(&body)), Theirs::BigInteger(_)));
    assert_eq!(
        Term::parse(&body).ok().and_then(Term::as_i64),
        Some(1_731_000_000_000_000)
    );
}

#[test]
fn theirs_loses_the_order_of_a_map() {
    let mut body = Vec::new();
    put::map(&mut body, 40);
    for key in 0..40 {
        put::integer(&mut body, key);
        put::nil(&mut body);
    }
    assert_ne!(encode(&decode(&external(&body))), external(&body));
    let mut again = Vec::new();
    common::rebuild(Term::parse(&body).expect("well-formed"), &mut again);
    assert_eq!(again, body);
}

#[test]
fn theirs_tells_a_string_from_the_same_list() {
    let (string, list) = ([107, 0, 1, 5], [108, 0, 0, 0, 1, 97, 5, 106]);
    assert_ne!(decode(&external(&string)), decode(&external(&list)));
    let read = |bytes: &[u8]| -> Vec<Option<i64>> {
        let list = Term::parse(bytes)
            .expect("well-formed")
            .as_proper_list()
            .expect("a list");
        list.map(Term::as_i64).collect()
    };
    assert_eq!(read(&string), read(&list));
}

#[test]
fn theirs_takes_bytes_after_the_term() {
    assert!(Theirs::decode([131, 106, 106].as_slice()).is_ok());
    assert_eq!(
        Term::parse_external(&[131, 106, 106]),
        Err(esdb_etf::Error::Trailing { count: 1 })
    );
}
