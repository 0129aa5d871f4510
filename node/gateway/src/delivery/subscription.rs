//! One subscription in memory.
//!
//! Two things move its progress: what the peer is known to have read moves it until its owner
//! acknowledges for the first time; from then on only acknowledgements do. `save` hands both to the
//! log.

mod save;

use super::batch::{Batch, Room};
use super::definition::Definition;
use super::flow::FlowState;
use super::progress::Progress;
use esdb_subscription::Selector;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Events that may be on their way to a subscriber, or unknown to the log after a crash: what is
/// repeated, where nobody acknowledges, is among so many.
pub(crate) const WINDOW_EVENTS: usize = 1_000;
/// Bytes that may be on their way to a subscriber, beside one event.
const WINDOW_BYTES: usize = 4 << 20;

/// A subscription.
pub(crate) struct Subscription {
    /// Its key: the hash of type, selector and name.
    pub(crate) id: String,
    pub(crate) selector: Arc<Selector>,
    pub(crate) definition: Mutex<Definition>,
    /// Whom it delivers to; changes when it is bound anew.
    pub(crate) bound: watch::Sender<Arc<Definition>>,
    /// Something was saved, or acknowledged.
    pub(crate) changed: Arc<Notify>,
    /// [`Progress::next`], to be waited for.
    moved: watch::Sender<u64>,
    state: Mutex<State>,
    saved: Arc<Saved>,
    condition: Mutex<(Condition, Option<Instant>)>,
    /// What its subscriber has asked for, and what waits, if it controls the flow.
    pub(crate) flow: FlowState,
}

/// How a subscription is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nobody is there to deliver to.
    Parked,
    /// Its subscriber's node is not connected.
    Disconnected,
    /// Reads what was committed before.
    CatchingUp,
    /// Gets events as they are committed.
    Live,
    /// Its events cannot be read, for this reason; tried again.
    Failed(String),
}

impl Condition {
    /// The atom that stands for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Condition::Parked => "parked",
            Condition::Disconnected => "disconnected",
            Condition::CatchingUp => "catching_up",
            Condition::Live => "live",
            Condition::Failed(_) => "failed",
        }
    }
}

/// What the log is known to have.
#[derive(Debug, Default)]
struct Saved {
    /// [`Progress::next`] of the last record that is durable.
    next: AtomicU64,
    /// A record is on its way.
    saving: AtomicBool,
    /// The log did not take the last one.
    failed: AtomicBool,
}

struct State {
    progress: Progress,
    /// [`Progress::next`] of the last record that was handed to the log.
    submitted: u64,
    /// Position after the last event sent.
    sent: u64,
    /// Sent, and not known to have been read.
    flying: VecDeque<Sent>,
    /// Sent, and not known to be saved.
    unsaved: VecDeque<Sent>,
    /// Somebody else is bound to it: nothing is sent until delivery begins anew.
    halted: bool,
    retired: bool,
}

/// A message that was sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    receipt: u64,
    next: u64,
    events: usize,
    bytes: usize,
}

fn sum(sent: &VecDeque<Sent>) -> (usize, usize) {
    let add = |(events, bytes), sent: &Sent| (events + sent.events, bytes + sent.bytes);
    sent.iter().fold((0, 0), add)
}

impl Subscription {
    /// A subscription that stands where `progress` says, durably if `saved`.
    pub(crate) fn new(
        id: String,
        selector: Arc<Selector>,
        definition: Definition,
        progress: Progress,
    ) -> Self {
        let saved = Saved {
            next: AtomicU64::new(progress.next),
            ..Saved::default()
        };
        let state = State {
            submitted: progress.next,
            sent: progress.next,
            progress,
            flying: VecDeque::new(),
            unsaved: VecDeque::new(),
            halted: false,
            retired: false,
        };
        Subscription {
            id,
            selector,
            bound: watch::Sender::new(Arc::new(definition.clone())),
            definition: Mutex::new(definition),
            changed: Arc::new(Notify::new()),
            moved: watch::Sender::new(state.progress.next),
            state: Mutex::new(state),
            saved: Arc::new(saved),
            condition: Mutex::new((Condition::Parked, Some(Instant::now()))),
            flow: FlowState::default(),
        }
    }

    /// How it is.
    pub(crate) fn condition(&self) -> Condition {
        self.condition.lock().0.clone()
    }

