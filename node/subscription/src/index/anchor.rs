//! The conditions of a selector under which it can be filed.

use crate::condition::{Comparison, Condition};
use crate::field::Field;
use crate::glob::Glob;
use crate::number::Number;
use crate::selector::{Clause, Selector};

/// Most bytes of a piece that are looked up: every part of a stream's name is, in each length that
/// some piece has.
const MAX_PIECE: usize = 32;

/// What every event that the selector matches has.
#[derive(Debug)]
pub(crate) enum Anchor<'a> {
    /// This is its stream.
    Stream(&'a [u8]),
    /// Its stream's name begins so.
    Prefix(&'a [u8]),
    /// Its stream's name ends so.
    Suffix(&'a [u8]),
    /// This is in its stream's name.
    Piece(&'a [u8]),
    /// One of these tags.
    Tags(Vec<&'a [u8]>),
    /// A field whose value, or the value under these keys in it, is so.
    Value {
        field: Field,
        path: Vec<&'a [u8]>,
        leaf: Leaf<'a>,
    },
}

/// What the value is like.
#[derive(Debug)]
pub(crate) enum Leaf<'a> {
    /// One of these.
    Equal(&'a [Box<[u8]>]),
    /// This number or one on the comparison's side of it.
    Beyond(Comparison, &'a Number<'static>),
    /// There.
    Present,
}

/// The anchors of a selector, the most telling ones first. Equal selectors have equal anchors.
pub(crate) fn anchors(selector: &Selector) -> Vec<Anchor<'_>> {
    let mut anchors = Vec::new();
    for clause in &selector.clauses {
        match clause {
            Clause::Stream(glob) => stream(glob, &mut anchors),
            Clause::AnyTag(tags) => {
                anchors.push(Anchor::Tags(tags.iter().map(|tag| &**tag).collect()));
            }
            Clause::Tag(tag) => anchors.push(Anchor::Tags(vec![&**tag])),
            Clause::Field(field, condition) => {
                value(*field, &mut Vec::new(), condition, &mut anchors);
            }
        }
    }
    anchors.sort_by_key(Anchor::rank);
    anchors
}

impl Anchor<'_> {
    /// The lower, the fewer events are expected to have it.
    fn rank(&self) -> u8 {
        match self {
            Anchor::Stream(_) => 0,
            Anchor::Tags(_) => 1,
            Anchor::Value {
                leaf: Leaf::Equal(_),
                ..
            } => 2,
            Anchor::Prefix(_) | Anchor::Suffix(_) => 3,
            Anchor::Piece(_) => 4,
            Anchor::Value {
                leaf: Leaf::Beyond(..),
                ..
            } => 5,
            Anchor::Value {
                leaf: Leaf::Present,
                ..
            } => 6,
        }
    }
}

fn stream<'a>(glob: &'a Glob, anchors: &mut Vec<Anchor<'a>>) {
    match glob {
        Glob::Exact(name) => anchors.push(Anchor::Stream(name)),
        Glob::Wild {
            prefix,
            pieces,
            suffix,
        } => {
            if !prefix.is_empty() {
                anchors.push(Anchor::Prefix(prefix));
            }
            if !suffix.is_empty() {
                anchors.push(Anchor::Suffix(suffix));
            }
            anchors.extend(pieces.iter().map(|piece| {
                let most = piece.len().min(MAX_PIECE);
                Anchor::Piece(piece.get(..most).unwrap_or_default())
            }));
        }
    }
}

/// Adds the anchors of a condition on what is under `path`. As deep as a pattern can be.
fn value<'a>(
    field: Field,
    path: &mut Vec<&'a [u8]>,
    condition: &'a Condition,
    anchors: &mut Vec<Anchor<'a>>,
) {
    let leaf = match condition {
        Condition::In(values) => Leaf::Equal(values),
        Condition::Compare(comparison, bound) => Leaf::Beyond(*comparison, bound),
        Condition::Map(pairs) if !pairs.is_empty() => {
            for (key, condition) in pairs {
                path.push(key);
                value(field, path, condition, anchors);
                path.pop();
            }
            return;
        }
        // Each event has a value in each field.
        _ if path.is_empty() => return,
        Condition::Map(_) | Condition::Any | Condition::NotEqual(_) => Leaf::Present,
    };
    let path = path.clone();
    anchors.push(Anchor::Value { field, path, leaf });
}
