//! `{await_position, S, Name | store, Position, TimeoutMs}`: answers `{ok, Position}` when the store
//! has committed that position, or the subscription is done with everything up to it.

use super::super::{name, non_negative};
use super::Request;
use crate::persistent::reached::Reached;
use crate::refusal::{self, Refusal};
use crate::served::ServedStore;
use crate::worker::ReplyTo;
use esdb_etf::Term;
use std::time::Duration;

pub(super) fn parse(
    whose: Term<'_>,
    position: Term<'_>,
    timeout: Term<'_>,
) -> Result<Request, Refusal> {
    Ok(Request::Await {
        name: match whose.is_atom("store") {
            true => None,
            false => Some(name("subscription name", whose)?.to_vec()),
        },
        position: non_negative("position", position)?,
        timeout: Duration::from_millis(non_negative("timeout", timeout)?),
    })
}

pub(super) fn serve(
    store: &ServedStore,
    subscription: Option<&[u8]>,
    position: u64,
    timeout: Duration,
    reply: ReplyTo,
) {
    let subscription = match subscription {
        None => None,
        Some(name) => {
            let own = store.persistent.progress(name);
            let published = || store.subscriptions.named(name).map(|found| found.reached());
            match own.or_else(published) {
                Some(progress) => Some(progress),
                None => {
                    return reply.send(true, |out| refusal::subscription_not_found(out, name));
                }
            }
        }
    };
    let reached = Reached {
        live: store.subscriptions.live().clone(),
        subscription,
        position,
        timeout,
    };
    tokio::runtime::Handle::current().spawn(reached.answer(reply));
}
