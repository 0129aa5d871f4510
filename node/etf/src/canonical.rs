//! Equal bytes for equal terms.
//!
//! A term has several spellings: integers and atoms of different widths, lists as strings, lists as
//! the tails of lists, the pairs of maps in any order, identifiers of old formats. Here each gets
//! one: the shortest for numbers and atoms, UTF-8 for atoms, element by element for lists, the newest
//! format for identifiers, pairs sorted by the bytes of their keys. (What is written of a fun is no
//! term any more: only what makes funs equal is kept.)
//!
//! One pass and no recursion. No more than a limit is written, so that comparing with something
//! short is cheap however long the other side is.

use crate::cursor::Cursor;
use crate::{Kind, Pid, Reference, Term, put, tag};
use std::borrow::Cow;

/// A term that has begun and whose end has not been reached.
enum Open {
    /// Of a tuple or a fun, this many terms are still to come.
    Sequence(u64),
    List {
        /// Terms still to come; the last is the tail.
        left: u64,
        /// Where its length stands in the output, and the elements so far.
        length_at: usize,
        length: u32,
    },
    Map {
        /// Terms still to come: keys and values take turns.
        left: u64,
        /// Where its keys and values begin: the first of its [`Walk::marks`].
        marks: usize,
    },
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    open: Vec<Open>,
    out: Vec<u8>,
    /// Where in the output the keys and values of the open maps begin.
    marks: Vec<usize>,
    limit: usize,
}

pub(crate) fn canonical(term: Term<'_>, limit: usize) -> Option<Cow<'_, [u8]>> {
    let bytes = term.as_bytes();
    if let [
        tag::BINARY | tag::SMALL_ATOM_UTF8 | tag::SMALL_INTEGER | tag::NIL,
        ..,
    ] = bytes
    {
        return (bytes.len() <= limit).then_some(Cow::Borrowed(bytes));
    }
    let mut walk = Walk {
        cursor: Cursor::new(bytes),
        open: Vec::new(),
        out: Vec::new(),
        marks: Vec::new(),
        limit,
    };
    // Checked bytes end with the outermost term.
    while walk.cursor.left() > 0 {
        if walk.read()? {
            walk.complete();
        }
        if walk.out.len() > limit {
            return None;
        }
    }
    Some(Cow::Owned(walk.out))
}

impl<'a> Walk<'a> {
    /// Reads one head and writes it. Answers whether a term is complete with it.
    fn read(&mut self) -> Option<bool> {
        // `[|Tail]`, which is `Tail`, wherever it stands.
        while self.cursor.rest().starts_with(&[tag::LIST, 0, 0, 0, 0]) {
            self.cursor.head::<false>().ok()?;
        }
        let (at, start) = (self.cursor.at(), self.cursor.rest());
        let terms = self.cursor.head::<false>().ok()?;
        let head = start.get(..self.cursor.at() - at)?;
        match self.open.last_mut() {
            None => {}
            Some(Open::Sequence(left)) => *left -= 1,
            Some(Open::Map { left, .. }) => {
                *left -= 1;
                self.marks.push(self.out.len());
            }
            Some(Open::List { left, length, .. }) => {
                *left -= 1;
                match (*left == 0, head) {
                    // A list as the tail of a list: more elements of the same list.
                    (true, [tag::LIST, ..]) => {
                        *left = terms;
                        return Some(false);
                    }
                    (true, [tag::STRING, _, _, bytes @ ..]) => {
                        *length += bytes.len() as u32;
                        elements(&mut self.out, bytes);
                        put::nil(&mut self.out);
                        return Some(true);
                    }
                    (true, _) => {}
                    (false, _) => *length += 1,
                }
            }
        }
        self.term(head, terms)
    }

    /// Writes a term, or the head of one that contains others, which is then open.
    fn term(&mut self, head: &'a [u8], terms: u64) -> Option<bool> {
        let open = match head.first()? {
            &tag::LIST => {
                put::list(&mut self.out, 0);
                Some(Open::List {
                    left: terms,
                    length_at: self.out.len() - 4,
                    length: 0,
                })
            }
            &tag::SMALL_TUPLE | &tag::LARGE_TUPLE => {
                put::tuple(&mut self.out, terms as usize);
                (terms > 0).then_some(Open::Sequence(terms))
            }
            &tag::MAP => {
                put::map(&mut self.out, (terms / 2) as usize);
                let marks = self.marks.len();
                (terms > 0).then_some(Open::Map { left: terms, marks })
            }
            &tag::NEW_FUN => {
                fun(&mut self.out, head)?;
                (terms > 0).then_some(Open::Sequence(terms))
            }
            &tag::BINARY | &tag::BIT_BINARY if self.out.len() + head.len() > self.limit => {
                return None;
            }
            _ => {
                scalar(&mut self.out, Term::checked(head))?;
                None
            }
        };
        let complete = open.is_none();
        self.open.extend(open);
        Some(complete)
    }

    /// A term has ended: and with it all terms whose last it is.
    fn complete(&mut self) {
        while let Some(top) = self.open.last() {
            match *top {
                Open::Sequence(0) => {}
                Open::List {
                    left: 0,
                    length_at,
                    length,
                } => {
                    if let Some(slot) = self.out.get_mut(length_at..length_at + 4) {
                        slot.copy_from_slice(&length.to_be_bytes());
                    }
                }
                Open::Map { left: 0, marks } => self.sort(marks),
                _ => return,
            }
            self.open.pop();
        }
    }

    /// Sorts the pairs of the innermost map, which ends where the output does.
    fn sort(&mut self, marks: usize) {
        let marked = self.marks.get(marks..).unwrap_or_default();
        let start = marked.first().copied().unwrap_or(self.out.len());
        let content = self.out.get(start..).unwrap_or_default();
        let ends = marked.iter().skip(2).step_by(2).copied();
        let ends = ends.chain([self.out.len()]);
        let mut pairs: Vec<(&[u8], &[u8])> = marked
            .as_chunks::<2>()
            .0
            .iter()
            .zip(ends)
            .filter_map(|([key, value], end)| {
                let pair = content.get(key - start..end - start)?;
                pair.split_at_checked(value - key)
            })
            .collect();
        if !pairs.is_sorted() {
            pairs.sort_unstable();
            let sorted: Vec<u8> = pairs
                .into_iter()
                .flat_map(|(key, value)| [key, value])
                .flatten()
                .copied()
                .collect();
            self.out.truncate(start);
            self.out.extend_from_slice(&sorted);
        }
        self.marks.truncate(marks);
    }
}

/// Bytes as the elements of a list.
fn elements(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes.iter().flat_map(|byte| [tag::SMALL_INTEGER, *byte]));
}

