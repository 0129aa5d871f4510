//! Guarantee: whatever the bytes are, reading them ends soon, in proportion to their number, and
//! neither panics nor allocates more than a small multiple of what is there.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing)]

mod common;
#[path = "../../../tests/recorded/recorded.rs"]
mod recorded;

use allocation_counter::measure;
use common::read::read;
use common::{Rng, mutate};
use esdb_etf::{Error, Pid, Term, put};
use recorded::{mutations, recorded};
use std::time::{Duration, Instant};

/// One term of every type and spelling.
fn sample() -> Vec<u8> {
    let mut out = Vec::new();
    put::list(&mut out, 15);
    for n in [0, 255, -1, i64::from(i32::MAX), i64::MIN] {
        put::integer(&mut out, n);
    }
    put::float(&mut out, 1.5);
    put::atom(&mut out, &"é".repeat(200));
    put::map(&mut out, 2);
    put::binary(&mut out, b"key");
    Pid {
        node: "n@host".into(),
        id: 1,
        serial: 2,
        creation: 3,
    }
    .put(&mut out);
    put::tuple(&mut out, 300);
    (0..300).for_each(|_| put::nil(&mut out));
    out.extend([107, 0, 2, 1, 2]);
    out.extend([77, 0, 0, 0, 2, 3, 1, 0xE0]);
    out.extend([
        90, 0, 3, 119, 1, b'n', 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3,
    ]);
    out.extend([120, 119, 1, b'n', 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1]);
    out.extend([113, 119, 1, b'm', 115, 1, b'f', 97, 2]);
    out.extend([[112, 0, 0, 0, 0, 0].as_slice(), &[7; 20], &[0, 0, 0, 1]].concat());
    out.extend([119, 1, b'm', 97, 1, 98, 0, 0, 0, 1]);
    out.extend([88, 119, 1, b'n', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 106]);
    out.extend(
        [99].into_iter()
            .chain(format!("{:\0<31}", "2.5e+00").bytes()),
    );
    out.extend([111, 0, 0, 0, 9, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    put::integer(&mut out, 7);
    out
}

#[test]
fn a_term_without_its_end_is_refused() {
    let sample = sample();
    assert_eq!(read(&sample), Ok(()));
    for end in 0..sample.len() {
        let error = Term::parse(&sample[..end]).expect_err("the end is missing");
        assert_eq!(error, Error::Truncated { at: end });
    }
    let more = [sample.as_slice(), &[106]].concat();
    assert_eq!(Term::parse(&more), Err(Error::Trailing { count: 1 }));
}

/// Whatever the number of mutations, the one sample of all sorts, and what a real node sent.
#[test]
fn mutations_do_no_harm() {
    let recorded = recorded("requests.txt").into_iter().map(|(_, term)| term);
    let samples: Vec<Vec<u8>> = recorded.chain([sample()]).collect();
    let (mut rng, mut read_well, count) = (Rng(11), 0, mutations());
    for n in 0..count {
        let mut bytes = samples[n % samples.len()].clone();
        mutate(&mut rng, &mut bytes);
        read_well += usize::from(read(&bytes).is_ok());
    }
    assert!(
        read_well > count / 20 && read_well < count,
        "{read_well} of {count} were still terms"
    );
}

#[test]
fn every_prefix_of_what_a_real_node_sent() {
    for (name, term) in recorded("requests.txt") {
        assert_eq!(read(&term), Ok(()), "{name}");
        for end in 0..term.len() {
            assert_eq!(read(&term[..end]), Err(Error::Truncated { at: end }));
        }
    }
}

#[test]
fn random_bytes_do_no_harm() {
    let mut rng = Rng(12);
    for _ in 0..100_000 {
        let bytes: Vec<u8> = (0..rng.below(40))
            .map(|_| {
                if rng.below(3) == 0 {
                    rng.next() as u8
                } else {
                    97 + rng.below(24) as u8
                }
            })
            .collect();
        let _ = read(&bytes);
    }
}

#[test]
fn a_length_that_lies_costs_nothing() {
    for tag in 0..=255u8 {
        for width in 1..=8 {
            for filler in [[106; 20], [255; 20], [0; 20], [97; 20]] {
                let bytes = [[tag].as_slice(), &[255; 8][..width], &filler].concat();
                let used = measure(|| {
                    let _ = Term::take(&bytes);
                });
                assert_eq!(used.count_total, 0, "{bytes:?}");
            }
        }
    }
    // A tuple or an integer of that size is refused for its size.
    for tag in [105, 108, 109, 111, 116] {
        let head = [tag, 255, 255, 255, 255];
        let what = if tag == 105 { "tuple" } else { "integer" };
        let expected = match tag {
            105 | 111 => Error::Malformed { what, at: 0 },
            _ => Error::Truncated { at: 5 },
        };
        assert_eq!(Term::parse(&head), Err(expected));
    }
}

/// `levels` times `open`, then a term, then as often `close`.
fn nested(levels: usize, open: &[u8], close: &[u8]) -> Vec<u8> {
    [
        open.repeat(levels).as_slice(),
        &[106],
        &close.repeat(levels),
    ]
    .concat()
}

const NESTINGS: [(&[u8], &[u8]); 8] = [
    (&[108, 0, 0, 0, 0], &[]),
    (&[104, 1], &[]),
    (&[108, 0, 0, 0, 1], &[106]),
    (&[108, 0, 0, 0, 1, 97, 1], &[]),
    (&[116, 0, 0, 0, 1, 97, 1], &[]),
    (&[116, 0, 0, 0, 1], &[97, 1]),
    (&[116, 0, 0, 0, 2, 97, 1, 97, 1, 97, 2], &[]),
    (&[116, 0, 0, 0, 2, 97, 1, 97, 1], &[97, 2]),
];

#[test]
fn a_million_levels_are_read_without_recursion_or_allocation() {
    for (open, close) in NESTINGS {
        let bytes = nested(1_000_000, open, close);
        let used = measure(|| assert_eq!(Term::parse(&bytes).map(|_| ()), Ok(())));
        assert_eq!(used.count_total, 0);
        let missing = bytes.get(..bytes.len() - 1).expect("not empty");
        assert!(matches!(Term::parse(missing), Err(Error::Truncated { .. })));
        // Comparing with something short costs little, however deep the term is.
        let used = measure(|| {
            let _is_short = Term::parse(&bytes).map(|term| term.canonical(1000));
        });
        assert!(
            used.bytes_max < 128 << 10,
            "{} bytes for {open:?}",
            used.bytes_max
        );
        // The check of keys holds what is open around a key, to a fixed depth.
        let mut result = Ok(());
        let used = measure(|| result = Term::parse(&bytes).and_then(Term::check_keys));
        assert!(matches!(
            result,
            Ok(()) | Err(Error::Malformed { what: "depth", .. })
        ));
        assert!(
            used.bytes_max <= 2 << 20,
            "{} bytes for {open:?}",
            used.bytes_max
        );
    }
}

#[test]
fn keys_cost_no_more_memory_than_the_map_that_holds_them() {
    let mut bytes = Vec::new();
    put::map(&mut bytes, 1_000_000);
    for n in 0..1_000_000 {
        put::integer(&mut bytes, n);
        put::nil(&mut bytes);
    }
    let used = measure(|| assert_eq!(Term::parse(&bytes).and_then(Term::check_keys), Ok(())));
    assert!(
        used.bytes_max <= 4 * bytes.len() as u64,
        "{} bytes",
        used.bytes_max
    );
}

/// Pairs of two and three bytes, in one map or in maps in maps: the most keys for the fewest bytes.
#[test]
fn many_short_keys_cost_no_more_than_four_times_their_bytes() {
    let pairs = |count: usize| [106, 106, 97, 1, 106].repeat(count / 2);
    let map = |count: u32, inside: &[u8]| {
        let head = [&[116][..], &count.to_be_bytes(), &[97, 7]].concat();
        [head, inside.to_vec(), pairs(count as usize - 1)].concat()
    };
    let flat = map(1_000_001, &[106]);
    let deep = (0..500).fold(vec![106], |inside, _| map(333, &inside));
    for bytes in [flat, deep] {
        let used = measure(|| assert!(Term::parse(&bytes).and_then(Term::check_keys).is_err()));
        let most = 4 * bytes.len() as u64 + (1 << 10);
        assert!(used.bytes_max <= most, "{} of {most}", used.bytes_max);
    }
}

/// The shortest of three runs.
fn time(mut run: impl FnMut()) -> Duration {
    let runs = [(); 3].map(|()| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    runs.into_iter().min().unwrap_or_default()
}

#[test]
fn eight_times_the_bytes_take_about_eight_times_as_long() {
    for (open, close) in NESTINGS {
        let [small, large] = [5_000, 40_000].map(|levels| {
            let bytes = nested(levels, open, close).repeat(4);
            let list = [&[108, 0, 0, 0, 4], bytes.as_slice(), &[106]].concat();
            // A duplicate-free map around it makes the whole a key, so that all is digested.
            let key = [&[116, 0, 0, 0, 2], list.as_slice(), &[106, 97, 1, 106]].concat();
            time(|| {
                assert_eq!(
                    Term::parse(&list).map(|term| term.as_proper_list().is_some()),
                    Ok(true)
                );
                let _ = Term::parse(&key).and_then(Term::check_keys);
            })
        });
        // Quadratic would be 64; the allowance is for a busy machine.
        assert!(
            large < small * 40 + Duration::from_millis(5),
            "{open:?}: {small:?}, {large:?}"
        );
    }
}
