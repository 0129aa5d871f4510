//! Flow control that a published client asks for: how many events may wait for it, what becomes of
//! those that come when so many wait, and whether it gets them as they come or as it asks for them.
//!
//! Source: the backpressure queues of erl_esdb and reckon_db, whose names for the options these are.

use super::batch::{Batch, Place, Room};
use esdb_etf::{Map, Term, put};
use esdb_subscription::group::WhenFull;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most events that may be asked to wait.
const MAX_QUEUE: u64 = 100_000;
/// Bytes that wait at most, beside one event: what is over counts as full.
const QUEUE_BYTES: usize = 16 << 20;

/// The strategies by name.
const STRATEGIES: [(&str, WhenFull); 4] = [
    ("block", WhenFull::Block),
    ("drop_oldest", WhenFull::DropOldest),
    ("drop_newest", WhenFull::DropNewest),
    ("error", WhenFull::Error),
];

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Most events that wait; at least 1.
    pub(crate) max_queue: u64,
    /// What becomes of new ones when so many wait.
    pub(crate) strategy: WhenFull,
    /// Events are sent only as far as the subscriber has asked for them.
    pub(crate) pull: bool,
    /// From how many waiting events on it is warned; 0: never.
    pub(crate) warning_threshold: u64,
}

impl Flow {
    /// What a map of options asks for; none if it has none of these keys.
    ///
    /// # Errors
    /// The key whose value is none, and what it may be.
    pub(crate) fn parse(options: Map<'_>) -> Result<Option<Self>, (&'static str, &'static str)> {
        let keys = ["max_queue", "strategy", "mode", "warning_threshold"];
        if keys.iter().all(|key| options.get(key).is_none()) {
            return Ok(None);
        }
        let number = |key, default, range: std::ops::RangeInclusive<u64>, text| {
            let given = options.get(key).map_or(Some(default), Term::as_u64);
            given.filter(|n| range.contains(n)).ok_or((key, text))
        };
        let strategy = match options.get("strategy").map(|name| name.as_atom()) {
            None => WhenFull::Block,
            Some(name) => name
                .and_then(|name| named(&name.text()))
                .ok_or(("strategy", "give block, drop_oldest, drop_newest or error"))?,
        };
        let pull = match options.get("mode") {
            None => false,
            Some(mode) if mode.is_atom("push") => false,
            Some(mode) if mode.is_atom("pull") => true,
            Some(_) => return Err(("mode", "give push or pull")),
        };
        Ok(Some(Flow {
            max_queue: number("max_queue", 1_000, 1..=MAX_QUEUE, "give 1 to 100000 events")?,
            strategy,
            pull,
            warning_threshold: number(
                "warning_threshold",
                0,
                0..=MAX_QUEUE,
                "give a number of events, at most 100000, or 0 for no warning",
            )?,
        }))
    }

    /// How many pairs [`Flow::put`] writes.
    pub(crate) const PAIRS: usize = 4;

    /// Appends the pairs of a map that say the same.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put::atom(out, "max_queue");
        put::unsigned(out, self.max_queue);
        put::atom(out, "strategy");
        let name = STRATEGIES.iter().find(|(_, one)| *one == self.strategy);
        put::atom(out, name.map_or("block", |(name, _)| name));
        put::atom(out, "mode");
        put::atom(out, if self.pull { "pull" } else { "push" });
        put::atom(out, "warning_threshold");
        put::unsigned(out, self.warning_threshold);
    }
}

fn named(name: &str) -> Option<WhenFull> {
    let found = STRATEGIES.iter().find(|(known, _)| *known == name);
    found.map(|(_, strategy)| *strategy)
}

/// What is known of a flow that its subscriber controls.
#[derive(Debug, Default)]
pub(crate) struct FlowState {
    demand: AtomicU64,
    waiting: AtomicU64,
    dropped: AtomicU64,
}

impl FlowState {
    pub(super) fn ask(&self, events: u64) {
        self.change_demand(|demand| demand.saturating_add(events));
    }

