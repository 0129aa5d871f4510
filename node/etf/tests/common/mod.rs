//! What several test files need.
#![allow(dead_code, missing_docs)] // not every test file needs all

pub mod node;
pub mod read;
pub mod spell;

use esdb_etf::{Kind, Term, put};

/// SplitMix64: the same numbers on every run.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Changes, removes, inserts, or repeats a few bytes after the first.
pub fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=rng.below(3) {
        let at = 1 + rng.below(bytes.len().max(2) - 1);
        match rng.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            1 if at < bytes.len() => bytes[at] = rng.next() as u8,
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => bytes.insert(at.min(bytes.len()), [0, 1, 255, 97, 106, 116][rng.below(6)]),
            4 if at < bytes.len() => {
                // Every tag that the format has, and some that it does not.
                bytes[at] = 66 + rng.below(56) as u8;
            }
            _ => {
                let end = (at + rng.below(12)).min(bytes.len());
                let piece = bytes[at.min(end)..end].to_vec();
                let to = 1 + rng.below(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }
}

/// Writes `term` anew: everything that has an accessor and a writer goes through both, the rest is
/// spliced.
pub fn rebuild(term: Term<'_>, out: &mut Vec<u8>) {
    match term.kind() {
        Kind::Atom => put::atom(out, &term.as_atom().expect("atom").text()),
        Kind::Integer => match (term.as_u64(), term.as_i64()) {
            (Some(n), _) => put::unsigned(out, n),
            (None, Some(n)) => put::integer(out, n),
            (None, None) => out.extend_from_slice(term.as_bytes()),
        },
        Kind::Float => put::float(out, term.as_f64().expect("float")),
        Kind::Binary => put::binary(out, term.as_binary().expect("binary")),
        Kind::Tuple => {
            let elements = term.as_tuple().expect("tuple");
            put::tuple(out, elements.len());
            elements.for_each(|element| rebuild(element, out));
        }
        Kind::List => {
            let elements = term.as_list().expect("list");
            if elements.len() == 0 {
                return rebuild_tail(elements.tail(), out);
            }
            put::list(out, elements.len());
            elements.for_each(|element| rebuild(element, out));
            rebuild_tail(elements.tail(), out);
        }
        Kind::Map => {
            let pairs = term.as_map().expect("map");
            put::map(out, pairs.len());
            for (key, value) in pairs {
                rebuild(key, out);
                rebuild(value, out);
            }
        }
        Kind::Pid => term.as_pid().expect("pid").put(out),
        Kind::Reference => term.as_reference().expect("reference").put(out),
        Kind::BitString | Kind::Port | Kind::Fun => out.extend_from_slice(term.as_bytes()),
    }
}

fn rebuild_tail(tail: Term<'_>, out: &mut Vec<u8>) {
    match tail.as_list() {
        Some(list) if list.len() == 0 => put::nil(out),
        _ => rebuild(tail, out),
    }
}

/// `body` with the version byte before it.
pub fn external(body: &[u8]) -> Vec<u8> {
    [&[esdb_etf::VERSION], body].concat()
}
