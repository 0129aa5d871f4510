//! The entry of the library: `nif_init`, with an `upgrade` callback.
//!
//! The macro `rustler::init!` writes an entry without one, and the emulator then refuses to load the library into a
//! new version of its module while the old version is still there: a release upgrade would lose the accelerators.
//! So the entry is written out here, from the same parts that the macro uses.
//!
//! The emulator wants one resource type per name and module, and a type that was made by the old version stays with
//! it. Each load therefore makes the type under a name of its own; a predicate compiled before an upgrade is not
//! recognised after it, and its twin, which needs nothing but the predicate's source, answers.
#![allow(
    unsafe_code,
    reason = "the C interface of the emulator; each block says why it is sound"
)]

use crate::nifs::table;
use crate::raw::open_type;
use rustler::codegen_runtime::{ErlNifEntry, ErlNifEnv, ErlNifTerm, c_int, c_void};
use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The Erlang module that holds the stubs.
const MODULE: &CStr = c"esdb_nifs_lib";

/// What the emulator asks for when it opens the library. The entry and its table of functions stay for as long as
/// the library is mapped.
#[unsafe(no_mangle)]
extern "C" fn nif_init() -> *const ErlNifEntry {
    // SAFETY: called once by the emulator before any other function, as `rustler::init!` does.
    unsafe { rustler::codegen_runtime::internal_write_symbols() };
    let mut entry = ErlNifEntry::new(MODULE, Box::leak(table().into_boxed_slice()), load);
    entry.upgrade = Some(upgrade);
    Box::leak(Box::new(entry))
}

unsafe extern "C" fn load(env: *mut ErlNifEnv, data: *mut *mut c_void, _info: ErlNifTerm) -> c_int {
    // SAFETY: both are those of this callback.
    unsafe { open_type(env, data, &type_name()) }
}

unsafe extern "C" fn upgrade(
    env: *mut ErlNifEnv,
    data: *mut *mut c_void,
    _old_data: *mut *mut c_void,
    _info: ErlNifTerm,
) -> c_int {
    // SAFETY: both are those of this callback.
    unsafe { open_type(env, data, &type_name()) }
}

/// A name that no other load in this emulator has used, not even one of another file.
fn type_name() -> CString {
    static LOADS: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let load = LOADS.fetch_add(1, Ordering::Relaxed);
    CString::new(format!("esdb_predicate_{nanos}_{load}")).unwrap_or_default()
}
