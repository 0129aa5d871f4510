//! Guarantee: of a table of terms at the edge of the format, exactly those are refused that a node
//! refuses, and the few of which the table says that no node writes them.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::external;
use common::node::Node;
use common::spell::{A, cat, fun, map, old_float};
use esdb_etf::Term;

fn big(tag_and_len: &[u8], len: usize) -> Vec<u8> {
    cat(&[tag_and_len, &[0], &vec![255; len]])
}

fn scalars() -> Vec<Vec<u8>> {
    let e = "é".as_bytes();
    let mut table = vec![
        cat(&[&[118, 1, 254], &e.repeat(255)]),
        cat(&[&[118, 2, 0], &e.repeat(256)]),
        cat(&[&[118, 1, 0], &[b'a'; 256]]),
        cat(&[&[118, 3, 252], &"😀".as_bytes().repeat(255)]),
        cat(&[&[100, 0, 255], &[255; 255]]),
        cat(&[&[100, 1, 0], &[b'a'; 256]]),
        cat(&[&[115, 255], &[255; 255]]),
        vec![119, 0],
        vec![119, 1, 0],
        vec![119, 1, 255],
        vec![119, 2, 0xC0, 0x80],
        vec![119, 3, 0xED, 0xA0, 0x80],
        vec![119, 3, 0xEF, 0xBF, 0xBE],
        vec![119, 4, 0xF4, 0x90, 0x80, 0x80],
        vec![119, 2, 0xC3],
        vec![110, 0, 0],
        vec![110, 1, 2, 5],
        vec![110, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        big(&[111, 0, 0, 1, 44], 300),
        big(&[111, 0, 7, 255, 248], 524_280),
        big(&[111, 0, 64, 0, 0], 1 << 22),
    ];
    for float in [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        f64::from_bits(1),
        f64::MAX,
    ] {
        table.push(cat(&[&[70], &float.to_be_bytes()]));
    }
    for text in [
        "1.5",
        "-1.50000000000000000000e+00",
        "+1.5",
        "0001.50",
        "1.5e5",
        "1.5E5",
        "1.0e-400",
        " 1.5",
        "1.5 ",
        "15",
        "1.",
        ".5",
        "1e5",
        "1.5e",
        "1.5e+",
        "--1.5",
        "1.8e308",
        "1.0e+999",
        "inf",
        "nan",
        "infinity",
        "",
        "1.5x",
    ] {
        table.push(old_float(text));
    }
    for (bytes, bits) in [
        (0, 0),
        (0, 1),
        (0, 8),
        (1, 0),
        (1, 1),
        (1, 3),
        (1, 8),
        (1, 9),
        (1, 255),
    ] {
        table.push(cat(&[
            &[77, 0, 0, 0, bytes, bits],
            &vec![255; usize::from(bytes)],
        ]));
    }
    table
}

fn identifiers() -> Vec<Vec<u8>> {
    let mut table = vec![
        cat(&[&[88, 97, 1], &[1; 12]]),
        cat(&[&[88, 100, 0, 1, b'a'], &[1; 12]]),
    ];
    for (tag, len) in [(88, 12), (89, 8), (120, 12)] {
        for byte in [0, 1, 255] {
            table.push(cat(&[&[tag], &A, &vec![byte; len]]));
        }
    }
    for (tag, len) in [(103, 8), (102, 4), (101, 4)] {
        for creation in [0, 3, 4, 255] {
            table.push(cat(&[&[tag], &A, &vec![0; len], &[creation]]));
        }
    }
    for word in [(1u32 << 18) - 1, 1 << 18] {
        table.push(cat(&[&[101], &A, &word.to_be_bytes(), &[1]]));
        table.push(cat(&[
            &[114, 0, 2],
            &A,
            &[1],
            &word.to_be_bytes(),
            &[255; 4],
        ]));
        table.push(cat(&[
            &[90, 0, 2],
            &A,
            &[1; 4],
            &word.to_be_bytes(),
            &[255; 4],
        ]));
    }
    for words in 1..7 {
        table.push(cat(&[
            &[90, 0, words],
            &A,
            &[1; 4],
            &vec![1; 4 * usize::from(words)],
        ]));
        table.push(cat(&[
            &[114, 0, words],
            &A,
            &[1],
            &vec![0; 4 * usize::from(words)],
        ]));
    }
    table.extend([
        cat(&[&[114, 0, 0], &A, &[1]]),
        cat(&[&[114, 0, 1], &A, &[4, 0, 0, 0, 1]]),
    ]);
    table
}

fn compounds() -> Vec<Vec<u8>> {
    let pid = cat(&[&[88], &A, &[1; 12]]);
    let (zero, one): (&[u8], &[u8]) = (&[97, 0], &[97, 1]);
    let many = |n: u32| fun(n, &[&A, zero, zero, &pid, &zero.repeat(n as usize)]);
    vec![
        fun(0, &[&A, zero, zero, &pid]),
        fun(0, &[&A, &[98, 255, 255, 255, 255], &[98, 0, 0, 0, 5], &pid]),
        fun(1, &[&A, zero, zero, &pid, one]),
        fun(1, &[&A, zero, zero, &pid]),
        fun(0, &[one, zero, zero, &pid]),
        fun(
            0,
            &[&[100, 0, 1, b'a'], zero, zero, &cat(&[&[103], &A, &[1; 9]])],
        ),
        fun(0, &[&A, &A, zero, &pid]),
        fun(0, &[&A, zero, &A, &pid]),
        fun(
            0,
            &[
                &A,
                &[110, 8, 0, 255, 255, 255, 255, 255, 255, 255, 255],
                zero,
                &pid,
            ],
        ),
        many(255),
        many(256),
        cat(&[&[113], &A, &A, &[97, 2]]),
        cat(&[&[113], &A, &A, &[97, 255]]),
        cat(&[&[113], one, &A, &[97, 2]]),
        cat(&[&[113], &A, one, &[97, 2]]),
        cat(&[&[113], &A, &A, &A]),
        cat(&[&[113], &A, &A, &[98, 255, 255, 255, 255]]),
        vec![104, 0],
        vec![105, 0, 0, 0, 0],
        vec![105, 0, 0, 0, 1, 97, 1],
        vec![108, 0, 0, 0, 0, 106],
        vec![108, 0, 0, 0, 0, 97, 1],
        vec![108, 0, 0, 0, 1, 97, 1, 97, 2],
        vec![107, 0, 0],
        map(&[]),
        map(&[&A, &[100, 0, 1, b'b']]),
    ]
}

/// Tags that are the emulator's own, belong to distribution headers, or are gone.
fn tags() -> Vec<Vec<u8>> {
    let tags = [0, 66, 67, 68, 69, 74, 76, 78, 80, 82, 117, 121, 131, 255];
    tags.map(|tag| cat(&[&[104, 1, tag], &[0; 64]])).to_vec()
}

/// What a node takes though no node writes it, and what a later release refuses.
fn stricter() -> Vec<Vec<u8>> {
    let pid = cat(&[&[88], &A, &[1; 12]]);
    vec![
        old_float("1,5"),
        cat(&[&[90, 0, 0], &A, &[1; 4]]),
        cat(&[&[113], &A, &A, &[98, 0, 0, 0, 2]]),
        fun(0, &[&A, &[110, 1, 0, 5], &[97, 0], &pid]),
        fun(0, &[&A, &[97, 0], &[97, 0], &[97, 0]]),
        big(&[111, 0, 7, 255, 249], 524_281),
        cat(&[&[105, 1, 0, 0, 0], &vec![106; 1 << 24]]),
        vec![73, 0, 1],
    ]
}

#[test]
fn what_a_node_refuses_is_refused() {
    let mut node = Node::start();
    let mut table = [scalars(), identifiers(), compounds(), tags()].concat();
    table.iter_mut().for_each(|body| *body = external(body));
    let taken = node.takes(&table);
    let mut wrong = Vec::new();
    for (bytes, taken) in table.iter().zip(taken) {
        let accepted = Term::parse_external(bytes).and_then(Term::check_keys);
        if accepted.is_ok() != taken {
            wrong.push(format!(
                "a node: {taken}, here: {accepted:?} {:?}",
                bytes.get(..99.min(bytes.len()))
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        table.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_no_node_writes_is_refused_although_a_node_takes_it() {
    let table: Vec<_> = stricter().iter().map(|body| external(body)).collect();
    assert!(Node::start().takes(&table).iter().all(|taken| *taken));
    for bytes in &table {
        assert!(
            Term::parse_external(bytes).is_err(),
            "{:?}",
            bytes.get(..30.min(bytes.len()))
        );
    }
}

#[test]
fn what_is_impossible_for_the_readers_own_identifiers_only_the_reader_knows() {
    let own = [&[119, 13], b"nonode@nohost".as_slice()].concat();
    let impossible = external(&cat(&[&[88], &own, &[255; 8], &[0; 4]]));
    assert_eq!(Node::start().takes(&[&impossible]), [false]);
    assert!(Term::parse_external(&impossible).is_ok());
}
