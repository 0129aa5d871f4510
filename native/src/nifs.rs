//! The functions that the emulator sees: each under its name for an ordinary scheduler, and under its name with
//! `_dirty` for a dirty one.
//!
//! The attribute `rustler::nif` would write the same, with a vector allocated for the arguments of each call: a third of
//! what a short call costs.
#![allow(
    unsafe_code,
    reason = "the C interface of the emulator; each block says why it is sound"
)]

use crate::budget::{Budget, Run, run};
use crate::{aggregate, archive, crypto, filter, graph, hash, predicate, select};
use rustler::codegen_runtime::{ErlNifEnv, ErlNifFunc, ErlNifTerm, c_int};
use rustler::sys::enif_raise_exception;
use rustler::{Encoder, Env, SchedulerFlags, Term};
use std::panic::{AssertUnwindSafe, catch_unwind};

rustler::atoms! { nif_panicked }

/// Calls `body` with the arguments of a call. A panic does not leave it: it becomes the error `nif_panicked`.
///
/// # Safety
/// All but `body` must be what the emulator gave to a function of `N` arguments.
#[inline(always)]
unsafe fn call<const N: usize>(
    env: *mut ErlNifEnv,
    arguments: *const ErlNifTerm,
    budget: Budget,
    body: impl for<'a> FnOnce(Env<'a>, &mut Budget, [Term<'a>; N]) -> Run<'a>,
) -> ErlNifTerm {
    let lifetime = ();
    // SAFETY: no other environment has the lifetime of this variable. The emulator gives `N` terms of it.
    let (env, words) = unsafe { (Env::new(&lifetime, env), *arguments.cast::<[_; N]>()) };
    // SAFETY: the terms belong to the environment.
    let terms = words.map(|word| unsafe { Term::new(env, word) });
    let result = catch_unwind(AssertUnwindSafe(|| {
        run(env, budget, |env, budget| body(env, budget, terms))
    }));
    match result {
        Ok(term) => term.as_c_arg(),
        // SAFETY: the atom is a term of every environment.
        Err(_) => unsafe { enif_raise_exception(env.as_c_arg(), nif_panicked().as_c_arg()) },
    }
}

/// Whether the library is loaded; its Erlang stub says `false`.
fn loaded<'a>(env: Env<'a>, _: &mut Budget) -> Run<'a> {
    Ok(true.encode(env))
}

/// A line of the table: `body`, with as many arguments as there are names, as the function `name`.
macro_rules! line {
    ($flags:ident, $budget:expr, $name:ident ($($argument:ident),*) => $body:path) => {{
        const ARITY: usize = <[&str]>::len(&[$(stringify!($argument)),*]);
        unsafe extern "C" fn $name(env: *mut ErlNifEnv, _: c_int, arguments: *const ErlNifTerm) -> ErlNifTerm {
            // SAFETY: the emulator gives as many arguments as the table says.
            unsafe {
                call::<ARITY>(env, arguments, $budget, |env, budget, [$($argument),*]| {
                    $body(env, budget, $($argument),*)
                })
            }
        }
        ErlNifFunc {
            name: concat!(stringify!($name), "\0").as_ptr().cast(),
            arity: ARITY as u32,
            function: $name,
            flags: SchedulerFlags::$flags as u32,
        }
    }};
}

macro_rules! nifs {
    ($($name:ident, $dirty:ident $arguments:tt => $body:path;)*) => {
        /// All functions, for the entry of the library.
        pub fn table() -> Vec<ErlNifFunc> {
            vec![
                line!(Normal, Budget::scheduler(), loaded() => self::loaded),
                $(
                    line!(Normal, Budget::scheduler(), $name $arguments => $body),
                    line!(DirtyCpu, Budget::dirty(), $dirty $arguments => $body),
                )*
            ]
        }
    };
}