    /// How long nobody has been there to deliver to, since the server was started; none if
    /// somebody is.
    pub(crate) fn absent(&self) -> Option<Duration> {
        self.condition.lock().1.map(|since| since.elapsed())
    }

    /// Notes how it is.
    pub(crate) fn is_now(&self, condition: Condition) {
        let mut state = self.condition.lock();
        state.1 = match condition {
            Condition::Parked | Condition::Disconnected => {
                // What waited for the one who is gone waits in the store.
                self.flow.waits(0, 0);
                state.1.or_else(|| Some(Instant::now()))
            }
            _ => None,
        };
        state.0 = condition;
    }

    /// Somebody is about to come: if that is not so, the time begins anew.
    pub(crate) fn is_expected(&self) {
        let mut state = self.condition.lock();
        state.1 = state.1.map(|_| Instant::now());
    }

    /// Whether something is sent and not done with.
    pub(crate) fn is_behind(&self) -> bool {
        let state = self.state.lock();
        state.sent > state.progress.next
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        self.state.lock().progress.clone()
    }

    /// What it selects, and how far it has come.
    pub(crate) fn reached(&self) -> (Arc<Selector>, watch::Receiver<u64>) {
        (self.selector.clone(), self.moved.subscribe())
    }

    /// Begins to deliver, or begins again: answers position and version to begin with.
    pub(crate) fn begin(&self) -> (u64, u64) {
        let mut state = self.state.lock();
        let (next, floor) = (state.progress.next, state.progress.floor);
        state.flying.clear();
        state.unsaved.retain(|sent| sent.next <= next);
        state.sent = next;
        (next, floor)
    }

    /// The subscriber asks for so many more events.
    pub(crate) fn ask(&self, events: u64) {
        self.flow.ask(events);
        self.changed.notify_one();
    }

    /// How much more may be on its way.
    pub(crate) fn room(&self) -> Room {
        let mut state = self.state.lock();
        let (events, bytes) = self.sent(&mut state);
        Room {
            events: WINDOW_EVENTS.saturating_sub(events),
            bytes: WINDOW_BYTES.saturating_sub(bytes),
        }
    }

    /// Events and bytes that are on their way, or unknown to the log.
    fn sent(&self, state: &mut State) -> (usize, usize) {
        let saved = self.saved.next.load(Ordering::Acquire);
        while state.unsaved.front().is_some_and(|sent| sent.next <= saved) {
            state.unsaved.pop_front();
        }
        let (flying, bytes) = sum(&state.flying);
        let unsaved = match state.progress.acknowledged {
            true => 0,
            false => sum(&state.unsaved).0,
        };
        (flying.max(unsaved), bytes)
    }

    /// Whether so many more events may be sent.
    pub(crate) fn has_room(&self, batch: &Batch) -> bool {
        let (sent, bytes) = self.sent(&mut self.state.lock());
        let events = batch.events.len();
        sent + events <= WINDOW_EVENTS && (bytes == 0 || bytes + batch.terms.len() <= WINDOW_BYTES)
    }

    /// Sends by `send`, which answers the receipt, and notes what was sent. Answers false if nothing
    /// may be sent any more to the one to whom this delivery does.
    pub(crate) fn send(&self, batch: &Batch, send: impl FnOnce() -> u64) -> bool {
        let mut state = self.state.lock();
        if state.halted || state.retired {
            return false;
        }
        let sent = Sent {
            receipt: send(),
            next: batch.next,
            events: batch.events.len(),
            bytes: batch.terms.len(),
        };
        state.sent = batch.next;
        state.flying.push_back(sent);
        if !state.progress.acknowledged {
            state.unsaved.push_back(sent);
        }
        true
    }

    /// The peer has read everything up to this receipt.
    pub(crate) fn was_received(&self, receipt: u64) {
        let mut state = self.state.lock();
        while let Some(sent) = state.flying.front().copied()
            && sent.receipt <= receipt
        {
            state.flying.pop_front();
            if !state.progress.acknowledged {
                state.progress.next = state.progress.next.max(sent.next);
                state.progress.floor = 0;
            }
        }
        self.moved.send_if_modified(|next| {
            let moved = *next != state.progress.next;
            *next = state.progress.next;
            moved
        });
    }

    /// What was sent until now was sent elsewhere: receipts that come say nothing of it.
    pub(crate) fn forget_receipts(&self) {
        self.state.lock().flying.clear();
    }

