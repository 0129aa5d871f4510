//! Numbers for keys: a hash table whose hash nobody outside can foresee.

use crate::budget::{Budget, Stop};
use crate::raw::Terms;
use crate::term::bytes;
use rustler::{Env, Term};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::LazyLock;
use twox_hash::XxHash3_64;

/// Chosen once: keys that fall together here fall apart in the next start.
static SEEDS: LazyLock<[u64; 2]> = LazyLock::new(|| [0, 1].map(|n| RandomState::new().hash_one(n)));

/// An empty place of the table.
const EMPTY: u32 = u32::MAX;

/// The number of what comes after `count` others; the twin's work if there are too many.
fn next_number(count: usize) -> Result<u32, Stop> {
    match u32::try_from(count) {
        Ok(number) if number < EMPTY => Ok(number),
        _ => Err(Stop::Twin),
    }
}

/// Open addressing over indexes of entries that live elsewhere; the upper half of each hash is kept beside them.
#[derive(Debug)]
struct Table {
    places: Vec<(u32, u32)>,
    count: usize,
}

impl Table {
    fn with_capacity(count: usize) -> Self {
        Table {
            places: vec![(0, EMPTY); (count * 2).next_power_of_two().max(16)],
            count: 0,
        }
    }

    /// The index that `same` accepts, or the place where a new one belongs.
    #[inline]
    fn find(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Result<u32, usize> {
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        let upper = (hash >> 32) as u32;
        while let Some((kept, index)) = self.places.get(at) {
            if *index == EMPTY {
                return Err(at);
            }
            if *kept == upper && same(*index) {
                return Ok(*index);
            }
            at = (at + 1) & mask;
        }
        Err(0)
    }

    /// Puts `index` where [`Table::find`] said; `hash_of` gives the hashes when the table has to grow.
    #[inline]
    fn insert(&mut self, place: usize, hash: u64, index: u32, hash_of: impl Fn(u32) -> u64) {
        if let Some(free) = self.places.get_mut(place) {
            *free = ((hash >> 32) as u32, index);
            self.count += 1;
        }
        if self.count * 2 > self.places.len() {
            // Fourfold: few keys are moved more than once.
            let mut larger = Table::with_capacity(self.places.len() * 2);
            for (_, index) in self.places.iter().filter(|(_, index)| *index != EMPTY) {
                let hash = hash_of(*index);
                if let Err(place) = larger.find(hash, |_| false)
                    && let Some(free) = larger.places.get_mut(place)
                {
                    *free = ((hash >> 32) as u32, *index);
                    larger.count += 1;
                }
            }
            *self = larger;
        }
    }
}

/// A hash that nobody can foresee who does not know `seeds`: XXH3, and for the short ones, which most names are, the same
/// in fewer steps. Both ends of the text, which overlap, are multiplied and folded, and the result once more for its lower bits.
#[inline(always)]
fn hash_of(seeds: [u64; 2], text: &[u8]) -> u64 {
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let [first, last] = match text.len() {
        0..4 => [text.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)), 0],
        4..8 => ends(text).map(|end| u64::from(u32::from_ne_bytes(end))),
        8..=16 => ends(text).map(u64::from_ne_bytes),
        _ => return XxHash3_64::oneshot_with_seed(seeds[0], text),
    };
    let hash = fold(first ^ seeds[0], last ^ seeds[1] ^ text.len() as u64);
    fold(hash, 0x9E37_79B9_7F4A_7C15)
}

/// The first and the last `N` bytes of a text that has them.
#[inline(always)]
fn ends<const N: usize>(text: &[u8]) -> [[u8; N]; 2] {
    match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) => [*first, *last],
        _ => [[0; N]; 2],
    }
}

/// A name, its hash, and what [`Table::find`] says of it.
type Found<'a> = (&'a [u8], u64, Result<u32, usize>);

/// Binaries, each with a number from 0 on in the order in which they first came.
pub struct Names<'a> {
    table: Table,
    entries: Vec<(u64, &'a [u8])>,
    terms: Terms<'a>,
    seeds: [u64; 2],
}

impl<'a> Names<'a> {
    /// An empty one.
    pub fn new(env: Env<'a>) -> Self {
        Names {
            table: Table::with_capacity(64),
            entries: Vec::with_capacity(32),
            terms: Terms::new(env),
            seeds: *SEEDS,
        }
    }

