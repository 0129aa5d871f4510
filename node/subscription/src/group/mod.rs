//! A group of consumers that share one subscription's events.
//!
//! A state machine: it is told what happens (events come, consumers join, acknowledge, leave), and
//! [`Group::actions`] says what is to be done about it.
//!
//! * The events of a stream go to one consumer, in order, as long as one of them is in flight. When a
//!   consumer leaves, all that it has not acknowledged goes to one of the others, in order.
//! * A consumer has no more events in flight than its window. What waits for room is held here, up
//!   to a bound; beyond that the group wants no more, or drops, as it is told. Both are bounded in
//!   bytes, too.
//! * An event that a consumer gives back to be tried again is delivered before all later events of
//!   its stream: those of them that are in flight are taken back and delivered again after it, to
//!   the same consumer.
//! * An event that has been tried as often as may be, and whose consumer gives it back or is lost with
//!   it, is parked.
//! * The checkpoint is the position before which every event is done with: acknowledged, skipped,
//!   parked or dropped. Whoever starts again from there misses nothing.
//!
//! # Layout
//! - this file: what it is told; `delivery`: what it does about it; [`action`]: what there is to do

pub mod action;
mod delivery;

pub use action::{Action, Delivered, Nack, Refused};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

/// What to do with an event that comes live when as many wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// Want no more until there is room.
    #[default]
    Block,
    /// Drop the event that has waited longest.
    DropOldest,
    /// Drop the one that comes.
    DropNewest,
    /// Refuse it with [`Refused::Full`].
    Error,
}

/// How a group behaves.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Most consumers at a time: 1 for an exclusive one. 0 is taken for 1.
    pub consumers: usize,
    /// Most events that wait for room in a window. 0 is taken for 1. Events that come back from
    /// consumers are on top, so that the most in memory is this and the sum of the windows.
    pub buffer: usize,
    /// Most bytes of those that wait, and of those in flight to one consumer; one event may always
    /// be there, however large it is.
    pub bytes: usize,
    /// What to do when they are there and another comes.
    pub when_full: WhenFull,
    /// From how many waiting events on to warn.
    pub warn_at: Option<usize>,
    /// How often an event is tried at most, before it is parked.
    pub max_attempts: Option<u32>,
}

/// Consumers named `C` that share events with contents of type `T`.
#[derive(Debug)]
pub struct Group<C, T> {
    options: Options,
    consumers: BTreeMap<C, Consumer>,
    streams: HashMap<Arc<[u8]>, Stream<C>>,
    /// Every event that is not done with, by position.
    events: HashMap<u64, Held<T>>,
    /// Those of them that hold the checkpoint back: all but replayed ones.
    open: BTreeSet<u64>,
    /// The next event to deliver of each stream that has no owner.
    unowned: BTreeSet<u64>,
    /// Events before this position have been offered or passed over.
    next: u64,
    /// The checkpoint that was last told.
    told: u64,
    waiting: usize,
    waiting_bytes: usize,
    /// Attempts of events that were forgotten, and will be offered again.
    tried: HashMap<u64, u32>,
    warned: bool,
    /// Where the feed came to the end of what there was.
    live: Option<u64>,
    caught_up_told: bool,
    pending: Vec<Action<C, T>>,
}

#[derive(Debug, Default)]
struct Consumer {
    window: usize,
    in_flight: BTreeSet<u64>,
    in_flight_bytes: usize,
    /// The next event to deliver of each stream that it owns.
    ready: BTreeSet<u64>,
}

#[derive(Debug)]
struct Stream<C> {
    /// Its events in order of delivery. Those in flight are the first.
    queue: VecDeque<u64>,
    in_flight: usize,
    /// Who gets its events: who has some in flight, or has had some that came back.
    owner: Option<C>,
    /// The set in which its next event stands, the owner's or the one of all streams without.
    listed: Option<(Option<C>, u64)>,
}

#[derive(Debug)]
struct Held<T> {
    stream: Arc<[u8]>,
    payload: T,
    bytes: usize,
    attempt: u32,
    /// It was delivered before and has come back.
    returned: bool,
}

impl<C: Copy + Ord + Hash, T: Clone> Group<C, T> {
    /// A group without consumers, whose first event stands at `next` or after it.
    pub fn new(options: Options, next: u64) -> Self {
        Self {
            options: Options {
                consumers: options.consumers.max(1),
                buffer: options.buffer.max(1),
                ..options
            },
            consumers: BTreeMap::new(),
            streams: HashMap::new(),
            events: HashMap::new(),
            open: BTreeSet::new(),
            unowned: BTreeSet::new(),
            next,
            told: next,
            waiting: 0,
            waiting_bytes: 0,
            tried: HashMap::new(),
            warned: false,
            live: None,
            caught_up_told: false,
            pending: Vec::new(),
        }
    }

