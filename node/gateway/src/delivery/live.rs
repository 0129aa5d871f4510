//! New events, to the subscriptions that have caught up.
//!
//! One task a store goes through what was committed, asks the index who is interested, and puts each
//! event into the queues of those. A queue that is full is given up: its subscription takes what is
//! in it and then reads from the store again, so a slow subscriber costs no memory.
//!
//! The seam: a subscription joins under the lock under which the task works, and only when it has
//! read everything that the task has already passed.

use super::batch::{Batch, Place, Room, Shape};
use bytes::Bytes;
use esdb_log::Replica;
use esdb_store::{StoreError, View};
use esdb_subscription::{Index, Selector};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::Notify;

/// Events that are handed out before the lock is given back.
const AT_ONCE: usize = 256;
/// What a queue may hold, in events and bytes. At least one event fits.
const QUEUE: Room = Room {
    events: 2_048,
    bytes: 2 << 20,
};

/// The live events of one store.
pub(crate) struct Live {
    replica: Replica,
    state: Mutex<State>,
    /// The first subscription has joined.
    begun: Notify,
}

struct State {
    /// Everything before this position has been handed out.
    position: u64,
    index: Index<u64>,
    queues: HashMap<u64, Arc<Queue>>,
    last_key: u64,
}

/// Events for one subscription.
pub(crate) struct Queue {
    shape: Shape,
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<(Place, Bytes)>,
    bytes: usize,
    given_up: bool,
}

/// A subscription's membership; it ends when this is dropped.
pub(crate) struct Joined {
    live: Arc<Live>,
    key: u64,
    queue: Arc<Queue>,
}

impl Live {
    /// Nobody has joined yet.
    pub(crate) fn new(replica: Replica) -> Self {
        let state = State {
            position: 0,
            index: Index::default(),
            queues: HashMap::new(),
            last_key: 0,
        };
        Live {
            replica,
            state: Mutex::new(state),
            begun: Notify::new(),
        }
    }

    /// The store's log.
    pub(crate) fn replica(&self) -> &Replica {
        &self.replica
    }

    /// How often a selector has been evaluated for a new event.
    pub(crate) fn evaluations(&self) -> u64 {
        self.state.lock().index.evaluations()
    }

    /// Hands out what is committed, until the store ends.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut head = self.replica.head();
        loop {
            // Where nobody has joined, appends shall not wake this task.
            while self.state.lock().queues.is_empty() {
                self.begun.notified().await;
            }
            head.mark_unchanged();
            if let Err(error) = self.hand_out() {
                // They meet the same error where they read, and say so.
                tracing::error!(%error, "new events cannot be read");
                self.give_up_all();
            }
            if head.changed().await.is_err() {
                return;
            }
        }
    }

    fn hand_out(&self) -> Result<(), StoreError> {
        let view = self.replica.view();
        while self.hand_out_some(&view)? {}
        Ok(())
    }

    /// True if there is more.
    fn hand_out_some(&self, view: &View) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        let end = view.next_position();
        if state.queues.is_empty() || state.position >= end {
            state.position = state.position.max(end);
            return Ok(false);
        }
        let (mut hands, from, mut last) = (Hands::default(), state.position, None);
        let seen = view.read_from(from, AT_ONCE, &mut |event| {
            last = Some(event.position);
            hands.interested.clear();
            state
                .index
                .candidates(&event, |key| hands.interested.push(*key));
            hands.deal(&event, &state.queues);
        })?;
        state.position = match last {
            Some(last) if seen == AT_ONCE => last + 1,
            _ => end,
        };
        for key in hands.full.drain(..) {
            state.leave(key);
        }
        let more = state.position < end;
        drop(state);
        hands
            .touched
            .iter()
            .for_each(|queue| queue.filled.notify_one());
        Ok(more)
    }

    fn give_up_all(&self) {
        let mut state = self.state.lock();
        let keys: Vec<u64> = state.queues.keys().copied().collect();
        for key in keys {
            if let Some(queue) = state.leave(key) {
                queue.waiting.lock().given_up = true;
                queue.filled.notify_one();
            }
        }
    }

    /// Joins a subscription that has everything before `position`; not if it lacks something that
    /// has been handed out.
    pub(crate) fn join(
        self: &Arc<Self>,
        selector: &Arc<Selector>,
        shape: Shape,
        position: u64,
    ) -> Option<Joined> {
        let mut state = self.state.lock();
        if state.queues.is_empty() {
            // Nobody was interested in what lies between.
            state.position = position.min(self.replica.view().next_position());
        }
        if position < state.position {
            return None;
        }
        state.last_key += 1;
        let key = state.last_key;
        let queue = Arc::new(Queue {
            shape,
            waiting: Mutex::default(),
            filled: Notify::new(),
        });
        state.index.insert(key, selector.clone());
        state.queues.insert(key, queue.clone());
        drop(state);
        self.begun.notify_one();
        // What was committed in between belongs to it, and nothing may follow to wake the task.
        if let Err(error) = self.hand_out() {
            tracing::error!(%error, "new events cannot be read");
            self.give_up_all();
        }
        Some(Joined {
            live: self.clone(),
            key,
            queue,
        })
    }
}

