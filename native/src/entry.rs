//! The entry of the library: `nif_init`, with an `upgrade` callback.
//!
//! The macro `rustler::init!` writes an entry without one, and the emulator then refuses to load the library into a
//! new version of its module while the old version is still there: a release upgrade would lose the accelerators.
//! So the entry is written out here, from the same parts that the macro uses.
//!
//! The emulator wants one resource type per name and module, and a type that was made by the old version stays with
//! it. Each load therefore registers the type under a name of its own; a predicate compiled before an upgrade is not
//! recognised after it, and its twin, which needs nothing but the predicate's source, answers.
#![allow(
    unsafe_code,
    reason = "the C interface of the emulator; each block says why it is sound"
)]

use crate::predicate::Program;
use rustler::codegen_runtime::{
    ErlNifEntry, ErlNifEnv, ErlNifFunc, ErlNifTerm, ResourceRegistration, c_int, c_void, inventory,
};
use rustler::{Env, Nif};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The Erlang module that holds the stubs.
const MODULE: &std::ffi::CStr = c"esdb_nifs_lib";

/// What the emulator asks for when it opens the library. The entry and its table of functions stay for as long as
/// the library is mapped.
#[unsafe(no_mangle)]
extern "C" fn nif_init() -> *const ErlNifEntry {
    // SAFETY: called once by the emulator before any other function, as `rustler::init!` does.
    unsafe { rustler::codegen_runtime::internal_write_symbols() };
    let functions: Vec<ErlNifFunc> = inventory::iter::<Nif>().map(Nif::get_def).collect();
    let mut entry = ErlNifEntry::new(MODULE, Box::leak(functions.into_boxed_slice()), load);
    entry.upgrade = Some(upgrade);
    Box::leak(Box::new(entry))
}

unsafe extern "C" fn load(
    env: *mut ErlNifEnv,
    _data: *mut *mut c_void,
    _info: ErlNifTerm,
) -> c_int {
    register(env)
}

unsafe extern "C" fn upgrade(
    env: *mut ErlNifEnv,
    _data: *mut *mut c_void,
    _old_data: *mut *mut c_void,
    _info: ErlNifTerm,
) -> c_int {
    register(env)
}

/// Registers the resource type; 0 when that went well, as the emulator wants it.
fn register(env: *mut ErlNifEnv) -> c_int {
    let done = std::panic::catch_unwind(|| {
        let lifetime = ();
        // SAFETY: `env` is the environment of the callback that this runs in, and does not leave it.
        let env = unsafe { Env::new_init_env(&lifetime, env) };
        let name: &'static str = Box::leak(type_name().into_boxed_str());
        ResourceRegistration::new::<Program>()
            .with_name(name)
            .register(env)
            .is_ok()
    });
    c_int::from(!matches!(done, Ok(true)))
}

/// A name that no other load in this emulator has used, not even one of another file.
fn type_name() -> String {
    static LOADS: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    format!(
        "esdb_predicate_{nanos}_{}",
        LOADS.fetch_add(1, Ordering::Relaxed)
    )
}