    /// Lets a consumer in, with room for `window` events in flight. A window of 0 gets none until
    /// it is widened.
    ///
    /// # Errors
    /// [`Refused::Full`] if there are as many as may be; [`Refused::Known`] if it is one of them.
    pub fn join(&mut self, consumer: C, window: usize) -> Result<(), Refused> {
        if self.consumers.contains_key(&consumer) {
            return Err(Refused::Known);
        }
        if self.consumers.len() >= self.options.consumers {
            return Err(Refused::Full);
        }
        let joined = Consumer {
            window,
            ..Consumer::default()
        };
        self.consumers.insert(consumer, joined);
        Ok(())
    }

    /// Changes a consumer's window. What is in flight beyond a narrower one stays there.
    ///
    /// # Errors
    /// [`Refused::Unknown`].
    pub fn set_window(&mut self, consumer: C, window: usize) -> Result<(), Refused> {
        let consumer = self.consumers.get_mut(&consumer).ok_or(Refused::Unknown)?;
        consumer.window = window;
        Ok(())
    }

    /// A consumer has left. What it has not acknowledged goes to one of the others; if there are
    /// none, it waits.
    ///
    /// # Errors
    /// [`Refused::Unknown`].
    pub fn leave(&mut self, consumer: C) -> Result<(), Refused> {
        let gone = self.consumers.remove(&consumer).ok_or(Refused::Unknown)?;
        let survivor = self.roomiest(true);
        let streams: BTreeSet<Arc<[u8]>> = gone
            .in_flight
            .iter()
            .chain(&gone.ready)
            .filter_map(|position| Some(self.events.get(position)?.stream.clone()))
            .collect();
        for position in &gone.in_flight {
            if let Some(event) = self.events.get_mut(position) {
                event.returned = true;
            }
        }
        self.waiting += gone.in_flight.len();
        self.waiting_bytes += gone.in_flight_bytes;
        for name in streams {
            if let Some(stream) = self.streams.get_mut(&name) {
                stream.in_flight = 0;
                stream.owner = survivor;
                stream.listed = None;
            }
            self.settle(&name);
        }
        Ok(())
    }

    /// A consumer is gone without a word: it leaves, and the events that were in flight to it have
    /// been tried once more. Any of them may be what ended it.
    ///
    /// # Errors
    /// [`Refused::Unknown`].
    pub fn lose(&mut self, consumer: C) -> Result<(), Refused> {
        let lost = self.consumers.get(&consumer).ok_or(Refused::Unknown)?;
        let in_flight: Vec<u64> = lost.in_flight.iter().copied().collect();
        for position in in_flight {
            if !self.try_again(position) {
                self.park(position, None);
            }
        }
        self.leave(consumer)
    }

    /// How many more events it takes now.
    pub fn wants(&self) -> usize {
        let room = match self.is_full() {
            true => 0,
            false => self.options.buffer - self.waiting,
        };
        match self.live.is_some() && self.options.when_full != WhenFull::Block {
            true => room.max(1),
            false => room,
        }
    }

    /// How many more bytes of events it takes now, one event being taken in any case.
    pub fn wants_bytes(&self) -> usize {
        self.options.bytes.saturating_sub(self.waiting_bytes)
    }

    fn is_full(&self) -> bool {
        let bytes = self.waiting > 0 && self.waiting_bytes >= self.options.bytes;
        self.waiting >= self.options.buffer || bytes
    }

    /// The next event of the subscription, of so many bytes. Positions ascend. One that was asked
    /// for before others came back is taken, too, unless it is new and the group is not to block.
    ///
    /// # Errors
    /// [`Refused::Full`] if the group refuses new events when it is full; [`Refused::Passed`] for a
    /// position that it is already past.
    pub fn offer(
        &mut self,
        position: u64,
        stream: &[u8],
        payload: T,
        bytes: usize,
    ) -> Result<(), Refused> {
        if position < self.next {
            return Err(Refused::Passed);
        }
        if self.is_full() && self.live.is_some() {
            let is_dropped = match self.options.when_full {
                WhenFull::Block => false,
                WhenFull::Error => return Err(Refused::Full),
                WhenFull::DropOldest => !self.drop_oldest(),
                WhenFull::DropNewest => true,
            };
            if is_dropped {
                self.pending.push(Action::Dropped(position));
                self.next = position + 1;
                return Ok(());
            }
        }
        self.next = position + 1;
        self.open.insert(position);
        self.add(position, stream, payload, bytes);
        Ok(())
    }

