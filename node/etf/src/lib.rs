//! The Erlang External Term Format, borrowed.
//!
//! User terms stay the bytes they came as: a [`Term`] is a slice that has been checked once, its
//! accessors decode only what is asked for, and [`put`] splices slices into a reply. Nothing here
//! recurses on input, allocates from a length whose bytes it has not seen, or creates atoms.
//!
//! # Layout
//! - [`term`]: the checked slice and its accessors; [`parts`]: names, elements and pairs
//! - [`scan`]: the loop that checks a term and finds its end; `cursor`: one head of it;
//!   `float`: floats written as text
//! - `keys`: no map holds a key twice; `digest`: equal numbers for equal keys
//! - `canonical`: equal bytes for equal terms; `phash2`: the hash that BEAM nodes share
//! - [`id`]: process identifiers and references, owned
//! - [`put`]: writing terms
//!
//! Source: "External Term Format", ERTS User's Guide.

mod canonical;
mod cursor;
mod digest;
pub mod error;
mod float;
pub mod id;
mod keys;
pub mod parts;
mod phash2;
pub mod put;
pub mod scan;
pub mod tag;
pub mod term;

pub use error::Error;
pub use id::{Pid, Reference};
pub use parts::{Atom, List, Map, Tuple};
pub use term::{Kind, Term};

/// The version byte that begins every external term.
pub const VERSION: u8 = 131;
