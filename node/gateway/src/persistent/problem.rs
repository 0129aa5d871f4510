//! Why something asked for was not done.

use crate::refusal;
use crate::worker::ReplyTo;
use esdb_subscription::group::Refused;

/// Why something asked for was not done.
pub(super) struct Problem {
    name: &'static str,
    text: String,
}

impl Problem {
    pub(super) fn new(name: &'static str, text: impl Into<String>) -> Self {
        Problem {
            name,
            text: text.into(),
        }
    }

    pub(super) fn refused(refused: Refused, what: &str) -> Self {
        let name = match refused {
            Refused::Full => "subscription_in_use",
            Refused::Known => "already_there",
            Refused::Unknown => "not_a_consumer",
            Refused::Passed => "passed",
        };
        Problem::new(name, format!("{what}: {refused}"))
    }

    pub(super) fn not_in_flight(position: u64) -> Self {
        let text = format!(
            "the event at position {position} is not in flight to this consumer: \
             it was acknowledged, given back, or has gone to another"
        );
        Problem::new("not_in_flight", text)
    }

    pub(super) fn answer(&self, reply: &ReplyTo) {
        reply.send(true, |out| refusal::passing(out, self.name, &self.text));
    }
}