    /// There are no events of the subscription before `position` other than those offered.
    pub fn pass(&mut self, position: u64) {
        self.next = self.next.max(position);
    }

    /// The feed has come to the end of what there is; what it offers from now on is new.
    pub fn caught_up(&mut self) {
        self.live.get_or_insert(self.next);
    }

    /// Delivers a parked event once more, after those of its stream that wait. It does not hold
    /// the checkpoint back.
    ///
    /// # Errors
    /// [`Refused::Full`] if as many events wait as may; [`Refused::Known`] if it is not done with,
    /// or, after a reset, will come by itself.
    pub fn replay(
        &mut self,
        position: u64,
        stream: &[u8],
        payload: T,
        bytes: usize,
    ) -> Result<(), Refused> {
        if self.events.contains_key(&position) || position >= self.next {
            return Err(Refused::Known);
        }
        if self.is_full() {
            return Err(Refused::Full);
        }
        self.add(position, stream, payload, bytes);
        Ok(())
    }

    /// The consumer has done with an event.
    ///
    /// # Errors
    /// [`Refused::Unknown`] if that event is not in flight to that consumer: it was acknowledged
    /// before, or has gone to another.
    pub fn ack(&mut self, consumer: C, position: u64) -> Result<(), Refused> {
        self.in_flight(consumer, position)?;
        self.finish(position);
        Ok(())
    }

    /// The consumer has done with all events that it has up to `position`. Answers how many those
    /// were.
    ///
    /// # Errors
    /// [`Refused::Unknown`] if there is no such consumer.
    pub fn ack_up_to(&mut self, consumer: C, position: u64) -> Result<usize, Refused> {
        let consumer = self.consumers.get(&consumer).ok_or(Refused::Unknown)?;
        let done: Vec<u64> = consumer.in_flight.range(..=position).copied().collect();
        done.iter()
            .for_each(|position| drop(self.finish(*position)));
        Ok(done.len())
    }

    /// The consumer has not done with an event: what is to become of it?
    ///
    /// # Errors
    /// As [`Group::ack`].
    pub fn nack(&mut self, consumer: C, position: u64, nack: Nack) -> Result<(), Refused> {
        self.in_flight(consumer, position)?;
        match nack {
            Nack::Retry if self.try_again(position) => self.take_back(consumer, position),
            Nack::Retry => self.park(position, None),
            Nack::Skip => drop(self.finish(position)),
            Nack::Park(reason) => self.park(position, Some(reason)),
        }
        Ok(())
    }

    /// Forgets all events, as nobody is there to get them: they are to be offered again, from `next`
    /// on. How often they have been tried is kept.
    pub fn forget(&mut self, next: u64) {
        for (position, event) in &self.events {
            if event.attempt > 1 && self.open.contains(position) {
                self.tried.insert(*position, event.attempt);
            }
        }
        let tried = std::mem::take(&mut self.tried);
        self.reset(next);
        self.tried = tried;
    }

    /// Forgets all events and begins again at `next`, earlier or later. The consumers stay; an
    /// acknowledgement that is still on its way counts if its event has been delivered again by
    /// then.
    pub fn reset(&mut self, next: u64) {
        self.tried.clear();
        self.streams.clear();
        self.events.clear();
        self.open.clear();
        self.unowned.clear();
        for consumer in self.consumers.values_mut() {
            consumer.in_flight.clear();
            consumer.in_flight_bytes = 0;
            consumer.ready.clear();
        }
        self.next = next;
        (self.waiting, self.waiting_bytes) = (0, 0);
        (self.live, self.caught_up_told) = (None, false);
    }

    /// The position before which every event is done with.
    pub fn checkpoint(&self) -> u64 {
        self.open.first().copied().unwrap_or(self.next)
    }

    /// The positions from the checkpoint on, up to [`Group::next`], of which the events are not
    /// done with. All others between the two are.
    pub fn unfinished(&self) -> impl Iterator<Item = u64> {
        self.open.iter().copied()
    }

    /// The position at which the feed goes on.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many events wait for room in a window.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many events are held: those that wait and those in flight.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether no event is held.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The consumers, and how many events each has in flight.
    pub fn consumers(&self) -> impl Iterator<Item = (C, usize)> {
        let in_flight = |(name, consumer): (&C, &Consumer)| (*name, consumer.in_flight.len());
        self.consumers.iter().map(in_flight)
    }
}
