//! Who gets which event next.

use super::{Action, Delivered, Group, Held, Refused, Stream};
use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

impl<C: Copy + Ord + Hash, T: Clone> Group<C, T> {
    /// What is to be done now. To be asked after each input, or after several.
    pub fn actions(&mut self) -> Vec<Action<C, T>> {
        let mut actions = std::mem::take(&mut self.pending);
        let mut batches: BTreeMap<C, Vec<Delivered<T>>> = BTreeMap::new();
        while let Some((position, consumer)) = self.choose() {
            let event = self.send(position, consumer);
            batches.entry(consumer).or_default().extend(event);
        }
        let deliver = |(consumer, events)| Action::Deliver { consumer, events };
        actions.extend(batches.into_iter().map(deliver));
        let much = self
            .options
            .warn_at
            .is_some_and(|most| self.waiting >= most);
        if much && !self.warned {
            let waiting = self.waiting;
            actions.push(Action::Warning { waiting });
        }
        self.warned = much;
        let caught_up = |end| self.oldest().is_none_or(|oldest| oldest >= end);
        if !self.caught_up_told && self.live.is_some_and(caught_up) {
            self.caught_up_told = true;
            actions.push(Action::CaughtUp);
        }
        let checkpoint = self.checkpoint();
        if checkpoint != self.told {
            self.told = checkpoint;
            actions.push(Action::CheckpointMoved(checkpoint));
        }
        actions
    }

    /// The lowest position that can be delivered, and to whom.
    fn choose(&self) -> Option<(u64, C)> {
        let unowned = self.unowned.first().copied().zip(self.roomiest(false));
        let owned = self
            .consumers
            .iter()
            .filter(|(_, consumer)| consumer.room(self.options.bytes) > 0)
            .filter_map(|(name, consumer)| Some((*consumer.ready.first()?, *name)));
        owned.chain(unowned).min()
    }

    /// The consumer with the most room in its window: one with any, or also one with `none`.
    pub(super) fn roomiest(&self, none: bool) -> Option<C> {
        let rooms = self.consumers.iter();
        let rooms = rooms.map(|(name, consumer)| {
            let room = consumer.room(self.options.bytes);
            (room, std::cmp::Reverse(*name))
        });
        let (room, name) = rooms.max()?;
        (none || room > 0).then_some(name.0)
    }

    /// Puts the next event of a stream in flight.
    fn send(&mut self, position: u64, consumer: C) -> Option<Delivered<T>> {
        let event = self.events.get(&position)?;
        let delivered = Delivered {
            position,
            payload: event.payload.clone(),
            attempt: event.attempt,
            redelivered: event.returned,
        };
        let bytes = event.bytes;
        let name = event.stream.clone();
        let stream = self.streams.get_mut(&name)?;
        stream.in_flight += 1;
        stream.owner = Some(consumer);
        self.waiting -= 1;
        self.waiting_bytes -= bytes;
        if let Some(consumer) = self.consumers.get_mut(&consumer) {
            consumer.in_flight.insert(position);
            consumer.in_flight_bytes += bytes;
        }
        self.settle(&name);
        Some(delivered)
    }

    /// Takes in an event, behind those of its stream.
    pub(super) fn add(&mut self, position: u64, stream: &[u8], payload: T, bytes: usize) {
        let name: Arc<[u8]> = match self.streams.get_key_value(stream) {
            Some((name, _)) => name.clone(),
            None => stream.into(),
        };
        let queued = self.streams.entry(name.clone()).or_insert_with(|| Stream {
            queue: VecDeque::new(),
            in_flight: 0,
            owner: None,
            listed: None,
        });
        queued.queue.push_back(position);
        self.waiting += 1;
        self.waiting_bytes += bytes;
        let attempt = self.tried.remove(&position).unwrap_or(1);
        let event = Held {
            stream: name.clone(),
            payload,
            bytes,
            attempt,
            returned: attempt > 1,
        };
        self.events.insert(position, event);
        self.settle(&name);
    }

    /// Whether that event is in flight to that consumer.
    pub(super) fn in_flight(&self, consumer: C, position: u64) -> Result<(), Refused> {
        let consumer = self.consumers.get(&consumer).ok_or(Refused::Unknown)?;
        match consumer.in_flight.contains(&position) {
            true => Ok(()),
            false => Err(Refused::Unknown),
        }
    }

    /// Removes an event: it is done with.
    pub(super) fn finish(&mut self, position: u64) -> Option<Held<T>> {
        let event = self.events.remove(&position)?;
        self.open.remove(&position);
        let stream = self.streams.get_mut(&event.stream)?;
        let at = stream.queue.iter().position(|one| *one == position)?;
        stream.queue.remove(at);
        match at < stream.in_flight {
            true => {
                stream.in_flight -= 1;
                let owner = stream.owner;
                if let Some(owner) = owner.and_then(|owner| self.consumers.get_mut(&owner)) {
                    owner.no_longer_in_flight(position, event.bytes);
                }
            }
            false => {
                self.waiting -= 1;
                self.waiting_bytes -= event.bytes;
            }
        }
        self.settle(&event.stream);
        Some(event)
    }