impl State {
    fn leave(&mut self, key: u64) -> Option<Arc<Queue>> {
        self.index.remove(&key);
        self.queues.remove(&key)
    }
}

/// What is needed to hand out some events.
#[derive(Default)]
struct Hands {
    interested: Vec<u64>,
    touched: Vec<Arc<Queue>>,
    full: Vec<u64>,
}

impl Hands {
    /// Puts the event into the queues of the interested.
    fn deal(&mut self, event: &esdb_store::RecordedEvent<'_>, queues: &HashMap<u64, Arc<Queue>>) {
        let place = Place::from(event);
        let mut written: Vec<(Shape, Bytes)> = Vec::new();
        for key in &self.interested {
            let Some(queue) = queues.get(key) else {
                continue;
            };
            let known = written.iter().find(|(shape, _)| *shape == queue.shape);
            let term = match known {
                Some((_, term)) => term.clone(),
                None => {
                    let mut term = Vec::new();
                    queue.shape.put(&mut term, event);
                    let term = Bytes::from(term);
                    written.push((queue.shape, term.clone()));
                    term
                }
            };
            let mut waiting = queue.waiting.lock();
            if waiting.given_up {
                continue;
            }
            if waiting.events.is_empty() {
                self.touched.push(queue.clone());
            }
            if !waiting.take(place, term) {
                waiting.given_up = true;
                self.full.push(*key);
            }
        }
    }
}

impl Waiting {
    /// False if there is no room.
    fn take(&mut self, place: Place, term: Bytes) -> bool {
        let full = self.events.len() >= QUEUE.events || self.bytes + term.len() > QUEUE.bytes;
        if full && !self.events.is_empty() {
            return false;
        }
        self.bytes += term.len();
        self.events.push_back((place, term));
        true
    }
}

impl Joined {
    /// Waits for new events and adds them to `batch`, as many as there is room for, without those
    /// before `batch.next`. False if there are no more to come: it must read from the store again.
    pub(crate) async fn next(&self, room: Room, batch: &mut Batch) -> bool {
        loop {
            {
                let mut waiting = self.queue.waiting.lock();
                while !batch.is_full(room)
                    && let Some((place, term)) = waiting.events.pop_front()
                {
                    waiting.bytes -= term.len();
                    if place.position >= batch.next {
                        batch.push(place, |out| out.extend_from_slice(&term));
                    }
                }
                if !batch.events.is_empty() {
                    return true;
                }
                if waiting.given_up {
                    return false;
                }
            }
            self.queue.filled.notified().await;
        }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.live.state.lock().leave(self.key);
    }
}
