//! How a persistent subscription is, as it tells.

use super::runner::Runner;
use crate::worker::ReplyTo;
use esdb_etf::put;

impl Runner {
    /// `{ok, #{checkpoint, next, waiting, in_flight, dropped, consumers => [#{pid, in_flight}],
    /// reason}}`
    pub(super) fn status(&self, reply: &ReplyTo) {
        let in_flight: usize = self.group.consumers().map(|(_, events)| events).sum();
        reply.send(true, |out| {
            put::tuple(out, 2);
            put::atom(out, "ok");
            put::map(out, 7);
            for (key, number) in [
                ("checkpoint", self.group.checkpoint()),
                ("next", self.group.next()),
                ("waiting", self.group.waiting() as u64),
                ("in_flight", in_flight as u64),
                ("dropped", self.dropped),
            ] {
                put::atom(out, key);
                put::unsigned(out, number);
            }
            put::atom(out, "consumers");
            if !self.consumers.is_empty() {
                put::list(out, self.consumers.len());
            }
            for (id, in_flight) in self.group.consumers() {
                put::map(out, 2);
                put::atom(out, "pid");
                match self.consumers.get(&id) {
                    Some(consumer) => out.extend_from_slice(&consumer.pid),
                    None => put::atom(out, "undefined"),
                }
                put::atom(out, "in_flight");
                put::unsigned(out, in_flight as u64);
            }
            put::nil(out);
            put::atom(out, "reason");
            match &self.failure {
                Some(reason) => put::binary(out, reason.as_bytes()),
                None => put::atom(out, "undefined"),
            }
        });
    }
}
