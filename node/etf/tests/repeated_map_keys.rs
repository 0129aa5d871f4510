//! Guarantee: a map that holds a key twice is refused however the two are spelled, exactly where a
//! node refuses it.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::external;
use common::node::Node;
use common::spell::{A, cat, fun, map, old_float};
use esdb_etf::{Error, Term};

/// Maps that hold a key twice, in two spellings, and some that do not.
fn maps() -> Vec<Vec<u8>> {
    let one: &[u8] = &[97, 1];
    let float = |f: f64| cat(&[&[70], &f.to_be_bytes()]);
    let reference = |words: &[u8]| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| [0, 0, 0, *word]).collect();
        cat(&[&[90, 0, words.len() as u8], &A, &[0, 0, 0, 1], &bytes])
    };
    let closure = |index: u8, free: &[&[u8]]| {
        let mut bytes = fun(
            free.len() as u32,
            &[&A, one, one, &cat(&[&[88], &A, &[1; 12]])],
        );
        bytes[25] = index;
        cat(&[&bytes, &free.concat()])
    };
    let pairs: Vec<[Vec<u8>; 2]> = vec![
        [A.to_vec(), A.to_vec()],
        [A.to_vec(), vec![115, 1, b'a']],
        [cat(&[&[119, 2], "é".as_bytes()]), vec![100, 0, 1, 0xE9]],
        [A.to_vec(), vec![109, 0, 0, 0, 1, b'a']],
        [one.to_vec(), vec![98, 0, 0, 0, 1]],
        [one.to_vec(), vec![110, 2, 0, 1, 0]],
        [one.to_vec(), vec![111, 0, 0, 0, 1, 0, 1]],
        [one.to_vec(), vec![110, 1, 1, 1]],
        [vec![97, 0], vec![110, 1, 1, 0]],
        [
            cat(&[&[110, 9, 0], &[7; 9]]),
            cat(&[&[110, 10, 0], &[7; 9], &[0]]),
        ],
        [cat(&[&[110, 9, 0], &[7; 9]]), cat(&[&[110, 9, 1], &[7; 9]])],
        [one.to_vec(), float(1.0)],
        [float(0.0), float(-0.0)],
        [float(0.5), old_float("0.5")],
        [vec![107, 0, 1, 5], vec![108, 0, 0, 0, 1, 97, 5, 106]],
        [vec![107, 0, 0], vec![106]],
        [
            vec![107, 0, 2, 5, 6],
            vec![108, 0, 0, 0, 1, 97, 5, 107, 0, 1, 6],
        ],
        [
            vec![107, 0, 2, 5, 6],
            vec![108, 0, 0, 0, 1, 97, 5, 108, 0, 0, 0, 1, 97, 6, 106],
        ],
        [vec![107, 0, 2, 5, 6], vec![108, 0, 0, 0, 1, 97, 5, 97, 6]],
        [vec![108, 0, 0, 0, 0, 97, 5], vec![97, 5]],
        [vec![108, 0, 0, 0, 0, 104, 1, 97, 5], vec![104, 1, 97, 5]],
        [vec![104, 1, 97, 5], vec![105, 0, 0, 0, 1, 97, 5]],
        [vec![104, 1, 97, 5], vec![108, 0, 0, 0, 1, 97, 5, 106]],
        [vec![104, 0], vec![106]],
        [map(&[&A, one]), map(&[one, &A])],
        [map(&[&A, one]), map(&[one])],
        [map(&[]), vec![104, 0]],
        [map(&[&map(&[&A, one])]), map(&[&map(&[one, &A])])],
        [vec![77, 0, 0, 0, 1, 3, 255], vec![77, 0, 0, 0, 1, 3, 224]],
        [vec![77, 0, 0, 0, 1, 8, 9], vec![109, 0, 0, 0, 1, 9]],
        [vec![77, 0, 0, 0, 0, 0], vec![109, 0, 0, 0, 0]],
        [vec![77, 0, 0, 0, 1, 1, 0], vec![77, 0, 0, 0, 1, 2, 0]],
        [
            cat(&[&[103], &A, &[1; 9]]),
            cat(&[&[88], &A, &[1; 8], &[0, 0, 0, 1]]),
        ],
        [
            cat(&[&[88], &A, &[1; 12]]),
            cat(&[&[88], &A, &[1; 11], &[2]]),
        ],
        [
            cat(&[&[102], &A, &[1; 5]]),
            cat(&[&[120], &A, &[0; 4], &[1; 4], &[0, 0, 0, 1]]),
        ],
        [
            cat(&[&[89], &A, &[1; 8]]),
            cat(&[&[120], &A, &[0; 4], &[1; 8]]),
        ],
        [reference(&[1]), cat(&[&[101], &A, &[0, 0, 0, 1, 1]])],
        [reference(&[1]), cat(&[&[114, 0, 1], &A, &[1, 0, 0, 0, 1]])],
        [reference(&[1]), reference(&[1, 0])],
        [reference(&[1, 2, 3]), reference(&[1, 2, 3, 4])],
        [closure(1, &[]), closure(1, &[])],
        [closure(1, &[]), closure(2, &[])],
        [closure(1, &[one]), closure(1, &[&[98, 0, 0, 0, 1]])],
        [closure(1, &[one]), closure(1, &[&[97, 2]])],
        [
            cat(&[&[113], &A, &A, one]),
            cat(&[&[113], &[115, 1, b'a'], &A, one]),
        ],
        [
            cat(&[&[113], &A, &A, one]),
            cat(&[&[113], &A, &A, &[97, 2]]),
        ],
    ];
    let mut table: Vec<_> = pairs.iter().map(|[a, b]| map(&[a, b])).collect();
    // The same inside keys, beside other keys, in more keys than a small map has, and under values.
    table.extend(pairs.iter().map(|[a, b]| {
        let key = |key: &[u8]| cat(&[&[104, 2], key, &A]);
        map(&[one, &key(a), &[97, 9], &key(b), &A])
    }));
    table.extend(
        pairs
            .iter()
            .map(|[a, b]| map(&[&cat(&[&[104, 1], &map(&[a, b])])])),
    );
    table.extend(pairs.iter().map(|[a, b]| {
        let inner = map(&[a, b, &[119, 1, b'z']]);
        cat(&[
            &[104, 3],
            &map(&[one, &[97, 2]]),
            &[116, 0, 0, 0, 2],
            &A,
            &inner,
            one,
            &A,
            one,
        ])
    }));
    let numbers: Vec<[u8; 2]> = (0..100).map(|n| [97, n]).collect();
    let mut keys: Vec<&[u8]> = numbers.iter().map(|key| key.as_slice()).collect();
    table.push(map(&keys));
    keys.push(&[98, 0, 0, 0, 77]);
    table.push(map(&keys));
    table
}

#[test]
fn a_map_with_a_key_twice_is_refused() {
    let table: Vec<_> = maps().iter().map(|body| external(body)).collect();
    let (mut twice, mut wrong) = (0, Vec::new());
    for (bytes, taken) in table.iter().zip(Node::start().takes(&table)) {
        let checked = Term::parse_external(bytes)
            .expect("well-formed")
            .check_keys();
        match checked {
            Ok(()) if taken => {}
            Err(Error::Malformed {
                what: "map key", ..
            }) if !taken => twice += 1,
            _ => wrong.push(format!("a node: {taken}, here: {checked:?} {bytes:?}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        table.len(),
        wrong.join("\n")
    );
    assert!(
        twice > 100 && table.len() > twice + 40,
        "{twice} of {}",
        table.len()
    );
}
