//! Guarantee: whatever consumers do, in whatever order: the events of a stream are delivered in
//! order, to one consumer at a time; nothing is lost, and nothing delivered that is done with; no
//! window is exceeded; the checkpoint is exact; what a lost consumer had goes to one heir; and memory
//! is bounded.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use esdb_subscription::group::{Action, Group, Nack, Options, Refused, WhenFull};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{BTreeMap, BTreeSet};

const STREAMS: [&[u8]; 4] = [b"w", b"x", b"y", b"z"];

#[derive(Debug, Clone)]
enum Step {
    Offer { gap: u64, stream: usize },
    Pass(u64),
    CaughtUp,
    Join { consumer: u8, window: usize },
    Window { consumer: u8, window: usize },
    Leave(u8),
    Lose(u8),
    Ack(u8, Index),
    AckUpTo(u8, Index),
    Nack(u8, Index, Nack),
    Replay(Index),
    Reset(u64),
    Act,
}

fn step() -> impl Strategy<Value = Step> {
    let consumer = || 0..4u8;
    let at = any::<Index>;
    let nack = prop_oneof![
        4 => Just(Nack::Retry),
        1 => Just(Nack::Skip),
        1 => Just(Nack::Park(b"because".to_vec())),
    ];
    prop_oneof![
        30 => (0..3u64, 0..STREAMS.len()).prop_map(|(gap, stream)| Step::Offer { gap, stream }),
        1 => (0..5u64).prop_map(Step::Pass),
        1 => Just(Step::CaughtUp),
        6 => (consumer(), 0..6usize).prop_map(|(consumer, window)| Step::Join { consumer, window }),
        2 => (consumer(), 0..6usize).prop_map(|(consumer, window)| Step::Window { consumer, window }),
        2 => consumer().prop_map(Step::Leave),
        2 => consumer().prop_map(Step::Lose),
        16 => (consumer(), at()).prop_map(|(consumer, at)| Step::Ack(consumer, at)),
        4 => (consumer(), at()).prop_map(|(consumer, at)| Step::AckUpTo(consumer, at)),
        10 => (consumer(), at(), nack).prop_map(|(consumer, at, nack)| Step::Nack(consumer, at, nack)),
        3 => at().prop_map(Step::Replay),
        1 => (0..40u64).prop_map(Step::Reset),
        25 => Just(Step::Act),
    ]
}

/// An event that is not done with, as the model knows it.
#[derive(Debug)]
struct Open {
    stream: usize,
    replayed: bool,
    holder: Option<u8>,
    attempt: u32,
    /// Who must get it next: the heir of a consumer that left with it, by the number of that loss;
    /// or the consumer that gave it back.
    bound_to: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    Free,
    /// To whoever gets the first event of this loss.
    Heir(usize),
    To(u8),
}

struct Model {
    group: Group<u8, u64>,
    options: Options,
    open: BTreeMap<u64, Open>,
    /// The same, by stream, in the order in which they came.
    queues: [Vec<u64>; STREAMS.len()],
    windows: BTreeMap<u8, usize>,
    widest: usize,
    heirs: Vec<Option<u8>>,
    next: u64,
    told: u64,
    offered: BTreeSet<u64>,
    done: BTreeSet<u64>,
    parked: BTreeMap<u64, usize>,
    /// Parked since the last actions.
    to_park: Vec<u64>,
}

impl Model {
    fn new(options: Options) -> Self {
        Self {
            group: Group::new(options, 0),
            options,
            open: BTreeMap::new(),
            queues: Default::default(),
            windows: BTreeMap::new(),
            widest: 0,
            heirs: Vec::new(),
            next: 0,
            told: 0,
            offered: BTreeSet::new(),
            done: BTreeSet::new(),
            parked: BTreeMap::new(),
            to_park: Vec::new(),
        }
    }

    fn held_by(&self, consumer: u8) -> Vec<u64> {
        let held =
            |(position, open): (&u64, &Open)| (open.holder == Some(consumer)).then_some(*position);
        self.open.iter().filter_map(held).collect()
    }

    fn pick(&self, consumer: u8, at: Index) -> Option<u64> {
        let held = self.held_by(consumer);
        (!held.is_empty()).then(|| held[at.index(held.len())])
    }

