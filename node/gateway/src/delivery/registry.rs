//! The subscriptions of a store.
//!
//! Requests change what is in memory at once and answer when the change is durable, so that the
//! requests of one sender see each other's effects, whatever they ask for.

use super::changes::{Changes, Effect};
use super::definition::Definition;
use super::deliver::{Delivery, Means};
use super::live::Live;
use super::progress::Progress;
use super::start::Start;
use super::subscriber::Watcher;
use super::subscription::Subscription;
use super::table::{Running, Table};
use crate::clients::Clients;
use esdb_etf::{Pid, Term};
use esdb_log::{Done, Replica, Ticket};
use esdb_store::{Direction, Record, RecordOp, Space, StoreError, command};
use esdb_subscription::{Access, Selector};
use parking_lot::Mutex;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The subscriptions of a store and their deliveries.
pub(crate) struct Subscriptions {
    pub(super) store: String,
    pub(super) replica: Replica,
    means: Arc<Means>,
    pub(super) running: Mutex<Table>,
    /// Locked after `running`, or alone.
    changes: Arc<Mutex<Changes>>,
    dispatcher: JoinHandle<()>,
}

/// What a client asks to be saved.
pub(crate) struct Wanted {
    /// Its key.
    pub(crate) id: String,
    pub(crate) selector: Selector,
    pub(crate) start: Start,
    /// The position up to which the process that asks has read everything by itself.
    pub(crate) has_read: Option<u64>,
    pub(crate) definition: Definition,
}

impl Subscriptions {
    /// Loads the subscriptions of a store and begins to deliver. Blocks while it reads.
    pub(crate) fn start(
        store: &str,
        replica: &Replica,
        watcher: &Arc<Watcher>,
        clients: &Arc<Clients>,
    ) -> Self {
        let live = Arc::new(Live::new(replica.clone()));
        let dispatcher = Handle::current().spawn(live.clone().run());
        let means = Means {
            store: store.to_owned(),
            live,
            watcher: watcher.clone(),
            clients: clients.clone(),
        };
        let subscriptions = Subscriptions {
            store: store.to_owned(),
            replica: replica.clone(),
            means: Arc::new(means),
            running: Mutex::default(),
            changes: Arc::default(),
            dispatcher,
        };
        if let Err(error) = subscriptions.load() {
            tracing::error!(store, %error, "not all subscriptions could be loaded");
        }
        subscriptions
    }

    fn load(&self) -> Result<(), StoreError> {
        let view = self.replica.view();
        let mut found = Vec::new();
        view.records(
            Space::SUBSCRIPTIONS,
            b"",
            Bound::Unbounded,
            Direction::Forward,
            &mut |key, record| {
                found.push((key.to_vec(), record.clone()));
                true
            },
        )?;
        let mut running = self.running.lock();
        for (key, record) in found {
            let progress = view.record(Space::CHECKPOINTS, &key)?;
            match loaded(&key, &record, progress.as_ref()) {
                Some(subscription) => {
                    running.insert(self.run(Arc::new(subscription)));
                }
                None => {
                    let key = String::from_utf8_lossy(&key);
                    tracing::error!(store = self.store, %key, "a subscription cannot be understood");
                }
            }
        }
        Ok(())
    }

    fn run(&self, subscription: Arc<Subscription>) -> Running {
        let delivery = Delivery {
            subscription: subscription.clone(),
            means: self.means.clone(),
        };
        Running {
            subscription,
            delivery: Handle::current().spawn(delivery.run()),
        }
    }

    /// All of them, by key.
    pub(crate) fn all(&self) -> Vec<Arc<Subscription>> {
        self.running.lock().all().cloned().collect()
    }

    /// The first one of that name.
    pub(crate) fn named(&self, name: &[u8]) -> Option<Arc<Subscription>> {
        self.running.lock().named(name).next().cloned()
    }