nifs! {
    xxhash64, xxhash64_dirty(data, seed) => hash::xxhash64;
    xxhash3, xxhash3_dirty(data) => hash::xxhash3;
    fnv1a, fnv1a_dirty(data) => hash::fnv1a;
    partition_hash, partition_hash_dirty(data, partitions) => hash::partition_hash;
    partition_hash_batch, partition_hash_batch_dirty(items, partitions) => hash::partition_hash_batch;
    stream_partition, stream_partition_dirty(store, stream, partitions) => hash::stream_partition;
    fast_phash, fast_phash_dirty(data, range) => hash::fast_phash;

    verify_ed25519, verify_ed25519_dirty(message, signature, key) => crypto::verify_ed25519;
    hash_sha256, hash_sha256_dirty(data) => crypto::hash_sha256;
    hash_sha256_base64, hash_sha256_base64_dirty(data) => crypto::hash_sha256_base64;
    base64_encode, base64_encode_dirty(data) => crypto::base64_encode;
    base64_decode, base64_decode_dirty(text) => crypto::base64_decode;
    secure_compare, secure_compare_dirty(a, b) => crypto::secure_compare;
    base58_encode, base58_encode_dirty(data) => crypto::base58_encode;
    base58_decode, base58_decode_dirty(text) => crypto::base58_decode;
    match_resource_pattern, match_resource_pattern_dirty(pattern, resource) => crypto::match_resource_pattern;

    compress_zstd, compress_zstd_dirty(data, level) => archive::compress_zstd;
    decompress_zstd, decompress_zstd_dirty(data) => archive::decompress_zstd;
    compress_lz4, compress_lz4_dirty(data) => archive::compress_lz4;
    decompress_lz4, decompress_lz4_dirty(data) => archive::decompress_lz4;

    aggregate_events, aggregate_events_dirty(events, initial, finalize) => aggregate::aggregate_events;
    merge_tagged_batch, merge_tagged_batch_dirty(pairs, state) => aggregate::merge_tagged_batch;
    finalize, finalize_dirty(map) => aggregate::finalize;
    sum_field, sum_field_dirty(events, field) => aggregate::sum_field;
    count_where, count_where_dirty(events, field, value) => aggregate::count_where;
    aggregation_stats, aggregation_stats_dirty(events) => aggregate::aggregation_stats;

    wildcard_to_regex, wildcard_to_regex_dirty(pattern) => filter::wildcard_to_regex;
    wildcard_match, wildcard_match_dirty(text, pattern) => filter::wildcard_match;
    regex_match, regex_match_dirty(text, regex) => filter::regex_match;
    has_prefix, has_prefix_dirty(text, prefix) => filter::has_prefix;
    has_suffix, has_suffix_dirty(text, suffix) => filter::has_suffix;
    filter_by_wildcard, filter_by_wildcard_dirty(items, pattern) => filter::filter_by_wildcard;
    filter_by_regex, filter_by_regex_dirty(items, regex) => filter::filter_by_regex;
    filter_by_prefix, filter_by_prefix_dirty(items, prefix) => filter::filter_by_prefix;
    filter_by_suffix, filter_by_suffix_dirty(items, suffix) => filter::filter_by_suffix;
    match_indices, match_indices_dirty(items, pattern) => filter::match_indices;
    count_matches, count_matches_dirty(items, pattern) => filter::count_matches;

    compile_predicate, compile_predicate_dirty(tests, entry, constants) => predicate::compile;
    filter_events, filter_events_dirty(events, program, constants) => select::filter;
    filter_count, filter_count_dirty(events, program, constants) => select::count;
    partition_events, partition_events_dirty(events, program, constants) => select::partition;
    find_all, find_all_dirty(events, program, constants) => select::find_all;
    first_match, first_match_dirty(events, program, constants) => select::first_match;
    any_match, any_match_dirty(events, program, constants) => select::any;
    all_match, all_match_dirty(events, program, constants) => select::all;

    build_edges, build_edges_dirty(events) => graph::build_edges;
    find_roots, find_roots_dirty(nodes, edges) => graph::find_roots;
    find_leaves, find_leaves_dirty(nodes, edges) => graph::find_leaves;
    topo_sort, topo_sort_dirty(nodes, edges) => graph::topo_sort;
    has_cycle, has_cycle_dirty(nodes, edges) => graph::has_cycle;
    graph_stats, graph_stats_dirty(nodes, edges) => graph::graph_stats;
    has_path, has_path_dirty(nodes, edges, from, to) => graph::has_path;
    get_ancestors, get_ancestors_dirty(nodes, edges, target) => graph::get_ancestors;
    get_descendants, get_descendants_dirty(nodes, edges, source) => graph::get_descendants;
    to_dot, to_dot_dirty(nodes, edges) => graph::to_dot;
    to_dot_simple, to_dot_simple_dirty(nodes, edges) => graph::to_dot_simple;
}