/// Writes a term that contains no others.
fn scalar(out: &mut Vec<u8>, term: Term<'_>) -> Option<()> {
    let bytes = term.as_bytes();
    match term.kind() {
        Kind::Atom => put::atom(out, &term.as_atom()?.text()),
        Kind::Integer => integer(out, term),
        // Adding zero turns -0.0 into 0.0 and leaves all others.
        Kind::Float => put::float(out, term.as_f64()? + 0.0),
        Kind::BitString => bits(out, bytes),
        Kind::List => match bytes.get(3..).unwrap_or_default() {
            [] => put::nil(out),
            string => {
                put::list(out, string.len());
                elements(out, string);
                put::nil(out);
            }
        },
        Kind::Pid => Pid::from_term(term)?.put(out),
        Kind::Port => port(out, bytes)?,
        Kind::Reference => {
            let mut reference = Reference::from_term(term)?;
            // Words that are missing are zero.
            let last = reference.words.iter().rposition(|word| *word != 0);
            reference.words.truncate(last.map_or(0, |last| last + 1));
            reference.put(out);
        }
        Kind::Fun => {
            out.push(tag::EXPORT);
            let (module, rest) = Term::first(bytes.get(1..)?)?;
            let (function, arity) = Term::first(rest)?;
            put::atom(out, &module.as_atom()?.text());
            put::atom(out, &function.as_atom()?.text());
            out.extend_from_slice(arity);
        }
        Kind::Binary | Kind::Tuple | Kind::Map => out.extend_from_slice(bytes),
    }
    Some(())
}

fn integer(out: &mut Vec<u8>, term: Term<'_>) {
    if let Some(n) = term.as_i64() {
        return put::integer(out, n);
    }
    let (negative, magnitude) = term.magnitude();
    match u8::try_from(magnitude.len()) {
        Ok(len) => out.extend_from_slice(&[tag::SMALL_BIG, len]),
        Err(_) => {
            out.push(tag::LARGE_BIG);
            out.extend_from_slice(&(magnitude.len() as u32).to_be_bytes());
        }
    }
    out.push(u8::from(negative));
    out.extend_from_slice(magnitude);
}

/// A bit string that uses all eight bits of its last byte is a binary; bits that are not used are
/// zero.
fn bits(out: &mut Vec<u8>, bytes: &[u8]) {
    let [_tag, _, _, _, _, used, content @ ..] = bytes else {
        return;
    };
    match content.split_last() {
        Some((last, most)) if *used < 8 => {
            out.extend_from_slice(bytes.get(..6).unwrap_or_default());
            out.extend_from_slice(most);
            out.push(
                last & u8::MAX
                    .checked_shl(8 - u32::from(*used))
                    .unwrap_or_default(),
            );
        }
        _ => put::binary(out, content),
    }
}

fn port(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    let (node, numbers) = Term::first(bytes.get(1..)?)?;
    out.push(tag::V4_PORT);
    put::atom(out, &node.as_atom()?.text());
    match (bytes.first()?, numbers) {
        (&tag::V4_PORT, _) => out.extend_from_slice(numbers),
        (_, [id @ .., creation]) if id.len() == 4 => {
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(id);
            out.extend_from_slice(&[0, 0, 0, creation & 3]);
        }
        _ => {
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(numbers);
        }
    }
    Some(())
}

/// A fun before its free variables: index, number of free variables, module and checksum. (There
/// are two checksums of the module; either tells two versions of it apart.)
fn fun(out: &mut Vec<u8>, head: &[u8]) -> Option<()> {
    let (_tag_size_arity_uniq, rest) = head.split_at_checked(1 + 4 + 1 + 16)?;
    let (index_free, rest) = rest.split_at_checked(4 + 4)?;
    let (module, rest) = Term::first(rest)?;
    let (_old_index, rest) = Term::first(rest)?;
    let (old_uniq, _pid) = Term::first(rest)?;
    out.push(tag::NEW_FUN);
    out.extend_from_slice(index_free);
    put::atom(out, &module.as_atom()?.text());
    integer(out, old_uniq);
    Some(())
}
