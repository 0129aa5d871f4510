//! `{append_events, Store, Stream, Events}` and `{append_events, Store, Stream, Expected, Events}`:
//! events are appended, all or none. Reply: `{ok, Version}` of the last one.

use super::{Answer, Rules, Work, stream};
use crate::expected;
use crate::generation::Generation;
use crate::new_event::{Checked, NEW_ID};
use crate::refusal::Refusal;
use crate::stream_id;
use esdb_etf::{Kind, Term, put, tag};
use esdb_store::{Expected, Outcome, command};

/// How an append is read.
pub(super) struct Append(pub(super) Rules);

impl Append {
    /// Whatever version the stream has.
    pub(super) fn to_any_version(&self, name: Term<'_>, events: Term<'_>) -> Result<Work, Refusal> {
        self.work(name, Expected::Any, &[], events)
    }

    /// Only if the stream has the expected version. The published guides also show the form
    /// `append_events(S, Stream, Events, #{expected_version => V})`, which puts the events first.
    pub(super) fn expecting(
        &self,
        name: Term<'_>,
        expected: Term<'_>,
        events: Term<'_>,
    ) -> Result<Work, Refusal> {
        let (expected, events) = match (expected.kind(), events.as_map()) {
            (Kind::List, Some(options)) => (options.get("expected_version"), expected),
            _ => (Some(expected), events),
        };
        match expected {
            None => self.work(name, Expected::Any, &[], events),
            Some(term) => {
                let version = expected::parse(term, self.0.generation, self.0.options)?;
                self.work(name, version, term.as_bytes(), events)
            }
        }
    }

    fn work(
        &self,
        name: Term<'_>,
        expected: Expected,
        expected_term: &[u8],
        events: Term<'_>,
    ) -> Result<Work, Refusal> {
        if self.0.options.strict_stream_ids {
            stream_id::check(name)?;
        }
        let name = stream(name)?;
        let no_list =
            |what: &str| Refusal::argument("events", format!("{what}; give a list of maps"));
        let mut list = events
            .as_list()
            .ok_or_else(|| no_list(&format!("{:?}", events.kind())))?;
        let mut command = Vec::with_capacity(room(name, events, list.len()));
        let mut append = command::Append::begin(&mut command, name, expected);
        for (index, event) in list.by_ref().enumerate() {
            append.event(&Checked::parse(index + 1, event, self.0.max_event)?.as_new_event());
        }
        append.end();
        // Looked at last, where it costs nothing: to find the end of a list is to walk over it.
        if list.tail().as_bytes() != [tag::NIL] {
            return Err(no_list("an improper list"));
        }
        events
            .check_keys()
            .map_err(|error| Refusal::argument("events", error.to_string()))?;
        Ok(Work::Write {
            command,
            answer: answer(expected_term.to_vec(), self.0.generation),
        })
    }
}

/// Bytes that the command takes at most, but for event types that get longer in UTF-8. What comes
/// from the peer is no more than came; what is added to each event is known.
fn room(stream: &[u8], events: Term<'_>, count: usize) -> usize {
    let given = events.as_bytes().len();
    64 + stream.len() + given + given / 64 + count * (command::Append::OVERHEAD + NEW_ID)
}

fn answer(expected: Vec<u8>, generation: Generation) -> Answer {
    Box::new(move |outcome, out| match outcome {
        Outcome::Appended { version, .. } => ok(out, signed(Some(version))),
        Outcome::Unchanged { current } => ok(out, signed(current)),
        Outcome::WrongVersion { current } => {
            generation.wrong_expected_version(out, &expected, signed(current));
        }
        other => crate::refusal::passing(out, "unexpected_outcome", &format!("{other:?}")),
    })
}

fn ok(out: &mut Vec<u8>, version: i64) {
    put::tuple(out, 2);
    put::atom(out, "ok");
    put::integer(out, version);
}

/// A version as clients write it: -1 for a stream that does not exist.
fn signed(version: Option<u64>) -> i64 {
    version
        .and_then(|version| i64::try_from(version).ok())
        .unwrap_or(-1)
}
