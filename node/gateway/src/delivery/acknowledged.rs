//! Whose an acknowledgement is, and what it moves.

use super::registry::Subscriptions;
use super::start::one_stream;
use super::subscription::Subscription;
use esdb_etf::Pid;
use esdb_log::{Done, Ticket};
use esdb_store::Direction;
use std::sync::Arc;

/// What an acknowledgement names.
pub(crate) struct Acknowledged {
    /// The subscription's name.
    pub(crate) name: Vec<u8>,
    /// Who acknowledges, if that is a process.
    pub(crate) subscriber: Option<Pid>,
    /// The stream, if it is named.
    pub(crate) stream: Option<Vec<u8>>,
    /// The event's version in its stream.
    pub(crate) version: u64,
}

impl Subscriptions {
    /// Notes an acknowledgement; none if there is no subscription of that name. Of several it is for
    /// the one that delivers to whoever acknowledges; of several of those, for the one that selects
    /// the event. If none does, or more than one, nobody knows whose event it is: then it is only
    /// shown, at the first one.
    pub(crate) fn acknowledge(&self, named: &Acknowledged, done: Done) -> Option<Ticket> {
        let all: Vec<_> = self.running.lock().named(&named.name).cloned().collect();
        let is_its = |one: &&Arc<Subscription>| {
            named.subscriber.is_some() && one.definition.lock().pid() == named.subscriber
        };
        let its: Vec<_> = match all.as_slice() {
            [one] => vec![one],
            many => many.iter().filter(is_its).collect(),
        };
        // A version says nothing if it may be one of another subscription's stream.
        let is_about = |one: &&&Arc<Subscription>| {
            its.len() == 1
                || one_stream(&one.selector).is_none_or(|own| named.stream.as_deref() == Some(own))
        };
        let mut hits = its
            .iter()
            .filter(is_about)
            .filter_map(|one| Some((*one, self.position_of(one, named)?)));
        let (subscription, next) = match (hits.next(), hits.next()) {
            (Some((one, position)), None) => (one, Some(position + 1)),
            _ => (its.first().copied().or(all.first())?, None),
        };
        let mut checkpoint = Vec::new();
        esdb_etf::put::unsigned(&mut checkpoint, named.version);
        Some(subscription.acknowledge(next, checkpoint, &self.replica, done))
    }

    /// Where the acknowledged event stands, if the acknowledgement names one of this subscription.
    fn position_of(&self, subscription: &Subscription, named: &Acknowledged) -> Option<u64> {
        let stream = one_stream(&subscription.selector).or(named.stream.as_deref())?;
        let mut found = None;
        let read = self.replica.view().read_stream(
            stream,
            named.version,
            1,
            Direction::Forward,
            &mut |event| {
                found = subscription
                    .selector
                    .matches(&event)
                    .then_some(event.position);
            },
        );
        if let Err(error) = read {
            tracing::error!(store = self.store, %error, "an acknowledged event cannot be read");
        }
        found
    }
}