    /// The events as they are committed.
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.means.live
    }

    /// What deliveries need.
    pub(crate) fn means(&self) -> &Arc<Means> {
        &self.means
    }

    /// How often a selector has been evaluated for a new event.
    pub(crate) fn evaluations(&self) -> u64 {
        self.means.live.evaluations()
    }

    /// Creates a subscription, or binds the one with the same type, selector and name to another
    /// subscriber; that one goes on where it was.
    pub(crate) fn save(self: &Arc<Self>, wanted: Wanted, done: Done) -> Ticket {
        let id = wanted.id;
        let mut running = self.running.lock();
        let replays_itself = self.replays_itself(&wanted.definition, &wanted.selector);
        let start = match replays_itself {
            true => wanted.has_read.map_or(Start::Now, Start::Position),
            false => wanted.start,
        };
        let (next, floor) = start.cursor(self.replica.view().next_position());
        if let Some(known) = running.get(&id) {
            let begins_at = replays_itself.then_some(next);
            return self.bind(known, wanted.definition, begins_at, done);
        }
        let progress = Progress {
            next,
            floor,
            acknowledged: false,
            checkpoint: wanted.definition.start_from.clone(),
        };
        let selector = Arc::new(wanted.selector);
        let subscription = Subscription::new(id.clone(), selector, wanted.definition, progress);
        let subscription = Arc::new(subscription);
        running.insert(self.run(subscription.clone()));
        let created = Effect {
            key: id,
            before: None,
            after: Some(subscription.clone()),
        };
        let done = self.noted(vec![created], done);
        subscription.save_whole(&self.replica, done)
    }

    /// `done` for a command with these effects, which the table shows. If the log refuses, the table
    /// is put right first.
    fn noted(self: &Arc<Self>, effects: Vec<Effect>, done: Done) -> Done {
        let (this, runtime) = (Arc::downgrade(self), Handle::current());
        let changes = self.changes.clone();
        changes.lock().begin(&effects);
        Box::new(move |outcome, more| {
            let mut locked = changes.lock();
            let told = locked.answered(effects, outcome, done);
            let is_due = locked.is_due();
            drop(locked);
            if let Some((done, outcome)) = told {
                done(outcome, more);
            }
            if is_due {
                // Not here: this may be called before the lock of the table is given back.
                runtime.spawn(async move {
                    if let Some(this) = this.upgrade() {
                        this.put_right();
                    }
                });
            }
        })
    }

    fn put_right(&self) {
        let mut running = self.running.lock();
        let mut changes = self.changes.lock();
        let refused = changes.put_right(&mut running, |subscription| self.run(subscription));
        drop((changes, running));
        for (done, reason) in refused {
            done(Err(reason), false);
        }
    }

    /// evoq subscribes to everything under this name, from 0, each time that it starts, after it has
    /// read everything by itself, and wants what is new.
    fn replays_itself(&self, definition: &Definition, selector: &Selector) -> bool {
        matches!(selector.access(), Access::All)
            && definition.name == format!("evoq_all_{}", self.store).as_bytes()
    }

    /// Binds it to another process, for which it begins at a position if that is given.
    fn bind(
        self: &Arc<Self>,
        known: &Arc<Subscription>,
        wanted: Definition,
        begins_at: Option<u64>,
        done: Done,
    ) -> Ticket {
        let mut definition = known.definition.lock();
        let is_another = definition.subscriber != wanted.subscriber;
        definition.subscriber = wanted.subscriber;
        definition.generation = wanted.generation;
        definition.pool_size = wanted.pool_size;
        definition.flow = wanted.flow;
        if is_another {
            known.flow.forget_demand();
        }
        let bound = Arc::new(definition.clone());
        drop(definition);
        let begins_at = begins_at.filter(|_| is_another);
        known.is_expected();
        // The same process again is not disturbed, unless it was taken for gone.
        known.bound.send_if_modified(|before| {
            let waits = matches!(known.condition().name(), "parked" | "failed");
            let anew = **before != *bound || waits;
            *before = bound;
            if anew {
                known.halt();
            }
            if let Some(position) = begins_at {
                known.restart(position);
            }
            anew
        });
        let is_there = Some(known.clone());
        let bound = Effect {
            key: known.id.clone(),
            before: is_there.clone(),
            after: is_there,
        };
        // Whole, because the log may still refuse what created it.
        known.save_whole(&self.replica, self.noted(vec![bound], done))
    }

    /// Takes out of the store what nobody has been there for so long.
    pub(super) fn remove_absent(self: &Arc<Self>, after: Duration) {
        let mut running = self.running.lock();
        let is_forgotten =
            |one: &&Arc<Subscription>| one.absent().is_some_and(|time| time >= after);
        let forgotten: Vec<_> = running.all().filter(is_forgotten).cloned().collect();
        if forgotten.is_empty() {
            return;
        }
        let names: Vec<_> = forgotten
            .iter()
            .map(|one| String::from_utf8_lossy(&one.definition.lock().name).into_owned())
            .collect();
        let store = self.store.clone();
        let done: Done = Box::new(move |outcome, _| match outcome {
            Ok(_) => tracing::info!(store, ?names, "removed: nobody has come back for them"),
            Err(error) => tracing::warn!(store, ?names, %error, "not removed"),
        });
        self.take_out(&mut running, forgotten, done);
    }

    /// Ends the subscriptions of this type and name, whatever they select.
    pub(crate) fn remove(self: &Arc<Self>, kind: Term<'_>, name: &[u8], done: Done) -> Ticket {
        let plain = plain_kind(kind);
        let mut running = self.running.lock();
        let is_of_type = |subscription: &&Arc<Subscription>| {
            let definition = subscription.definition.lock();
            Term::parse(&definition.kind).is_ok_and(|kind| plain_kind(kind) == plain)
        };
        let ended: Vec<_> = running.named(name).filter(is_of_type).cloned().collect();
        self.take_out(&mut running, ended, done)
    }

    /// Those that the log does not let go are there as before.
    fn take_out(
        self: &Arc<Self>,
        running: &mut Table,
        ended: Vec<Arc<Subscription>>,
        done: Done,
    ) -> Ticket {
        for subscription in &ended {
            subscription.retire();
            running.remove(&subscription.id);
        }
        let removals = ended.iter().map(|subscription| subscription.removal());
        let operations: Vec<RecordOp<'_>> = removals.flatten().collect();
        let mut out = Vec::new();
        command::records(&mut out, &operations);
        let taken_out = |subscription: &Arc<Subscription>| Effect {
            key: subscription.id.clone(),
            before: Some(subscription.clone()),
            after: None,
        };
        let done = self.noted(ended.iter().map(taken_out).collect(), done);
        self.replica.submit(out, None, done)
    }

    /// A subscriber asks for so many more events; false if none of that name delivers to it.
    pub(crate) fn ask(&self, name: &[u8], subscriber: &Pid, events: u64) -> bool {
        let running = self.running.lock();
        let is_its =
            |one: &&Arc<Subscription>| one.definition.lock().pid().as_ref() == Some(subscriber);
        let its = running.named(name).find(is_its);
        its.map(|subscription| subscription.ask(events)).is_some()
    }

    /// Ends all deliveries, and hands to the log how far they have come.
    pub(crate) fn end(&self) {
        self.dispatcher.abort();
        let mut running = self.running.lock();
        self.changes.lock().end();
        let ended = std::mem::take(&mut *running);
        drop(running);
        let all: Vec<_> = ended.all().cloned().collect();
        drop(ended);
        for subscription in all.iter().filter(|subscription| subscription.is_dirty()) {
            subscription.save(&self.replica);
        }
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.dispatcher.abort();
    }
}

/// The type without its optional `by_`.
fn plain_kind(kind: Term<'_>) -> String {
    let text = kind
        .as_atom()
        .map(|atom| atom.text().into_owned())
        .unwrap_or_default();
    text.strip_prefix("by_").map(str::to_owned).unwrap_or(text)
}

/// The subscription that these records tell of.
fn loaded(key: &[u8], definition: &Record, progress: Option<&Record>) -> Option<Subscription> {
    let id = String::from_utf8(key.to_vec()).ok()?;
    let definition = Definition::decode(&definition.value)?;
    let progress = Progress::decode(&progress?.value)?;
    let selector = Selector::parse(
        Term::parse(&definition.kind).ok()?,
        Term::parse(&definition.selector).ok()?,
    );
    Some(Subscription::new(
        id,
        Arc::new(selector.ok()?),
        definition,
        progress,
    ))
}
