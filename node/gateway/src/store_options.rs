//! Options that a store is created with, as far as they change what its clients see. All others are
//! kept and shown, and mean nothing here.

use crate::generation::Generation;
use crate::refusal::Refusal;
use esdb_etf::Term;
use esdb_store::Expected;

/// What requests to a store go by, beyond the client's generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StoreOptions {
    /// `zero_matches_empty`: whether an expected version of 0 also means a stream that does not exist.
    /// If it is not given, the generation decides.
    zero_matches_empty: Option<bool>,
    /// `stream_ids => strict`: appends must name streams as reckon_gater 2.2 does.
    pub(crate) strict_stream_ids: bool,
    /// `records => true`: snapshots and lists of subscriptions are records, not maps.
    pub(crate) records: bool,
}

impl StoreOptions {
    /// Reads a keyword list or a map.
    ///
    /// # Errors
    /// [`Refusal`] if one of the options has a value that makes no sense.
    pub(crate) fn read(options: Term<'_>) -> Result<Self, Refusal> {
        let strict_stream_ids = match option(options, "stream_ids") {
            None => false,
            Some(format) if format.is_atom("any") => false,
            Some(format) if format.is_atom("strict") => true,
            Some(_) => return Err(wrong("stream_ids: give any or strict")),
        };
        let zero = truth(
            options,
            "zero_matches_empty",
            "zero_matches_empty: give true or false",
        )?;
        let records = truth(options, "records", "records: give true or false")?;
        Ok(StoreOptions {
            zero_matches_empty: zero,
            strict_stream_ids,
            records: records.unwrap_or(false),
        })
    }

    /// What an expected version of `n` means.
    pub(crate) fn exactly(self, generation: Generation, n: u64) -> Expected {
        match (n, self.zero_matches_empty) {
            (0, Some(true)) => Expected::ExactlyOrEmpty(0),
            (0, Some(false)) => Expected::Exactly(0),
            _ => generation.exactly(n),
        }
    }
}

/// The value of a key in a keyword list or a map.
pub(crate) fn option<'a>(options: Term<'a>, key: &str) -> Option<Term<'a>> {
    match options.as_map() {
        Some(map) => map.get(key),
        None => options
            .as_list()?
            .filter_map(|option| option.as_array())
            .find_map(|[name, value]| name.is_atom(key).then_some(value)),
    }
}

fn truth(options: Term<'_>, key: &str, problem: &str) -> Result<Option<bool>, Refusal> {
    match option(options, key) {
        None => Ok(None),
        Some(value) if value.is_atom("true") => Ok(Some(true)),
        Some(value) if value.is_atom("false") => Ok(Some(false)),
        Some(_) => Err(wrong(problem)),
    }
}

fn wrong(problem: &str) -> Refusal {
    Refusal::argument("options", problem)
}
