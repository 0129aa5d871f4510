//! Terms that are kept and given back as they came: short ones in place, so that a call costs no
//! allocation.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// A pid or a reference fits if the node's name has up to about 35 bytes.
const INLINE: usize = 62;

/// The bytes of one term.
#[derive(Clone)]
pub(crate) enum Raw {
    Inline { len: u8, bytes: [u8; INLINE] },
    Heap(Box<[u8]>),
}

impl From<&[u8]> for Raw {
    fn from(source: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..source.len()) {
            Some(space) => {
                space.copy_from_slice(source);
                Raw::Inline {
                    len: source.len() as u8,
                    bytes,
                }
            }
            None => Raw::Heap(source.into()),
        }
    }
}

impl Deref for Raw {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Raw::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Raw::Heap(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for Raw {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Raw {}

impl Hash for Raw {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raw({} bytes)", self.len())
    }
}