    /// So many of the events that were asked for have been sent.
    pub(super) fn used(&self, events: u64) {
        self.change_demand(|demand| demand.saturating_sub(events));
    }

    /// Another subscriber has asked for nothing yet.
    pub(super) fn forget_demand(&self) {
        self.change_demand(|_| 0);
    }

    fn change_demand(&self, change: impl Fn(u64) -> u64) {
        let change = |demand| Some(change(demand));
        let ordering = Ordering::AcqRel;
        let _always = self
            .demand
            .fetch_update(ordering, Ordering::Acquire, change);
    }

    /// How many events the subscriber has asked for and not got.
    pub(super) fn demand(&self) -> u64 {
        self.demand.load(Ordering::Acquire)
    }

    /// Notes how many events wait, and how many more have been dropped.
    pub(super) fn waits(&self, waiting: u64, dropped: u64) {
        self.waiting.store(waiting, Ordering::Relaxed);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    /// How many events wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many events were dropped since the server was started.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Events that wait for room, or for demand.
pub(super) struct Queue {
    flow: Flow,
    waiting: VecDeque<(Place, Vec<u8>)>,
    bytes: usize,
    /// Everything that matters and stands before this position has been taken.
    next: u64,
    warned: bool,
    /// Dropped since this was last asked.
    dropped: u64,
}

impl Queue {
    pub(super) fn new(flow: Flow, next: u64) -> Self {
        Queue {
            flow,
            waiting: VecDeque::new(),
            bytes: 0,
            next,
            warned: false,
            dropped: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn is_full(&self) -> bool {
        let most = usize::try_from(self.flow.max_queue).unwrap_or(usize::MAX);
        self.waiting.len() >= most || self.bytes >= QUEUE_BYTES
    }

    /// How many events it takes now: new ones, if it drops or refuses what is too much.
    pub(super) fn wants(&self, live: bool) -> usize {
        let most = usize::try_from(self.flow.max_queue).unwrap_or(usize::MAX);
        match (self.is_full(), self.flow.strategy) {
            (false, _) => most - self.waiting.len(),
            (true, WhenFull::Block) => 0,
            (true, _) => usize::from(live),
        }
    }

    /// Takes events, as the strategy says if they are new. False if there are too many.
    pub(super) fn take(&mut self, batch: &Batch, live: bool) -> bool {
        for (place, term) in batch.iter() {
            if live && self.is_full() {
                match self.flow.strategy {
                    WhenFull::Block => {}
                    WhenFull::Error => return false,
                    WhenFull::DropNewest => {
                        self.dropped += 1;
                        continue;
                    }
                    WhenFull::DropOldest => {
                        self.dropped += 1;
                        self.pop();
                    }
                }
            }
            self.bytes += term.len();
            self.waiting.push_back((place, term.to_vec()));
        }
        self.next = batch.next;
        true
    }

    fn pop(&mut self) -> Option<(Place, Vec<u8>)> {
        let (place, term) = self.waiting.pop_front()?;
        self.bytes -= term.len();
        Some((place, term))
    }

    /// The next events, as many as there is room for.
    pub(super) fn send(&mut self, room: Room) -> Batch {
        let mut batch = Batch::default();
        while !batch.is_full(room)
            && let Some((place, term)) = self.pop()
        {
            batch.push(place, |out| out.extend_from_slice(&term));
        }
        if self.waiting.is_empty() {
            // What was dropped, or is none of its own, need not be read again.
            batch.next = batch.next.max(self.next);
        }
        batch
    }

    /// How many wait, if the subscriber is to be warned of that now.
    pub(super) fn warning(&mut self) -> Option<usize> {
        let most = usize::try_from(self.flow.warning_threshold).unwrap_or(usize::MAX);
        let much = most > 0 && self.waiting.len() >= most;
        let warns = much && !self.warned;
        self.warned = much;
        warns.then_some(self.waiting.len())
    }

    /// How many were dropped since this was last asked.
    pub(super) fn dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}