    fn finish(&mut self, position: u64) {
        let open = self.open.remove(&position).unwrap();
        self.queues[open.stream].retain(|one| *one != position);
        if !open.replayed {
            self.done.insert(position);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Offer { gap, stream } => self.offer(self.next + gap, stream),
            Step::Pass(more) => {
                self.next += more;
                self.group.pass(self.next);
            }
            Step::CaughtUp => self.group.caught_up(),
            Step::Join { consumer, window } => {
                let expected = match self.windows.contains_key(&consumer) {
                    true => Err(Refused::Known),
                    false if self.windows.len() >= self.options.consumers => Err(Refused::Full),
                    false => Ok(()),
                };
                assert_eq!(self.group.join(consumer, window), expected);
                if expected.is_ok() {
                    self.windows.insert(consumer, window);
                }
            }
            Step::Window { consumer, window } => {
                let known = self.windows.get_mut(&consumer).map(|old| *old = window);
                assert_eq!(self.group.set_window(consumer, window).ok(), known);
            }
            Step::Leave(consumer) => {
                let known = self.windows.remove(&consumer).is_some();
                assert_eq!(self.group.leave(consumer).is_ok(), known);
                self.left(consumer);
            }
            Step::Lose(consumer) => {
                let known = self.windows.remove(&consumer).is_some();
                assert_eq!(self.group.lose(consumer).is_ok(), known);
                for position in self.held_by(consumer) {
                    self.try_again(position);
                }
                self.left(consumer);
            }
            Step::Ack(consumer, at) => match self.pick(consumer, at) {
                Some(position) => {
                    self.group.ack(consumer, position).unwrap();
                    self.finish(position);
                }
                None => assert_eq!(self.group.ack(consumer, 0), Err(Refused::Unknown)),
            },
            Step::AckUpTo(consumer, at) => {
                if let Some(last) = self.pick(consumer, at) {
                    let mut done = self.held_by(consumer);
                    done.retain(|position| *position <= last);
                    assert_eq!(self.group.ack_up_to(consumer, last), Ok(done.len()));
                    done.into_iter().for_each(|position| self.finish(position));
                }
            }
            Step::Nack(consumer, at, nack) => {
                if let Some(position) = self.pick(consumer, at) {
                    self.nack(consumer, position, nack);
                }
            }
            Step::Replay(at) => {
                let parked: Vec<_> = self
                    .parked
                    .iter()
                    .map(|(at, stream)| (*at, *stream))
                    .collect();
                if !parked.is_empty() {
                    let (position, stream) = parked[at.index(parked.len())];
                    self.replay(position, stream);
                }
            }
            Step::Reset(next) => {
                self.group.reset(next);
                self.open.clear();
                self.queues.iter_mut().for_each(Vec::clear);
                self.next = next;
                self.done.retain(|position| *position < next);
                self.offered = self.done.clone();
            }
            Step::Act => self.act(),
        }
        self.check();
    }

    fn offer(&mut self, position: u64, stream: usize) {
        if self.group.wants() == 0 {
            return;
        }
        let offered = self.group.offer(position, STREAMS[stream], position, 1);
        assert!(offered == Ok(()) || offered == Err(Refused::Full));
        if offered.is_err() {
            assert_eq!(self.options.when_full, WhenFull::Error);
            return;
        }
        self.next = position + 1;
        self.offered.insert(position);
        self.put(position, stream, false);
        // What was dropped is seen in the actions; until then the model must know of it.
        self.act();
    }

    fn put(&mut self, position: u64, stream: usize, replayed: bool) {
        let open = Open {
            stream,
            replayed,
            holder: None,
            attempt: 1,
            bound_to: Bound::Free,
        };
        assert!(self.open.insert(position, open).is_none());
        self.queues[stream].push(position);
    }

