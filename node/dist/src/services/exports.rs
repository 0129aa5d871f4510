//! The functions that peers can call.

use esdb_etf::{Term, put};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// A function that peers can call: takes the arguments and appends the result term. It runs on the
/// read task of the caller's connection and must not block.
pub type Function = dyn Fn(&[Term<'_>], &mut Vec<u8>) + Send + Sync;

#[derive(Default)]
pub(crate) struct Exports {
    functions: RwLock<HashMap<(String, String, usize), Arc<Function>>>,
}

/// A call as it came.
#[derive(Clone, Copy)]
pub(crate) struct Mfa<'a> {
    pub(crate) module: Term<'a>,
    pub(crate) function: Term<'a>,
    pub(crate) arguments: Term<'a>,
}

/// What became of a call.
pub(crate) enum Applied {
    /// The result term.
    Value(Vec<u8>),
    /// There is no such function.
    Undef,
    /// That is no module, no function or no list of arguments.
    Badarg,
}

impl Exports {
    pub(crate) fn add(&self, module: &str, function: &str, arity: usize, f: Arc<Function>) {
        let name = (module.to_owned(), function.to_owned(), arity);
        self.functions.write().insert(name, f);
    }

    pub(crate) fn apply(&self, mfa: Mfa<'_>) -> Applied {
        let names = mfa.module.as_atom().zip(mfa.function.as_atom());
        let Some(((module, function), arguments)) = names.zip(mfa.arguments.as_proper_list())
        else {
            return Applied::Badarg;
        };
        let name = (
            module.text().into_owned(),
            function.text().into_owned(),
            arguments.len(),
        );
        let Some(f) = self.functions.read().get(&name).cloned() else {
            return Applied::Undef;
        };
        let arguments: Vec<Term<'_>> = arguments.collect();
        let mut value = Vec::new();
        f(&arguments, &mut value);
        Applied::Value(value)
    }
}

impl Mfa<'_> {
    /// `[{M, F, Args, []}]`: where an undefined function was called.
    pub(crate) fn put_stack(&self, out: &mut Vec<u8>) {
        put::list(out, 1);
        put::tuple(out, 4);
        for term in [self.module, self.function, self.arguments] {
            out.extend_from_slice(term.as_bytes());
        }
        put::nil(out);
        put::nil(out);
    }
}