    /// What stands before this position has been acknowledged; 0 where nothing ever was.
    pub(crate) fn acknowledged(&self) -> u64 {
        match &self.state.lock().progress {
            progress if progress.acknowledged => progress.next,
            _ => 0,
        }
    }

    /// Whether something is sent that the peer is not known to have read.
    pub(crate) fn is_flying(&self) -> bool {
        !self.state.lock().flying.is_empty()
    }

    /// Nothing more is sent to the one who was bound to it, by a delivery that does not know yet.
    pub(crate) fn halt(&self) {
        self.state.lock().halted = true;
    }

    /// The delivery knows now who is bound to it.
    pub(crate) fn resume(&self) {
        self.state.lock().halted = false;
    }

    /// Goes on at another position, as if nothing had been sent.
    pub(crate) fn restart(&self, position: u64) {
        let mut state = self.state.lock();
        state.flying.clear();
        state.unsaved.clear();
        state.progress.next = position;
        state.progress.floor = 0;
        state.progress.acknowledged = false;
        self.saved.next.store(position, Ordering::Release);
        self.moved.send_replace(position);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::batch::Place;
    use super::*;
    use crate::generation::Generation;
    use esdb_etf::put;

    fn events(count: u64, from: u64) -> Batch {
        let mut batch = Batch::default();
        for position in from..from + count {
            let place = Place {
                position,
                version: position,
                stream: 0,
            };
            batch.push(place, |out| out.push(0));
        }
        batch
    }

    pub(in super::super) fn subscription() -> Subscription {
        let mut number = Vec::new();
        put::unsigned(&mut number, 0);
        let definition = Definition {
            kind: Vec::new(),
            selector: Vec::new(),
            name: b"n".to_vec(),
            start_from: number.clone(),
            created_at: 0,
            pool_size: 0,
            generation: Generation::ALL[0],
            subscriber: Vec::new(),
            flow: None,
        };
        let progress = Progress {
            next: 0,
            floor: 0,
            acknowledged: false,
            checkpoint: number,
        };
        let selector = Arc::new(Selector::stream(b"s"));
        Subscription::new("1".into(), selector, definition, progress)
    }

    /// What was sent to one process does not keep the next one, which begins elsewhere, from getting
    /// its events.
    #[test]
    fn begun_elsewhere_there_is_room() {
        let subscription = subscription();
        subscription.begin();
        assert!(subscription.send(&events(WINDOW_EVENTS as u64, 0), || 1));
        assert!(!subscription.has_room(&events(1, 1_000)));
        // All of it has been read, and the log does not know yet.
        subscription.was_received(1);
        assert!(!subscription.has_room(&events(1, 1_000)));
        subscription.restart(2_000);
        assert_eq!(subscription.begin(), (2_000, 0));
        assert!(subscription.has_room(&events(500, 2_000)));
        // What was sent over one connection is not received because another one has come further.
        assert!(subscription.send(&events(500, 2_000), || 3));
        subscription.forget_receipts();
        subscription.was_received(10);
        assert_eq!(subscription.begin(), (2_000, 0));
    }

    /// A delivery may be about to send when another process is bound.
    #[test]
    fn bound_to_another_nothing_goes_to_the_one_before() {
        let subscription = subscription();
        subscription.begin();
        subscription.halt();
        subscription.restart(2_000);
        assert!(!subscription.send(&events(500, 3_000), || panic!("it is sent")));
        subscription.was_received(1);
        subscription.resume();
        assert_eq!(subscription.begin(), (2_000, 0));
        assert!(subscription.send(&events(500, 2_000), || 2));
        subscription.retire();
        assert!(!subscription.send(&events(500, 2_500), || panic!("it is sent")));
    }

    /// Another process is bound to it elsewhere, and the log does not take that: it is told again.
    #[test]
    fn a_position_that_was_refused_is_saved_later() {
        let dir = tempfile::tempdir().unwrap();
        let options = esdb_log::Options {
            max_command_bytes: 1,
            ..esdb_log::Options::default()
        };
        let refusing = esdb_log::Replica::open(dir.path(), options).unwrap();
        let subscription = subscription();
        subscription.restart(2_000);
        let (told, answer) = std::sync::mpsc::channel();
        let done = Box::new(move |outcome: Result<_, _>, _| told.send(outcome.is_ok()).unwrap());
        subscription.save_whole(&refusing, done);
        assert!(!answer.recv().unwrap());
        assert!(subscription.is_dirty());
    }
}