    fn replay(&mut self, position: u64, stream: usize) {
        match self.group.replay(position, STREAMS[stream], position, 1) {
            Ok(()) => {
                self.parked.remove(&position);
                self.put(position, stream, true);
            }
            Err(Refused::Known) => {
                assert!(position >= self.next || self.open.contains_key(&position))
            }
            Err(Refused::Full) => assert!(self.group.waiting() >= self.buffer()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Most that may wait, each event having one byte.
    fn buffer(&self) -> usize {
        self.options.buffer.min(self.options.bytes.max(1))
    }

    /// Whether a consumer has room.
    fn has_room(&self, consumer: u8) -> bool {
        let most = self.windows[&consumer].min(self.options.bytes.max(1));
        self.held_by(consumer).len() < most
    }

    /// Counts an attempt; false if there have been too many, and the event is parked.
    fn try_again(&mut self, position: u64) -> bool {
        let open = self.open.get_mut(&position).unwrap();
        if self
            .options
            .max_attempts
            .is_none_or(|most| open.attempt < most)
        {
            open.attempt += 1;
            return true;
        }
        self.park(position);
        false
    }

    fn park(&mut self, position: u64) {
        self.parked.insert(position, self.open[&position].stream);
        self.to_park.push(position);
        self.finish(position);
    }

    fn left(&mut self, consumer: u8) {
        let loss = self.heirs.len();
        self.heirs.push(None);
        for open in self.open.values_mut() {
            let was_heir = match open.bound_to {
                Bound::Heir(loss) => self.heirs[loss] == Some(consumer),
                Bound::To(owner) => owner == consumer,
                Bound::Free => false,
            };
            if open.holder == Some(consumer) {
                open.holder = None;
                open.bound_to = Bound::Heir(loss);
            } else if was_heir {
                open.bound_to = Bound::Heir(loss);
            }
        }
        if self.windows.is_empty() {
            // Nobody to inherit: each stream goes to whoever gets the first event of it.
            let losses = self.heirs.len();
            self.heirs.extend([None; STREAMS.len()]);
            let lost = self
                .open
                .values_mut()
                .filter(|open| open.bound_to != Bound::Free);
            lost.for_each(|open| open.bound_to = Bound::Heir(losses + open.stream));
        }
    }

    fn nack(&mut self, consumer: u8, position: u64, nack: Nack) {
        self.group.nack(consumer, position, nack.clone()).unwrap();
        let stream = self.open[&position].stream;
        match nack {
            Nack::Retry => {
                if !self.try_again(position) {
                    return;
                }
                let behind = self.queues[stream]
                    .iter()
                    .skip_while(|one| **one != position);
                for back in behind {
                    let open = self.open.get_mut(back).unwrap();
                    if open.holder.take().is_some() {
                        open.bound_to = Bound::To(consumer);
                    }
                }
            }
            Nack::Park(_) => self.park(position),
            Nack::Skip => self.finish(position),
        }
    }

    fn act(&mut self) {
        let (mut moved, mut parked) = (None, Vec::new());
        for action in self.group.actions() {
            match action {
                Action::Deliver { consumer, events } => {
                    assert!(!events.is_empty());
                    for event in events {
                        assert_eq!(event.position, event.payload);
                        self.deliver(consumer, event.position, event.attempt);
                    }
                }
                Action::Park {
                    position, reason, ..
                } => {
                    assert!(reason.is_none_or(|reason| reason == b"because"));
                    parked.push(position);
                }
                Action::Dropped(position) => {
                    assert!(self.options.when_full != WhenFull::Block);
                    assert_eq!(self.open[&position].bound_to, Bound::Free);
                    self.finish(position);
                }
                Action::CheckpointMoved(to) => moved = Some(to),
                Action::Warning { waiting } => assert!(waiting >= self.options.warn_at.unwrap()),
                Action::CaughtUp => {}
            }
        }
        assert_eq!(parked, std::mem::take(&mut self.to_park));
        let checkpoint = self.checkpoint();
        assert_eq!(moved, (checkpoint != self.told).then_some(checkpoint));
        self.told = checkpoint;
        self.check_all_delivered_that_can_be();
    }

    fn deliver(&mut self, consumer: u8, position: u64, attempt: u32) {
        let open = &self.open[&position];
        assert_eq!(open.holder, None, "{position} is in flight already");
        assert_eq!(open.attempt, attempt);
        assert!(self.has_room(consumer), "window of {consumer} exceeded");
        let stream = open.stream;
        let queue = &self.queues[stream];
        let at = queue.iter().position(|one| *one == position).unwrap();
        for (n, other) in queue.iter().enumerate() {
            let holder = self.open[other].holder;
            assert!(
                holder.is_none_or(|holder| holder == consumer),
                "{stream} is at two"
            );
            assert!(
                holder.is_some() == (n < at),
                "{other} and {position} are out of order"
            );
        }
        match open.bound_to {
            Bound::Free => {}
            Bound::To(owner) => assert_eq!(owner, consumer),
            Bound::Heir(loss) => {
                let heir = *self.heirs[loss].get_or_insert(consumer);
                assert_eq!(heir, consumer, "two heirs");
            }
        }
        assert!(open.replayed || position >= self.checkpoint());
        let open = self.open.get_mut(&position).unwrap();
        open.holder = Some(consumer);
        open.bound_to = Bound::Free;
    }

    fn checkpoint(&self) -> u64 {
        let first = self.open.iter().find(|(_, open)| !open.replayed);
        first.map_or(self.next, |(position, _)| *position)
    }

    fn check(&self) {
        assert_eq!(self.group.len(), self.open.len());
        assert_eq!(self.group.checkpoint(), self.checkpoint());
        let unfinished = self.open.iter().filter(|(_, open)| !open.replayed);
        assert!(
            self.group
                .unfinished()
                .eq(unfinished.map(|(position, _)| *position))
        );
        let waiting = self
            .open
            .values()
            .filter(|open| open.holder.is_none())
            .count();
        assert_eq!(self.group.waiting(), waiting);
        assert!(waiting <= self.buffer() + self.widest);
        for (consumer, in_flight) in self.group.consumers() {
            assert_eq!(in_flight, self.held_by(consumer).len());
        }
        // Each event that was offered is done with, or still there: none is lost.
        let there = self
            .open
            .iter()
            .filter(|(_, open)| !open.replayed)
            .map(|(at, _)| *at);
        let known: BTreeSet<u64> = self.done.iter().copied().chain(there).collect();
        assert_eq!(known, self.offered);
    }

    /// After delivering, no consumer has room while a stream that nobody has waits.
    fn check_all_delivered_that_can_be(&self) {
        if !self.windows.keys().any(|consumer| self.has_room(*consumer)) {
            return;
        }
        for stream in 0..STREAMS.len() {
            let of: Vec<&Open> = self
                .open
                .values()
                .filter(|open| open.stream == stream)
                .collect();
            let unbound = of
                .iter()
                .all(|open| open.holder.is_none() && open.bound_to == Bound::Free);
            assert!(
                of.is_empty() || !unbound,
                "stream {stream} waits though there is room"
            );
        }
    }

    /// All consumers but one leave, and that one acknowledges everything it gets.
    fn drain(&mut self) {
        for consumer in 0..4 {
            self.take(Step::Leave(consumer));
        }
        self.take(Step::Join {
            consumer: 9,
            window: 3,
        });
        for _ in 0..10_000 {
            self.take(Step::Act);
            if self.open.is_empty() {
                break;
            }
            let held = self.held_by(9);
            assert!(
                !held.is_empty(),
                "what is left is not delivered: {:?}",
                self.open
            );
            for position in held {
                self.group.ack(9, position).unwrap();
                self.finish(position);
            }
        }
        self.take(Step::Act);
        assert_eq!(self.done, self.offered);
        assert_eq!(self.group.checkpoint(), self.next);
    }
}

fn options() -> impl Strategy<Value = Options> {
    let when_full = prop_oneof![
        3 => Just(WhenFull::Block),
        1 => Just(WhenFull::DropOldest),
        1 => Just(WhenFull::DropNewest),
        1 => Just(WhenFull::Error),
    ];
    (
        1..4usize,
        1..12usize,
        when_full,
        prop::option::of(1..6usize),
        0..12usize,
        prop::option::of(1..4u32),
    )
        .prop_map(
            |(consumers, buffer, when_full, warn_at, bytes, max_attempts)| Options {
                consumers,
                buffer,
                when_full,
                warn_at,
                bytes,
                max_attempts,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_consumers_do(options in options(), steps in vec(step(), 1..250)) {
        let mut model = Model::new(options);
        // Most that can come back at once: the windows of all consumers.
        model.widest = options.consumers * 6;
        for step in steps {
            model.take(step);
        }
        model.drain();
    }
}
