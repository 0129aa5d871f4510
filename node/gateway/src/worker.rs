//! One gateway worker: a process of the node that answers for every store that is served.
//!
//! The store named in the request counts, whichever worker got it; the worker tells only the
//! client's generation.

use crate::asked::Asked;
use crate::calls::Calls;
use crate::clients::Clients;
use crate::gateway::Gateway;
use crate::generation::Generation;
use crate::lifecycle;
use crate::reading::{Reading, Replay};
use crate::refusal::{self, Refusal};
use crate::request::{Answer, Change, Effort, Query, Work};
use crate::served::ServedStore;
use esdb_dist::gen_server::{self, Caller, Request};
use esdb_dist::{Connection, Origin, Process};
use esdb_etf::{Term, put};
use esdb_log::{Cancel, Done, Ticket, Unavailable};
use esdb_store::Outcome;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Callers wait 5 seconds and then send the request again; an answer that may arrive after that is
/// worth nothing to anybody.
const ANSWER_WITHIN: Duration = Duration::from_millis(4500);

/// A gateway worker.
pub(crate) struct Worker {
    generation: Generation,
    gateway: Gateway,
    clients: Arc<Clients>,
    calls: Calls,
}

/// Where a reply goes, if anybody waits for one.
pub(crate) struct ReplyTo {
    pub(crate) connection: Connection,
    pub(crate) caller: Option<Caller>,
    pub(crate) generation: Generation,
    arrived: Instant,
}

impl ReplyTo {
    /// How long the answer is still worth something.
    pub(crate) fn time_left(&self) -> Duration {
        ANSWER_WITHIN.saturating_sub(self.arrived.elapsed())
    }

    /// Sends what `body` writes, if anybody still waits for it.
    pub(crate) fn send(&self, flush: bool, body: impl FnOnce(&mut Vec<u8>)) {
        if let Some(caller) = &self.caller
            && !self.time_left().is_zero()
        {
            caller.reply(&self.connection, flush, body);
        }
    }

    fn refuse(&self, refusal: &Refusal) {
        self.send(true, |out| self.generation.refused(out, refusal));
    }
}

impl Process for Worker {
    fn message(&self, origin: &Origin, message: Term<'_>) {
        let (caller, request) = match gen_server::parse(message) {
            Request::Call { from, request } => (Some(from.to_caller()), request),
            Request::Cast { request } => (None, request),
            Request::Other(_) => return,
        };
        let reply_to = ReplyTo {
            connection: origin.connection.clone(),
            caller,
            generation: self.generation,
            arrived: Instant::now(),
        };
        if let Err(refusal) = self.handle(origin, request, reply_to) {
            tracing::debug!(peer = origin.connection.peer(), %refusal, "request refused");
        }
    }

    fn too_large(
        &self,
        origin: &Origin<'_>,
        from: gen_server::From<'_>,
        bytes: usize,
        limit: usize,
    ) -> bool {
        let refusal = Refusal::TooLarge(format!(
            "the request has {bytes} bytes, the most is {limit}; send it in smaller parts"
        ));
        from.to_caller().reply(origin.connection, true, |out| {
            refusal::refused(out, &refusal)
        });
        true
    }

    fn demonitored(&self, _origin: &Origin, reference: Term<'_>) {
        self.calls.end(reference.as_bytes());
    }
}

impl Worker {
    /// A worker for clients of `generation`.
    pub(crate) fn new(generation: Generation, gateway: Gateway, clients: Arc<Clients>) -> Self {
        Worker {
            generation,
            gateway,
            clients,
            calls: Calls::default(),
        }
    }

