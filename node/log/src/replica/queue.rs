//! Submissions on their way to a batch: first in, first out, bounded by bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::submission::{Settled, Submission, Ticket, Unavailable};

/// The queue of one store. Any thread pushes; the store's thread takes.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    /// As many wait as [`Queue::gather`] waits for.
    gathered: Condvar,
    settled: Arc<Settled>,
    max_bytes: usize,
}

#[derive(Default)]
struct Waiting {
    submissions: VecDeque<Submission>,
    bytes: usize,
    last_ticket: u64,
    /// How many [`Queue::gather`] waits for; 0 when it does not.
    wanted: usize,
    /// No more are taken in; those here are still worked off, unless the store stopped.
    closed: bool,
}

impl Queue {
    /// A queue for `max_bytes` of commands; a larger one waits alone.
    pub fn new(max_bytes: usize) -> Self {
        let (waiting, settled) = (Mutex::default(), Arc::default());
        Self {
            waiting,
            arrived: Notify::new(),
            gathered: Condvar::new(),
            settled,
            max_bytes,
        }
    }

    /// Appends a submission, or answers it with a refusal.
    pub fn push(&self, mut submission: Submission) -> Ticket {
        let mut waiting = self.waiting.lock();
        let bytes = waiting.bytes + submission.command.len();
        let refusal = if let Some(reason) = self.settled.reason.get() {
            Some(Unavailable::Stopped(reason.clone()))
        } else if waiting.closed {
            Some(Unavailable::Stopped("it is shutting down".into()))
        } else {
            (bytes > self.max_bytes && waiting.bytes > 0).then_some(Unavailable::Overloaded)
        };
        if let Some(refusal) = refusal {
            let ticket = Ticket(waiting.last_ticket);
            drop(waiting);
            submission.reply.answer(Err(refusal), false);
            return ticket;
        }
        waiting.last_ticket += 1;
        let ticket = Ticket(waiting.last_ticket);
        submission.reply.enqueue(ticket.0, &self.settled);
        waiting.bytes = bytes;
        let first = waiting.submissions.is_empty();
        waiting.submissions.push_back(submission);
        let gathered = waiting.submissions.len() == waiting.wanted;
        drop(waiting);
        if first {
            self.arrived.notify_one();
        }
        if gathered {
            self.gathered.notify_one();
        }
        ticket
    }

    /// Blocks until `wanted` submissions wait, for at most `patience`.
    pub fn gather(&self, wanted: usize, patience: Duration) {
        let until = Instant::now() + patience;
        let mut waiting = self.waiting.lock();
        waiting.wanted = wanted;
        while waiting.submissions.len() < wanted && !waiting.closed {
            if self.gathered.wait_until(&mut waiting, until).timed_out() {
                break;
            }
        }
        waiting.wanted = 0;
    }

    /// The next submissions, in order: at most `max_count`, and no more once `max_bytes` are
    /// reached, but at least one. None when the queue is closed and empty, or the store stopped.
    pub async fn take(&self, max_count: usize, max_bytes: usize) -> Option<VecDeque<Submission>> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                if self.settled.reason.get().is_some() {
                    return None;
                }
                if !waiting.submissions.is_empty() {
                    return Some(waiting.take(max_count, max_bytes));
                }
                if waiting.closed {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Returns when something waits, or nothing more will come.
    pub async fn ready(&self) {
        loop {
            {
                let waiting = self.waiting.lock();
                if !waiting.submissions.is_empty() || waiting.closed || self.stopped().is_some() {
                    return;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Takes nothing more in.
    pub fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_one();
        self.gathered.notify_one();
    }

    /// Refuses what waits and what comes, with this reason. The first reason stays.
    pub fn stop(&self, reason: &str) {
        let dropped = {
            let mut waiting = self.waiting.lock();
            let _ = self.settled.reason.set(reason.to_owned());
            waiting.closed = true;
            waiting.bytes = 0;
            std::mem::take(&mut waiting.submissions)
        };
        // Outside the lock: answers may submit again.
        drop(dropped);
        self.arrived.notify_one();
        self.gathered.notify_one();
    }

    /// Why the store stopped, if it did.
    pub fn stopped(&self) -> Option<String> {
        self.settled.reason.get().cloned()
    }

    /// Number and bytes of the commands that wait.
    pub fn length(&self) -> (usize, usize) {
        let waiting = self.waiting.lock();
        (waiting.submissions.len(), waiting.bytes)
    }

    pub fn last_ticket(&self) -> Ticket {
        Ticket(self.waiting.lock().last_ticket)
    }

    pub fn settled(&self, ticket: Ticket) -> bool {
        self.settled.is(ticket)
    }

    pub async fn settle(&self, ticket: Ticket) {
        self.settled.wait(ticket).await;
    }
}

impl Waiting {
    fn take(&mut self, max_count: usize, max_bytes: usize) -> VecDeque<Submission> {
        if self.submissions.len() <= max_count && self.bytes <= max_bytes {
            self.bytes = 0;
            return std::mem::take(&mut self.submissions);
        }
        let (mut count, mut bytes) = (0, 0);
        for submission in self.submissions.iter().take(max_count) {
            if count > 0 && bytes + submission.command.len() > max_bytes {
                break;
            }
            count += 1;
            bytes += submission.command.len();
        }
        self.bytes -= bytes;
        self.submissions.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::replica::submission::Reply;

    const NEVER: Duration = Duration::from_secs(3600);

    fn submission() -> Submission {
        Submission {
            command: vec![0],
            cancel: None,
            reply: Reply::new(Box::new(|_, _| {})),
        }
    }

    /// Does `then` once somebody gathers.
    fn while_gathering(wanted: usize, then: impl FnOnce(&Queue)) {
        let queue = Queue::new(1 << 20);
        queue.push(submission());
        thread::scope(|scope| {
            let gathering = scope.spawn(|| queue.gather(wanted, NEVER));
            while queue.waiting.lock().wanted == 0 {
                thread::yield_now();
            }
            assert!(!gathering.is_finished());
            then(&queue);
        });
        assert_eq!(queue.waiting.lock().wanted, 0);
    }

    #[test]
    fn a_batch_waits_for_those_who_were_answered() {
        while_gathering(3, |queue| {
            queue.push(submission());
            queue.push(submission());
        });
    }

    #[test]
    fn a_batch_waits_no_longer_than_it_may() {
        let queue = Queue::new(1 << 20);
        queue.push(submission());
        queue.gather(2, Duration::from_millis(1));
        assert_eq!(queue.length().0, 1);
    }

    #[test]
    fn nothing_waits_for_a_store_that_ends() {
        while_gathering(3, Queue::close);
        while_gathering(3, |queue| queue.stop("a reason"));
    }
}
