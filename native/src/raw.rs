//! The C interface where rustler's safe one is not enough: elements of a tuple without copying it, lists of terms that are
//! one word each, a walk over a map in one direction, and a resource whose type belongs to one load of the library.
//!
//! rustler keeps the type of a resource in a table that is shared by all loads of a file, and writes to it while
//! calls of the version before are reading it: a program made in that moment is of a type that is not there yet.
//! Here the type is the private data of its load: a call sees that of its own version and no other.
#![allow(
    unsafe_code,
    reason = "the C interface of the emulator; each block says why it is sound"
)]

use crate::budget::{Run, Stop};
use crate::predicate::Program;
use rustler::codegen_runtime::{ErlNifEnv, ErlNifTerm, c_int, c_void};
use rustler::sys::{
    ErlNifMapIterator, ErlNifMapIteratorEntry, ErlNifResourceFlags, ErlNifResourceType,
    ErlNifResourceTypeInit, enif_alloc_resource, enif_get_list_cell, enif_get_resource,
    enif_get_tuple, enif_init_resource_type, enif_make_list_from_array, enif_make_map_from_arrays,
    enif_make_resource, enif_map_iterator_create, enif_map_iterator_destroy,
    enif_map_iterator_get_pair, enif_map_iterator_next, enif_priv_data, enif_release_resource,
};
use rustler::{Env, Term};
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ptr;

/// The elements of a tuple, where the emulator has them.
#[derive(Clone, Copy)]
pub struct Elements<'a> {
    env: Env<'a>,
    terms: &'a [ErlNifTerm],
}

impl<'a> Elements<'a> {
    /// Those of `tuple`; `None` when it is none.
    #[inline]
    pub fn of(tuple: Term<'a>) -> Option<Self> {
        let env = tuple.get_env();
        let (mut arity, mut first) = (0, ptr::null());
        // SAFETY: the term belongs to the environment.
        let found =
            unsafe { enif_get_tuple(env.as_c_arg(), tuple.as_c_arg(), &mut arity, &mut first) };
        let length = usize::try_from(arity).ok().filter(|_| found != 0)?;
        let terms = match length {
            0 => &[],
            // SAFETY: the emulator says where `length` terms are. Nothing moves or frees them before the call ends,
            // which is when 'a ends.
            _ => unsafe { std::slice::from_raw_parts(first, length) },
        };
        Some(Elements { env, terms })
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// The element at `index`, from 0.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Term<'a>> {
        // SAFETY: the term comes out of a tuple of this environment.
        let term = |word: &ErlNifTerm| unsafe { Term::new(self.env, *word) };
        self.terms.get(index).map(term)
    }

    /// Both elements of a pair.
    #[inline]
    pub fn pair(&self) -> Option<(Term<'a>, Term<'a>)> {
        match self.terms {
            // SAFETY: the terms come out of a tuple of this environment.
            [a, b] => unsafe { Some((Term::new(self.env, *a), Term::new(self.env, *b))) },
            _ => None,
        }
    }
}

/// Terms of one environment, without a pointer to it in each: a third of the memory.
pub struct Terms<'a> {
    env: Env<'a>,
    words: Vec<ErlNifTerm>,
}

impl<'a> Terms<'a> {
    /// None yet.
    pub fn new(env: Env<'a>) -> Self {
        Terms {
            env,
            words: Vec::with_capacity(64),
        }
    }

    /// Adds one at the end.
    #[inline]
    pub fn push(&mut self, term: Term<'a>) {
        self.words.push(term.as_c_arg());
    }

    /// The term at `index`, from 0.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Term<'a>> {
        // SAFETY: the word is that of a term with the lifetime of this environment.
        let term = |word: &ErlNifTerm| unsafe { Term::new(self.env, *word) };
        self.words.get(index).map(term)
    }

    /// Puts `term` in place of the one at `index`.
    #[inline]
    pub fn set(&mut self, index: usize, term: Term<'a>) {
        if let Some(word) = self.words.get_mut(index) {
            *word = term.as_c_arg();
        }
    }

    /// The map from each of them to the one of `values` at its place.
    ///
    /// # Errors
    /// [`Stop::Twin`] when there are more or fewer values, or two keys are the same.
    pub fn map(&self, values: &Terms<'a>) -> Run<'a> {
        let (env, keys, values) = (self.env, &self.words, &values.words);
        if keys.len() != values.len() {
            return Err(Stop::Twin);
        }
        let mut map = MaybeUninit::uninit();
        let (count, place) = (keys.len(), map.as_mut_ptr());
        // SAFETY: so many words are in both arrays, and all are terms of this environment. The map is written when there
        // is one.
        unsafe {
            let arrays = (keys.as_ptr(), values.as_ptr());
            match enif_make_map_from_arrays(env.as_c_arg(), arrays.0, arrays.1, count, place) {
                0 => Err(Stop::Twin),
                _ => Ok(Term::new(env, map.assume_init())),
            }
        }
    }

    /// The list of them.
    ///
    /// # Errors
    /// [`Stop::Twin`] for 2³² and more.
    pub fn list(&self) -> Run<'a> {
        let (env, words) = (self.env, &self.words);
        let count = u32::try_from(words.len()).map_err(|_| Stop::Twin)?;
        // SAFETY: so many words are there, and all are terms of this environment.
        unsafe {
            let list = enif_make_list_from_array(env.as_c_arg(), words.as_ptr(), count);
            Ok(Term::new(env, list))
        }
    }
}

