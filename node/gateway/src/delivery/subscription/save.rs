//! What a subscription writes down. Every change is handed to the log under the lock of the state, so
//! that the log has them in the order in which they happened.

use super::{State, Subscription, WINDOW_EVENTS, sum};
use esdb_log::{Done, Replica, Ticket};
use esdb_store::{RecordOp, Space, command};
use std::sync::atomic::Ordering;

impl Subscription {
    /// Whether there is progress that the log has not been told of.
    pub(crate) fn is_dirty(&self) -> bool {
        let state = self.state.lock();
        state.progress.next != state.submitted || self.saved.failed.load(Ordering::Acquire)
    }

    /// Whether the progress should be saved now, so that sending can go on.
    pub(crate) fn is_pressed(&self) -> bool {
        let state = self.state.lock();
        state.progress.next != state.submitted && sum(&state.unsaved).0 >= WINDOW_EVENTS / 4
    }

    /// Saves the progress, unless that is under way; when it is done, `changed` tells.
    pub(crate) fn save(&self, replica: &Replica) {
        if self.saved.saving.swap(true, Ordering::AcqRel) {
            return;
        }
        self.saved.failed.store(false, Ordering::Release);
        let mut state = self.state.lock();
        let saved = self.saved.clone();
        let done: Done = Box::new(move |_, _| saved.saving.store(false, Ordering::Release));
        let done = self.noting(&mut state, done);
        replica.submit(self.record(&state), None, done);
    }

    /// `done` for a command that writes the progress, which is tried again if the log refuses.
    fn noting(&self, state: &mut State, done: Done) -> Done {
        let next = state.progress.next;
        state.submitted = next;
        let (saved, changed) = (self.saved.clone(), self.changed.clone());
        Box::new(move |outcome, more| {
            match outcome {
                Ok(_) => saved.next.store(next, Ordering::Release),
                Err(_) => saved.failed.store(true, Ordering::Release),
            }
            done(outcome, more);
            changed.notify_one();
        })
    }

    /// Moves the progress to where an acknowledgement says, shows it as `checkpoint`, and saves that;
    /// `next` is the position after the acknowledged event, if it names one.
    pub(crate) fn acknowledge(
        &self,
        next: Option<u64>,
        checkpoint: Vec<u8>,
        replica: &Replica,
        done: Done,
    ) -> Ticket {
        let mut state = self.state.lock();
        if let Some(next) = next {
            let progress = &mut state.progress;
            progress.next = match progress.acknowledged {
                true => progress.next.max(next),
                false => next,
            };
            progress.acknowledged = true;
            progress.floor = 0;
        }
        self.moved.send_replace(state.progress.next);
        state.progress.checkpoint = checkpoint;
        state.submitted = state.progress.next;
        let changed = self.changed.clone();
        replica.submit(
            self.record(&state),
            None,
            Box::new(move |outcome, more| {
                changed.notify_one();
                done(outcome, more);
            }),
        )
    }

    /// The command that writes the progress; one that writes nothing after the subscription's end.
    fn record(&self, state: &State) -> Vec<u8> {
        let mut out = Vec::new();
        let value = state.progress.encode();
        let operation = [self.put(Space::CHECKPOINTS, &value)];
        command::records(&mut out, if state.retired { &[] } else { &operation });
        out
    }

    /// From now on nothing is written or sent any more: it is about to be taken out of the store.
    pub(crate) fn retire(&self) {
        self.state.lock().retired = true;
    }

    /// It is not taken out of the store after all.
    pub(crate) fn reinstate(&self) {
        self.state.lock().retired = false;
        // What came meanwhile was not written.
        self.saved.failed.store(true, Ordering::Release);
    }

    /// Writes what it is and how far it has come.
    pub(crate) fn save_whole(&self, replica: &Replica, done: Done) -> Ticket {
        let definition = self.definition.lock().encode();
        let mut state = self.state.lock();
        let done = self.noting(&mut state, done);
        let progress = state.progress.encode();
        let mut out = Vec::new();
        let operations = [
            self.put(Space::SUBSCRIPTIONS, &definition),
            self.put(Space::CHECKPOINTS, &progress),
        ];
        command::records(&mut out, &operations);
        replica.submit(out, None, done)
    }

    fn put<'a>(&'a self, space: Space, value: &'a [u8]) -> RecordOp<'a> {
        RecordOp::Put {
            space,
            key: self.id.as_bytes(),
            value,
        }
    }

    /// The operations that take it out of the store.
    pub(crate) fn removal(&self) -> [RecordOp<'_>; 2] {
        [Space::SUBSCRIPTIONS, Space::CHECKPOINTS].map(|space| RecordOp::Delete {
            space,
            key: self.id.as_bytes(),
        })
    }
}
