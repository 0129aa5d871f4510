//! What a request term asks for. Nothing is looked up here, and nothing done.

use crate::generation::Generation;
use crate::lifecycle;
use crate::refusal::Refusal;
use crate::request::{self, Rules, Work};
use crate::store_options::StoreOptions;
use esdb_etf::Term;

/// Most elements of a request.
const MAX_ELEMENTS: usize = 16;

/// What a request asks for.
pub(crate) enum Asked {
    /// Something about stores themselves.
    Lifecycle(lifecycle::Request),
    /// Something of the store of that name.
    Work(String, Work),
}

impl Asked {
    /// Reads the request of a client of `generation`. An event may have `max_event` bytes;
    /// `options` tells those of a store, the default for none.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such request, or an argument is wrong.
    pub(crate) fn parse(
        request: Term<'_>,
        generation: Generation,
        max_event: usize,
        options: impl FnOnce(&str) -> StoreOptions,
    ) -> Result<Self, Refusal> {
        let unknown = || Refusal::UnknownRequest(format!("{request:?}"));
        let tuple = request.as_tuple().ok_or_else(unknown)?;
        if tuple.len() > MAX_ELEMENTS {
            return Err(unknown());
        }
        let elements: Vec<Term<'_>> = tuple.collect();
        let (name, rest) = elements.split_first().ok_or_else(unknown)?;
        let name = name.as_atom().ok_or_else(unknown)?.text();
        if let Some(request) = lifecycle::Request::parse(&name, rest)? {
            return Ok(Asked::Lifecycle(request));
        }
        let Some((store, arguments)) = rest.split_first() else {
            return Err(Refusal::UnknownRequest(name.into_owned()));
        };
        let store = store.as_atom().map(|store| store.text());
        let rules = Rules {
            generation,
            max_event,
            options: store.as_deref().map(options).unwrap_or_default(),
        };
        let work = request::work(&name, arguments, rules)?;
        let store =
            store.ok_or_else(|| Refusal::argument("store", "give the store's name as an atom"))?;
        Ok(Asked::Work(store.into_owned(), work))
    }
}