    /// Counts one more attempt; not if there have been as many as may be.
    pub(super) fn try_again(&mut self, position: u64) -> bool {
        let most = self.options.max_attempts.unwrap_or(u32::MAX);
        let Some(event) = self.events.get_mut(&position) else {
            return true;
        };
        let may_be = event.attempt < most;
        if may_be {
            event.attempt = event.attempt.saturating_add(1);
        }
        may_be
    }

    /// Puts an event aside.
    pub(super) fn park(&mut self, position: u64, reason: Option<Vec<u8>>) {
        if let Some(event) = self.finish(position) {
            self.pending.push(Action::Park {
                position,
                stream: event.stream,
                payload: event.payload,
                attempt: event.attempt,
                reason,
            });
        }
    }

    /// Takes back an event that is in flight, and with it those of its stream that are behind it.
    pub(super) fn take_back(&mut self, consumer: C, position: u64) {
        let Some(event) = self.events.get(&position) else {
            return;
        };
        let name = event.stream.clone();
        let Some(stream) = self.streams.get_mut(&name) else {
            return;
        };
        let kept = stream.queue.iter().position(|one| *one == position);
        let kept = kept.unwrap_or(stream.in_flight).min(stream.in_flight);
        for back in stream.queue.range(kept..stream.in_flight) {
            let Some(event) = self.events.get_mut(back) else {
                continue;
            };
            event.returned = true;
            if let Some(consumer) = self.consumers.get_mut(&consumer) {
                consumer.no_longer_in_flight(*back, event.bytes);
            }
            self.waiting += 1;
            self.waiting_bytes += event.bytes;
        }
        stream.in_flight = kept;
        self.settle(&name);
    }

    /// The positions that wait, of those that are next in their streams.
    fn heads(&self) -> impl Iterator<Item = u64> {
        let owned = self.consumers.values().map(|consumer| &consumer.ready);
        owned.chain([&self.unowned]).flatten().copied()
    }

    /// The lowest position that waits.
    fn oldest(&self) -> Option<u64> {
        let owned = self.consumers.values().map(|consumer| &consumer.ready);
        let lists = owned.chain([&self.unowned]);
        lists.filter_map(|heads| heads.first()).min().copied()
    }

    /// Drops the events that have waited longest, until there is room for one, but none that a
    /// consumer has had before. False if there is no room even then.
    pub(super) fn drop_oldest(&mut self) -> bool {
        while self.is_full() {
            let is_new = |at: &u64| self.events.get(at).is_some_and(|event| !event.returned);
            let Some(oldest) = self.heads().filter(is_new).min() else {
                return false;
            };
            self.finish(oldest);
            self.pending.push(Action::Dropped(oldest));
        }
        true
    }

    /// After a change of a stream: frees it from its owner, forgets it if it has no events, and
    /// lists its next event where it belongs.
    pub(super) fn settle(&mut self, name: &Arc<[u8]>) {
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        let next = stream.queue.get(stream.in_flight).copied();
        // What came back from a consumer waits for the same one, or for its heir.
        let returned = next
            .and_then(|next| self.events.get(&next))
            .is_some_and(|event| event.returned);
        if stream.in_flight == 0 && !returned {
            stream.owner = None;
        }
        let listed = next.map(|next| (stream.owner, next));
        if listed != stream.listed {
            for (list, add) in [(stream.listed, false), (listed, true)] {
                let Some((owner, position)) = list else {
                    continue;
                };
                let heads = match owner.map(|owner| self.consumers.get_mut(&owner)) {
                    Some(Some(owner)) => &mut owner.ready,
                    Some(None) => continue,
                    None => &mut self.unowned,
                };
                match add {
                    true => heads.insert(position),
                    false => heads.remove(&position),
                };
            }
            stream.listed = listed;
        }
        if stream.queue.is_empty() {
            self.streams.remove(name);
        }
    }
}

impl super::Consumer {
    /// How many more events may be in flight to it, of which it may have so many bytes.
    fn room(&self, bytes: usize) -> usize {
        match !self.in_flight.is_empty() && self.in_flight_bytes >= bytes {
            true => 0,
            false => self.window.saturating_sub(self.in_flight.len()),
        }
    }

    fn no_longer_in_flight(&mut self, position: u64, bytes: usize) {
        if self.in_flight.remove(&position) {
            self.in_flight_bytes -= bytes;
        }
    }
}
