//! Guarantee: what is written is read back the same.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::rebuild;
use esdb_etf::{Pid, Reference, Term, put};
use proptest::prelude::*;

/// A term as a tree.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Atom(String),
    Binary(Vec<u8>),
    Pid(Pid),
    Reference(Reference),
    Tuple(Vec<Tree>),
    /// Elements, and a tail if it is not `[]`.
    List(Vec<Tree>, Option<Box<Tree>>),
    Map(Vec<(Tree, Tree)>),
}

fn write(tree: &Tree, out: &mut Vec<u8>) {
    match tree {
        Tree::Signed(n) => put::integer(out, *n),
        Tree::Unsigned(n) => put::unsigned(out, *n),
        Tree::Float(f) => put::float(out, *f),
        Tree::Atom(name) => put::atom(out, name),
        Tree::Binary(bytes) => put::binary(out, bytes),
        Tree::Pid(pid) => pid.put(out),
        Tree::Reference(reference) => reference.put(out),
        Tree::Tuple(elements) => {
            put::tuple(out, elements.len());
            elements.iter().for_each(|element| write(element, out));
        }
        Tree::List(elements, None) if elements.is_empty() => put::nil(out),
        Tree::List(elements, tail) => {
            put::list(out, elements.len());
            elements.iter().for_each(|element| write(element, out));
            match tail {
                None => put::nil(out),
                Some(tail) => write(tail, out),
            }
        }
        Tree::Map(pairs) => {
            put::map(out, pairs.len());
            for (key, value) in pairs {
                write(key, out);
                write(value, out);
            }
        }
    }
}

/// Compares with what the accessors say, not with bytes.
fn check(tree: &Tree, term: Term<'_>) {
    match tree {
        Tree::Signed(n) => {
            assert_eq!(
                (term.as_i64(), term.as_u64()),
                (Some(*n), u64::try_from(*n).ok())
            );
        }
        Tree::Unsigned(n) => assert_eq!(term.as_u64(), i64::try_from(*n).is_ok().then_some(*n)),
        Tree::Float(f) => assert_eq!(term.as_f64().map(f64::to_bits), Some(f.to_bits())),
        Tree::Atom(name) => {
            assert!(term.is_atom(name) && !term.is_atom(&format!("{name}x")));
            assert_eq!(term.as_atom().expect("atom").text(), name.as_str());
        }
        Tree::Binary(bytes) => assert_eq!(term.as_binary(), Some(bytes.as_slice())),
        Tree::Pid(pid) => assert_eq!(term.as_pid().as_ref(), Some(pid)),
        Tree::Reference(reference) => assert_eq!(term.as_reference().as_ref(), Some(reference)),
        Tree::Tuple(elements) => {
            let terms = term.as_tuple().expect("tuple");
            assert_eq!(terms.len(), elements.len());
            elements
                .iter()
                .zip(terms)
                .for_each(|(element, term)| check(element, term));
        }
        Tree::List(elements, tail) => {
            let terms = term.as_list().expect("list");
            assert_eq!(
                (terms.len(), terms.is_proper()),
                (elements.len(), tail.is_none())
            );
            assert_eq!(term.as_proper_list().is_some(), tail.is_none());
            let mut split = Vec::new();
            let end = Term::parse_list(term.as_bytes(), |element| split.push(element));
            assert_eq!((end, split), (Ok(terms.tail()), terms.collect()));
            elements
                .iter()
                .zip(terms)
                .for_each(|(element, term)| check(element, term));
            if let Some(tail) = tail {
                check(tail, terms.tail());
            }
        }
        Tree::Map(pairs) => {
            let terms = term.as_map().expect("map");
            assert_eq!(terms.len(), pairs.len());
            for ((key, value), (key_term, value_term)) in pairs.iter().zip(terms) {
                check(key, key_term);
                check(value, value_term);
            }
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let name = proptest::collection::vec(any::<char>(), 0..=255).prop_map(String::from_iter);
    let pid = ("[a-z]{1,9}@[a-z]{1,9}", any::<(u32, u32, u32)>());
    let reference = (
        "[a-zé]{1,200}",
        any::<u32>(),
        proptest::collection::vec(any::<u32>(), 1..=5),
    );
    let scalar = prop_oneof![
        any::<i64>().prop_map(Tree::Signed),
        (any::<i64>(), 0..64).prop_map(|(n, shift)| Tree::Signed(n >> shift)),
        (any::<u64>(), 0..64).prop_map(|(n, shift)| Tree::Unsigned(n >> shift)),
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(Tree::Float),
        name.prop_map(Tree::Atom),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Tree::Binary),
        pid.prop_map(|(node, (id, serial, creation))| {
            Tree::Pid(Pid {
                node: node.into(),
                id,
                serial,
                creation,
            })
        }),
        reference.prop_map(|(node, creation, words)| {
            Tree::Reference(Reference {
                node: node.into(),
                creation,
                words,
            })
        }),
    ];
    scalar.prop_recursive(4, 64, 6, |inner| {
        let some = proptest::collection::vec(inner.clone(), 0..6);
        let pairs = proptest::collection::vec((inner.clone(), inner.clone()), 0..6);
        // A list as a tail would be the same list, spelled otherwise.
        let tail = inner.prop_filter("no list", |tree| !matches!(tree, Tree::List(..)));
        prop_oneof![
            some.clone().prop_map(Tree::Tuple),
            some.clone().prop_map(|elements| Tree::List(elements, None)),
            (some, tail).prop_filter_map("no element", |(elements, tail)| {
                (!elements.is_empty()).then(|| Tree::List(elements, Some(Box::new(tail))))
            }),
            pairs.prop_map(Tree::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_tree_that_is_written_is_read_back(tree in tree(), after in any::<[u8; 3]>()) {
        let mut bytes = Vec::new();
        write(&tree, &mut bytes);
        let term = Term::parse(&bytes).expect("well-formed");
        check(&tree, term);
        let mut again = Vec::new();
        rebuild(term, &mut again);
        prop_assert_eq!(&again, &bytes);
        bytes.extend(after);
        prop_assert_eq!(Term::take(&bytes), Ok((Term::parse(&again).expect("the same"), &after[..])));
    }

    #[test]
    fn a_string_is_the_list_of_its_bytes(string in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = vec![107];
        bytes.extend((string.len() as u16).to_be_bytes());
        bytes.extend(&string);
        let list = Term::parse(&bytes).expect("well-formed").as_proper_list().expect("proper");
        let read: Vec<i64> = list.filter_map(Term::as_i64).collect();
        prop_assert_eq!(read, string.iter().map(|byte| i64::from(*byte)).collect::<Vec<_>>());
    }
}
