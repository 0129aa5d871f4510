//! From the queue through the log to the answers.
//!
//! There is one batch on its way at a time. While it is being synced, submissions gather; all of them
//! become the next batch. So a batch is as large as the disk is slow, and one fsync serves them all.
//! openraft 0.9 syncs every entry alone: this is where group commit happens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use esdb_store::{Outcome, batch};
use openraft::Raft;

use super::Shared;
use super::submission::{Reply, Submission, Unavailable};
use crate::raft::types::{Batch, TypeConfig};
use crate::wal::LogFailure;

/// Most time that a batch waits for those who were answered last.
const MOST_PATIENCE: Duration = Duration::from_millis(1);

/// A submission that was taken from the queue: its answer, and whether it was cancelled before.
type Member = (Reply, bool);

/// Works until the queue is closed and empty, or the store stopped.
pub(super) async fn run(shared: &Arc<Shared>, raft: &Raft<TypeConfig>) {
    let options = &shared.options;
    let mut expected = 0;
    loop {
        shared.queue.ready().await;
        gather(shared, expected);
        let room = shared.checkpoints.room(&shared.store).await;
        let taken = shared
            .queue
            .take(options.max_batch_commands, options.max_batch_bytes)
            .await;
        let Some(submissions) = taken else { return };
        let began = Instant::now();
        let (members, result) = match room {
            Ok(()) => batch(shared, raft, submissions).await,
            Err(refusal) => (
                submissions.into_iter().map(|s| (s.reply, false)).collect(),
                Err(refusal),
            ),
        };
        // Those who are answered now, and those who wait already, are who may ask next.
        expected = members.len() + shared.queue.length().0;
        let counters = &shared.counters;
        counters.answering.time(|| answer(members, result));
        counters.batching.add(began);
        shared.tell_head();
        if shared.store.wants_checkpoint() {
            shared.checkpoints.want();
        }
    }
}

/// Waits for as many submissions as were under way a moment ago, but for no longer than syncing the log
/// takes: a sync for the few that came first would hold up the others for as long, and costs the
/// processor time that their clients need to come (docs/internals/decisions.md).
fn gather(shared: &Shared, expected: usize) {
    let options = &shared.options;
    let patience = shared.progress.last_write().min(MOST_PATIENCE);
    let full = shared.queue.length().1 >= options.max_batch_bytes;
    if expected > 1 && !full && !patience.is_zero() {
        let expected = expected.min(options.max_batch_commands);
        shared.queue.gather(expected, patience);
    }
}

/// Makes one batch of `submissions` and has it agreed on and applied.
async fn batch(
    shared: &Arc<Shared>,
    raft: &Raft<TypeConfig>,
    submissions: VecDeque<Submission>,
) -> (Vec<Member>, Result<Vec<Outcome>, Unavailable>) {
    // What could not be applied had better not be in the log.
    if let Some(reason) = shared.store.stopped() {
        let members = submissions.into_iter().map(|s| (s.reply, false)).collect();
        return (members, Err(stopped(shared, &reason)));
    }
    let mut builder = batch::Builder::new(clock_us());
    let mut members = Vec::with_capacity(submissions.len());
    for submission in submissions {
        let cancelled = submission.is_cancelled();
        if !cancelled {
            builder.push(&submission.command);
        }
        members.push((submission.reply, cancelled));
    }
    let commands = builder.len();
    if commands == 0 {
        return (members, Ok(Vec::new()));
    }
    // Before proposing: an entry that finds no space would be the end of the raft core.
    let reserved = shared.wal.lock().reserve(builder.bytes());
    let result = match reserved {
        Ok(()) => propose(shared, raft, builder.finish()).await,
        Err(LogFailure::Full(text)) => Err(Unavailable::DiskFull(text)),
        Err(error) => Err(stopped(shared, &error)),
    };
    if result.is_ok() {
        shared.counters.applied(commands);
    }
    (members, result)
}

/// Has the group agree on a batch, and returns its outcomes when it is applied here.
async fn propose(
    shared: &Arc<Shared>,
    raft: &Raft<TypeConfig>,
    bytes: Bytes,
) -> Result<Vec<Outcome>, Unavailable> {
    let proposed = raft.client_write_ff(Batch(bytes)).await;
    let answer = proposed.map_err(|error| stopped(shared, &error))?;
    match answer.await {
        Ok(Ok(written)) => Ok(written.data.outcomes),
        Ok(Err(error)) => Err(stopped(shared, &error)),
        Err(error) => match raft.with_raft_state(|_| ()).await {
            Err(fatal) => Err(stopped(shared, &fatal)),
            Ok(()) => Err(stopped(shared, &error)),
        },
    }
}

/// Answers in the order of submission.
fn answer(members: Vec<Member>, result: Result<Vec<Outcome>, Unavailable>) {
    let last = members.len().saturating_sub(1);
    let (mut outcomes, refusal) = match result {
        Ok(outcomes) => (outcomes.into_iter(), None),
        Err(refusal) => (Vec::new().into_iter(), Some(refusal)),
    };
    for (nth, (reply, cancelled)) in members.into_iter().enumerate() {
        let result = match &refusal {
            _ if cancelled => Err(Unavailable::Cancelled),
            Some(refusal) => Err(refusal.clone()),
            // The store gives one outcome a command; a missing one is not invented.
            None => outcomes
                .next()
                .ok_or_else(|| Unavailable::Stopped("no outcome was given".into())),
        };
        reply.answer(result, nth < last);
    }
}

fn stopped(shared: &Shared, error: &dyn std::fmt::Display) -> Unavailable {
    let reason = shared.reason(error);
    shared.stop(&reason);
    Unavailable::Stopped(reason)
}

/// Microseconds since 1970; 0 for a clock before.
pub(super) fn clock_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    })
}