    fn handle(&self, origin: &Origin, request: Term<'_>, reply_to: ReplyTo) -> Result<(), Refusal> {
        match self.understand(request) {
            Ok(Understood::Lifecycle(request)) => self.lifecycle(request, reply_to),
            Ok(Understood::Work(store, Work::Write { command, answer })) => {
                self.write(origin, &store, command, answer, reply_to);
            }
            Ok(Understood::Work(store, Work::Persistent(request))) => {
                request.serve(&store, origin.connection, reply_to);
            }
            Ok(Understood::Work(store, Work::Look(look))) => {
                // Whether somebody waits for the answer or not: it may do something, too.
                let mut reply = Vec::new();
                look(&store, &mut reply);
                reply_to.send(true, |out| out.extend_from_slice(&reply));
            }
            Ok(Understood::Work(store, Work::Change(change))) => {
                self.change(origin, &store, change, reply_to);
            }
            Ok(Understood::Work(
                store,
                Work::Read {
                    query,
                    effort,
                    reached,
                },
            )) => {
                let replay = reached.zip(sender(origin, &reply_to));
                self.read(origin, &store, (query, effort, replay), reply_to);
            }
            Err(refusal) => {
                reply_to.refuse(&refusal);
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// What a request asks for, and of which store.
    fn understand(&self, request: Term<'_>) -> Result<Understood, Refusal> {
        let max_event = self.gateway.settings().max_event_bytes;
        let options = |store: &str| {
            let store = self.gateway.store(store);
            store.map(|store| store.options).unwrap_or_default()
        };
        match Asked::parse(request, self.generation, max_event, options)? {
            Asked::Lifecycle(request) => Ok(Understood::Lifecycle(request)),
            Asked::Work(store, work) => match self.gateway.store(&store) {
                Some(store) => Ok(Understood::Work(store, work)),
                None => Err(Refusal::UnknownStore(store)),
            },
        }
    }

    fn lifecycle(&self, request: lifecycle::Request, reply_to: ReplyTo) {
        let gateway = self.gateway.clone();
        let waits = request.blocks();
        let cancel = self.cancel(&reply_to).filter(|_| waits);
        let place = match waits.then(|| gateway.changes().queue()) {
            Some(None) => {
                let text = "too many stores are being created or removed";
                return reply_to.send(true, |out| refusal::passing(out, "overloaded", text));
            }
            place => place.flatten(),
        };
        let serve = move || {
            if cancel.is_some_and(|cancel| cancel.is_cancelled()) {
                return;
            }
            let mut reply = Vec::new();
            let removal = request.serve(&gateway, &mut reply);
            reply_to.send(true, |out| out.extend_from_slice(&reply));
            if let Some(removal) = removal {
                removal.finish();
            }
        };
        match place {
            None => serve(),
            Some(place) => drop(Handle::current().spawn(async move {
                let turn = place.turn().await;
                Handle::current().spawn_blocking(move || {
                    serve();
                    drop(turn);
                });
            })),
        }
    }

    fn write(
        &self,
        origin: &Origin,
        store: &ServedStore,
        command: Vec<u8>,
        answer: Answer,
        reply_to: ReplyTo,
    ) {
        let sender = sender(origin, &reply_to);
        let is_cast = reply_to.caller.is_none();
        let cancel = self.cancel(&reply_to);
        let done = Box::new(move |outcome: Result<Outcome, Unavailable>, more: bool| {
            answer_write(&reply_to, outcome, answer, more);
        });
        let ticket = store.replica.submit(command, cancel, done);
        note_write(origin, store, sender, ticket, is_cast);
    }

    /// A cast acknowledgement is noted for its sender only: there are so many of them that every read
    /// of the node would wait.
    fn change(&self, origin: &Origin, store: &ServedStore, change: Change, reply_to: ReplyTo) {
        let sender = sender(origin, &reply_to);
        let subscriptions = &store.subscriptions;
        let is_cast = reply_to.caller.is_none() && !matches!(change, Change::Acknowledge(_));
        let reply_to = Arc::new(reply_to);
        let done = |answer: Answer| -> Done {
            let reply_to = reply_to.clone();
            Box::new(move |outcome, more| answer_write(&reply_to, outcome, answer, more))
        };
        let ok: Answer = Box::new(|_, out| put::atom(out, "ok"));
        let ticket = match change {
            Change::Save(mut wanted) => {
                wanted.has_read = sender.as_deref().and_then(|pid| store.replays.read_by(pid));
                let id = wanted.id.clone();
                let answer: Answer = Box::new(move |_, out| {
                    put::tuple(out, 2);
                    put::atom(out, "ok");
                    put::binary(out, id.as_bytes());
                });
                subscriptions.save(*wanted, done(answer))
            }
            Change::Remove { kind, name } => match Term::parse(&kind) {
                Ok(kind) => subscriptions.remove(kind, &name, done(ok)),
                Err(_) => return,
            },
            Change::Acknowledge(named) => match subscriptions.acknowledge(&named, done(ok)) {
                Some(ticket) => ticket,
                None => {
                    return reply_to.send(true, |out| {
                        refusal::subscription_not_found(out, &named.name);
                    });
                }
            },
        };
        note_write(origin, store, sender, ticket, is_cast);
    }

    fn read(
        &self,
        origin: &Origin<'_>,
        store: &Arc<ServedStore>,
        (query, effort, replay): (Query, Effort, Option<Replay>),
        reply_to: ReplyTo,
    ) {
        let sender = sender(origin, &reply_to);
        let peer = origin.connection.peer();
        let pending = store.order.pending(sender.as_deref(), peer, &store.replica);
        let cancel = self.cancel(&reply_to);
        let reading = Reading {
            store: store.clone(),
            query,
            replay,
            reply_to,
            cancel,
        };
        let arity = match effort {
            Effort::LookUp => Some(0),
            _ => self.clients.event_arity(origin.connection, self.generation),
        };
        if let (Some(arity), None) = (arity, pending) {
            return reading.begin(effort, arity);
        }
        let (clients, generation) = (self.clients.clone(), self.generation);
        Handle::current().spawn(async move {
            if let Some(ticket) = pending {
                reading.store.replica.settle(ticket).await;
            }
            let connection = &reading.reply_to.connection;
            let arity = match arity {
                Some(arity) => arity,
                None => clients.ask_event_arity(connection, generation).await,
            };
            reading.begin(effort, arity);
        });
    }

    /// The means to drop the call when its caller gives up.
    fn cancel(&self, reply_to: &ReplyTo) -> Option<Cancel> {
        let reference = reply_to.caller.as_ref()?.monitor_reference()?;
        // Without a monitor nothing would ever end the entry.
        reply_to
            .connection
            .is_monitored(reference)
            .then(|| self.calls.begin(reference))
    }
}

enum Understood {
    Lifecycle(lifecycle::Request),
    Work(Arc<ServedStore>, Work),
}

/// Who sent the request: as the transport says, else as the call says.
fn sender(origin: &Origin, reply_to: &ReplyTo) -> Option<Vec<u8>> {
    let sender = origin
        .sender
        .or_else(|| reply_to.caller.as_ref().map(Caller::pid));
    sender.map(<[u8]>::to_vec)
}

/// Notes a write for the reads that come after it.
fn note_write(
    origin: &Origin,
    store: &ServedStore,
    sender: Option<Vec<u8>>,
    ticket: Ticket,
    is_cast: bool,
) {
    if let Some(sender) = sender {
        store.order.wrote(&sender, ticket, &store.replica);
    }
    if is_cast {
        let peer = origin.connection.peer();
        store.order.cast(peer, ticket, &store.replica);
    }
}

fn answer_write(
    reply_to: &ReplyTo,
    outcome: Result<Outcome, Unavailable>,
    answer: Answer,
    more: bool,
) {
    match outcome {
        Ok(outcome) => reply_to.send(!more, |out| answer(outcome, out)),
        // The caller has gone; nobody waits.
        Err(Unavailable::Cancelled) => {}
        Err(too_large @ Unavailable::TooLarge { .. }) => {
            reply_to.refuse(&Refusal::TooLarge(too_large.to_string()));
        }
        Err(reason) => reply_to.send(!more, |out| refusal::unavailable(out, &reason)),
    }
}
