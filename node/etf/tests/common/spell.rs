//! Terms spelled by hand.

use esdb_etf::put;

pub const A: [u8; 3] = [119, 1, b'a'];

pub fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub fn old_float(text: &str) -> Vec<u8> {
    let mut bytes = [&[99], text.as_bytes()].concat();
    bytes.resize(32, 0);
    bytes
}

/// A fun with these bytes after its fixed fields, and `free` free variables announced.
pub fn fun(free: u32, rest: &[&[u8]]) -> Vec<u8> {
    cat(&[
        &[112, 0, 0, 0, 0, 1],
        &[0; 20],
        &free.to_be_bytes(),
        &rest.concat(),
    ])
}

pub fn map(keys: &[&[u8]]) -> Vec<u8> {
    let mut bytes = cat(&[&[116], &(keys.len() as u32).to_be_bytes()]);
    for key in keys {
        bytes.extend_from_slice(key);
        put::nil(&mut bytes);
    }
    bytes
}
