//! Process identifiers and references, owned.

use crate::{Term, put, tag};
use std::sync::Arc;

/// A process identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid {
    /// The node's name.
    pub node: Arc<str>,
    /// First number: the process's slot.
    pub id: u32,
    /// Second number: how often the slot was used.
    pub serial: u32,
    /// Which start of the node it belongs to.
    pub creation: u32,
}

/// A reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The node's name.
    pub node: Arc<str>,
    /// Which start of the node it belongs to.
    pub creation: u32,
    /// One to five words, as on the wire.
    pub words: Vec<u32>,
}

/// The node name after the first `skip` bytes of `bytes`, and the bytes after it.
fn node(bytes: &[u8], skip: usize) -> Option<(Arc<str>, &[u8])> {
    let (node, rest) = Term::first(bytes.get(skip..)?)?;
    Some((Arc::from(&*node.as_atom()?.text()), rest))
}

fn word(bytes: &[u8], n: usize) -> Option<u32> {
    let bytes = bytes.get(4 * n..4 * n + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

impl Pid {
    /// The process identifier that `term` is, if it is one.
    pub fn from_term(term: Term<'_>) -> Option<Self> {
        let bytes = term.as_bytes();
        let (node, rest) = match bytes.first()? {
            &tag::NEW_PID | &tag::PID => node(bytes, 1)?,
            _ => return None,
        };
        let creation = match rest {
            [_, _, _, _, _, _, _, _, creation] => u32::from(creation & 3),
            _ => word(rest, 2)?,
        };
        Some(Pid {
            node,
            id: word(rest, 0)?,
            serial: word(rest, 1)?,
            creation,
        })
    }

    /// Appends it to `out`.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(tag::NEW_PID);
        put::atom(out, &self.node);
        for n in [self.id, self.serial, self.creation] {
            out.extend_from_slice(&n.to_be_bytes());
        }
    }
}

impl std::fmt::Display for Pid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}.{}.{}>", self.node, self.id, self.serial)
    }
}

impl Reference {
    /// The reference that `term` is, if it is one.
    pub fn from_term(term: Term<'_>) -> Option<Self> {
        let bytes = term.as_bytes();
        let (node, rest) = match bytes.first()? {
            &tag::NEWER_REFERENCE | &tag::NEW_REFERENCE => node(bytes, 3)?,
            &tag::REFERENCE => node(bytes, 1)?,
            _ => return None,
        };
        let (creation, words) = match *bytes.first()? {
            tag::NEWER_REFERENCE => (word(rest, 0)?, rest.get(4..)?),
            tag::REFERENCE => (u32::from(rest.last()? & 3), rest.get(..4)?),
            _ => (u32::from(rest.first()? & 3), rest.get(1..)?),
        };
        let words = (0..words.len() / 4)
            .filter_map(|n| word(words, n))
            .collect();
        Some(Reference {
            node,
            creation,
            words,
        })
    }

    /// Appends it to `out`.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(tag::NEWER_REFERENCE);
        out.extend_from_slice(&(self.words.len() as u16).to_be_bytes());
        put::atom(out, &self.node);
        out.extend_from_slice(&self.creation.to_be_bytes());
        for word in &self.words {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}