/// Head and tail of a list cell; `None` for every other term.
#[inline(always)]
pub fn cell<'a>(list: Term<'a>) -> Option<(Term<'a>, Term<'a>)> {
    let env = list.get_env();
    let (mut head, mut tail) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let (word, parts) = (list.as_c_arg(), (head.as_mut_ptr(), tail.as_mut_ptr()));
    // SAFETY: the term belongs to the environment, and so do both parts of it; they are written when it has any.
    unsafe {
        let found = enif_get_list_cell(env.as_c_arg(), word, parts.0, parts.1);
        let part = |word: MaybeUninit<_>| Term::new(env, word.assume_init());
        (found != 0).then(|| (part(head), part(tail)))
    }
}

/// A walk over the keys and values of a map, in the order of the emulator.
pub struct Fields<'a> {
    env: Env<'a>,
    at: ErlNifMapIterator,
}

impl<'a> Fields<'a> {
    /// Starts at the first key of `map`; `None` when it is none.
    #[inline(always)]
    pub fn of(map: Term<'a>) -> Option<Self> {
        let env = map.get_env();
        let mut at = MaybeUninit::uninit();
        let first = ErlNifMapIteratorEntry::ERL_NIF_MAP_ITERATOR_HEAD;
        // SAFETY: the map belongs to the environment, and keeps until the call ends. The iterator is written when it is a map.
        unsafe {
            let made =
                enif_map_iterator_create(env.as_c_arg(), map.as_c_arg(), at.as_mut_ptr(), first);
            (made != 0).then(|| Fields {
                env,
                at: at.assume_init(),
            })
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Term<'a>, Term<'a>);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let (env, at) = (self.env.as_c_arg(), &mut self.at);
        let (mut key, mut value) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: the iterator is one of this environment. Key and value are written when it was not at the end.
        unsafe {
            if enif_map_iterator_get_pair(env, at, key.as_mut_ptr(), value.as_mut_ptr()) == 0 {
                return None;
            }
            enif_map_iterator_next(env, at);
            let term = |word: MaybeUninit<_>| Term::new(self.env, word.assume_init());
            Some((term(key), term(value)))
        }
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        // SAFETY: it was made by `enif_map_iterator_create` and is not used any more.
        unsafe { enif_map_iterator_destroy(self.env.as_c_arg(), &mut self.at) }
    }
}

/// What the emulator calls when the last reference to a program is gone.
unsafe extern "C" fn free_program(_env: *mut ErlNifEnv, object: *mut c_void) {
    // SAFETY: `object` was written by `make_program`, and nobody reads it any more.
    unsafe { ptr::drop_in_place(object.cast::<Program>()) };
}

/// Makes the type of programs for this load and puts it where [`make_program`] finds it; 0 when that went well, as
/// the emulator wants it.
///
/// # Safety
/// `env` and `data` must be those of a `load` or `upgrade` callback.
pub unsafe fn open_type(env: *mut ErlNifEnv, data: *mut *mut c_void, name: &CStr) -> c_int {
    // The field is typed as a pointer to the function pointer, and read as the function pointer.
    let init = ErlNifResourceTypeInit {
        dtor: free_program as *const _,
        stop: ptr::null(),
        down: ptr::null(),
        members: 1,
        dyncall: ptr::null(),
    };
    let mut tried = ErlNifResourceFlags::ERL_NIF_RT_CREATE;
    // SAFETY: the caller gives an environment in which types can be made; the emulator copies name and callbacks.
    let opened = unsafe {
        enif_init_resource_type(
            env,
            name.as_ptr(),
            &init,
            ErlNifResourceFlags::ERL_NIF_RT_CREATE,
            &mut tried,
        )
    };
    if opened.is_null() {
        return 1;
    }
    // SAFETY: the caller gives the place for the private data of this load.
    unsafe { *data = opened.cast_mut().cast() };
    0
}

/// The type that [`open_type`] made for the load that `env` is a call of.
fn program_type(env: Env<'_>) -> *const ErlNifResourceType {
    // SAFETY: `env` is a valid environment.
    unsafe { enif_priv_data(env.as_c_arg()) }.cast::<ErlNifResourceType>()
}

/// A reference to `program`, which the emulator frees with the last copy of the reference.
pub fn make_program<'a>(env: Env<'a>, program: Program) -> Term<'a> {
    // The emulator aligns resources for every C type.
    const { assert!(align_of::<Program>() <= 8) };
    // SAFETY: the memory has the size and alignment of a program and is written before anybody can see it. The
    // reference made from it keeps it when the one of its making is given back.
    unsafe {
        let object = enif_alloc_resource(program_type(env), size_of::<Program>());
        object.cast::<Program>().write(program);
        let reference = enif_make_resource(env.as_c_arg(), object);
        enif_release_resource(object);
        Term::new(env, reference)
    }
}

/// The program that `term` refers to; `None` when it is none, or one of another version of the library.
pub fn program<'a>(term: Term<'a>) -> Option<&'a Program> {
    let env = term.get_env();
    let mut object: *const c_void = ptr::null();
    // SAFETY: an object of this type is a program. The reference, which belongs to the caller, keeps it until the
    // call ends, which is when 'a ends.
    unsafe {
        let found = enif_get_resource(
            env.as_c_arg(),
            term.as_c_arg(),
            program_type(env),
            &mut object,
        );
        (found != 0).then(|| &*object.cast::<Program>())
    }
}