    /// Looks `name` up.
    #[inline(always)]
    fn find(&self, name: Term<'a>, budget: &mut Budget) -> Result<Found<'a>, Stop> {
        let text = bytes(name)?;
        budget.spend(20 + text.len() / 16)?;
        let hash = hash_of(self.seeds, text);
        let entries = &self.entries;
        let same = |index: u32| {
            entries
                .get(index as usize)
                .is_some_and(|entry| equal(entry.1, text))
        };
        Ok((text, hash, self.table.find(hash, same)))
    }

    /// The number of `name`, a new one if it has none yet, and whether it is new.
    ///
    /// # Errors
    /// [`Stop::Twin`] when it is not a binary, [`Stop::Dirty`] when the budget is used up.
    #[inline]
    pub fn number(&mut self, name: Term<'a>, budget: &mut Budget) -> Result<(u32, bool), Stop> {
        let (text, hash, found) = self.find(name, budget)?;
        let place = match found {
            Ok(number) => return Ok((number, false)),
            Err(place) => place,
        };
        let number = next_number(self.entries.len())?;
        self.entries.push((hash, text));
        self.terms.push(name);
        let entries = &self.entries;
        self.table.insert(place, hash, number, |index| {
            entries.get(index as usize).map_or(0, |entry| entry.0)
        });
        Ok((number, true))
    }

    /// The number of `name`, if it has one.
    ///
    /// # Errors
    /// Those of [`Names::number`].
    #[inline]
    pub fn known(&self, name: Term<'a>, budget: &mut Budget) -> Result<Option<u32>, Stop> {
        Ok(self.find(name, budget)?.2.ok())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The binary that came first under `number`.
    pub fn term(&self, number: u32) -> Option<Term<'a>> {
        self.terms.get(number as usize)
    }
}

/// Whether both are the same. Most names are short, and a call of `memcmp` costs more than they do.
#[inline(always)]
fn equal(a: &[u8], b: &[u8]) -> bool {
    match a.len() {
        8..=16 if a.len() == b.len() => ends::<8>(a) == ends::<8>(b),
        _ => a == b,
    }
}

/// The word that stands for a term, read through its hash since its type hides it.
#[inline]
fn word(term: Term<'_>) -> usize {
    struct Word(usize);
    impl Hasher for Word {
        fn write(&mut self, bytes: &[u8]) {
            bytes
                .iter()
                .for_each(|byte| self.0 = self.0 << 8 ^ usize::from(*byte));
        }
        fn write_usize(&mut self, word: usize) {
            self.0 = word;
        }
        fn finish(&self) -> u64 {
            self.0 as u64
        }
    }
    let mut word = Word(0);
    term.as_c_arg().hash(&mut word);
    word.0
}

/// Terms of any kind, each with a number from 0 on in the order in which they first came.
///
/// The fields of one event follow those of the one before it: a small cache over the term words answers for atoms
/// and for shared terms without hashing.
pub struct Keys<'a> {
    table: Table,
    hashes: Vec<u64>,
    terms: Terms<'a>,
    recent: [(usize, u32); 64],
}

impl<'a> Keys<'a> {
    /// An empty one.
    pub fn new(env: Env<'a>) -> Self {
        Keys {
            table: Table::with_capacity(16),
            hashes: Vec::with_capacity(64),
            terms: Terms::new(env),
            recent: [(0, EMPTY); 64],
        }
    }

    /// The number of `key`, and whether it is new.
    ///
    /// # Errors
    /// [`Stop::Twin`] after 2³² keys, [`Stop::Dirty`] when the budget is used up.
    #[inline]
    pub fn number(&mut self, key: Term<'a>, budget: &mut Budget) -> Result<(u32, bool), Stop> {
        // Two terms with one word are one term; nothing is collected while a call runs.
        let word = word(key);
        let slot = (word >> 3 ^ word >> 9) & 63;
        match self.recent.get(slot) {
            Some((kept, number)) if *kept == word && *number != EMPTY => Ok((*number, false)),
            _ => {
                let (number, new) = self.look_up(key, budget)?;
                if let Some(kept) = self.recent.get_mut(slot) {
                    *kept = (word, number);
                }
                Ok((number, new))
            }
        }
    }

    fn look_up(&mut self, key: Term<'a>, budget: &mut Budget) -> Result<(u32, bool), Stop> {
        let hash = match bytes(key) {
            Ok(text) => {
                // Hashed here, and by the emulator when it builds the map.
                budget.spend(30 + text.len())?;
                hash_of(*SEEDS, text)
            }
            Err(_) if !key.is_atom() && key.decode::<i64>().is_err() => return Err(Stop::Twin),
            Err(_) => {
                budget.spend(60)?;
                // The emulator's hash has 32 bits; spread them over both halves.
                let [salt, _] = *SEEDS;
                key.hash_internal(salt).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            }
        };
        let terms = &self.terms;
        let same = |index: u32| terms.get(index as usize).is_some_and(|term| term == key);
        let place = match self.table.find(hash, same) {
            Ok(number) => return Ok((number, false)),
            Err(place) => place,
        };
        let number = next_number(self.hashes.len())?;
        budget.spend(100)?;
        self.hashes.push(hash);
        self.terms.push(key);
        let hashes = &self.hashes;
        self.table.insert(place, hash, number, |index| {
            hashes.get(index as usize).copied().unwrap_or(0)
        });
        Ok((number, true))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// All keys, in the order of their numbers.
    pub fn terms(&self) -> &Terms<'a> {
        &self.terms
    }
}
