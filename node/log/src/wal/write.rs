//! Changing the log: reserving space, appending, truncating, purging, votes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::end::{End, EndFile};
use super::error::{LogFailure, WalError, is_out_of_space};
use super::meta::Meta;
use super::segment::{Blank, Segment};
use super::{Ballot, Entry, Position, Progress, Wal, open, record};
use esdb_disk::File;

/// Room that a reservation leaves for the entries nobody reserves for: blanks and memberships.
const SLACK: u64 = 4 << 10;

/// The bytes of one append: one write and one fsync, to be done on any thread.
#[derive(Debug)]
#[must_use = "an append is durable only when its write was performed"]
pub struct Write {
    file: Arc<dyn File>,
    offset: u64,
    bytes: Vec<u8>,
    next: u64,
    end: Option<Arc<EndFile>>,
    progress: Arc<Progress>,
}

impl Write {
    /// Writes and syncs. When that fails, the log stops for good: what is on disk now is unknown,
    /// and a second fsync could report success for bytes the system has already given up.
    pub fn perform(self) -> io::Result<()> {
        if let Some(reason) = self.progress.stopped() {
            return Err(io::Error::other(reason));
        }
        if let Some(end) = &self.end {
            end.tell(End {
                durable_below: self.progress.durable_next(),
                written_below: self.next,
            });
        }
        let synced = self.progress.writing.time(|| {
            let written = self.file.write_at(&self.bytes, self.offset);
            written.map_err(|e| ("write", e))?;
            self.file.sync_data().map_err(|e| ("fsync", e))
        });
        if let Err((what, error)) = synced {
            self.progress
                .stop(format!("{what} of the log failed: {error}"));
            return Err(error);
        }
        self.progress.syncs.fetch_add(1, Ordering::Relaxed);
        self.progress
            .durable_next
            .store(self.next, Ordering::Release);
        Ok(())
    }
}

impl Wal {
    /// Makes sure that an append of one entry with `payload` bytes finds its space. What this costs
    /// (now and then a new segment) is paid here and not after the entry was proposed.
    pub fn reserve(&mut self, payload: usize) -> Result<(), LogFailure> {
        self.check()?;
        let needed = record::size(payload) as u64 + SLACK;
        if self.segments.back().map_or(0, Segment::room) < needed {
            self.begin_segment(self.next_index(), needed)?;
        }
        self.prepare_spare();
        Ok(())
    }

    /// Puts `entries` at the end of the log, readable at once, and returns the write that makes them
    /// durable.
    pub fn append(&mut self, entries: Vec<Entry>) -> Result<Write, LogFailure> {
        self.check()?;
        let Some(first) = entries.first().map(|entry| entry.at.index) else {
            return Err(LogFailure::Misuse("an append of no entries".into()));
        };
        let too_large = |entry: &Entry| entry.payload.len() > record::MAX_PAYLOAD;
        if entries.iter().any(too_large) {
            return Err(LogFailure::Misuse("an entry that no record holds".into()));
        }
        let durable_below = self.progress.durable_next();
        if durable_below != self.next_index() {
            return Err(LogFailure::Misuse(
                "an append while another is under way".into(),
            ));
        }
        let unused = self.last.is_none() && first > self.next_index();
        if entries
            .iter()
            .zip(first..)
            .any(|(entry, index)| entry.at.index != index)
            || (first != self.next_index() && !unused)
        {
            let expected = self.next_index();
            let text = format!(
                "entries from {first} on do not follow the log, which ends before {expected}"
            );
            return Err(LogFailure::Misuse(text));
        }
        let needed = entries
            .iter()
            .map(|entry| record::size(entry.payload.len()) as u64)
            .sum();
        if unused || self.segments.back().map_or(0, Segment::room) < needed {
            self.begin_segment(first, needed)?;
        }
        let Some(segment) = self.segments.back_mut() else {
            return Err(LogFailure::Misuse("a log without a segment".into()));
        };
        let mut bytes = Vec::with_capacity(needed as usize);
        let offset = segment.end;
        for entry in &entries {
            let begin = bytes.len();
            record::put(
                &mut bytes,
                entry,
                self.progress.durable_next(),
                segment.epoch,
            );
            segment.push(bytes.len() - begin);
        }
        let (file, next) = (Arc::clone(&segment.file), segment.next_index());
        self.last = entries.last().map(|entry| entry.at);
        self.remember(entries);
        Ok(Write {
            file,
            offset,
            bytes,
            next,
            end: self.end.clone(),
            progress: Arc::clone(&self.progress),
        })
    }

    /// Saves the vote, durably.
    pub fn save_vote(&mut self, vote: Ballot) -> Result<(), LogFailure> {
        self.save(Meta {
            vote: Some(vote),
            ..self.meta
        })
    }

    /// Removes the entries from `index` on, durably.
    pub fn truncate(&mut self, index: u64) -> Result<(), LogFailure> {
        self.check()?;
        if index >= self.next_index() {
            return Ok(());
        }
        if index < self.first_index() {
            return Err(LogFailure::Misuse(format!(
                "entry {index} is purged, it can not be truncated"
            )));
        }
        let before = index
            .checked_sub(1)
            .filter(|before| *before >= self.first_index());
        let last = match before {
            Some(before) => self
                .read(before..index, usize::MAX)?
                .last()
                .map(|entry| entry.at),
            None => self.meta.purged,
        };
        self.lower_end(index)
            .map_err(|error| self.stopped_by("lower the end", &error))?;
        self.save(Meta {
            truncating: Some(index),
            ..self.meta
        })?;
        let done = open::complete_truncation(&*self.disk, &self.dir, &mut self.meta, index);
        done.map_err(|error| self.stopped_by("truncate", &error))?;
        while self
            .segments
            .back()
            .is_some_and(|segment| segment.number > self.meta.newest)
        {
            self.segments.pop_back();
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.forget(index);
        }
        self.forget_recent(index);
        self.last = last;
        self.progress.durable_next.store(index, Ordering::Release);
        Ok(())
    }

    /// Before entries from `index` on are taken away, nobody may tell any more that they were durable.
    fn lower_end(&mut self, index: u64) -> io::Result<()> {
        let end = EndFile::begin(&*self.disk, &self.dir, self.meta.uuid, End::at(index))?;
        end.sync()?;
        self.end = Some(Arc::new(end));
        Ok(())
    }

    /// Forgets the entries up to and including `upto`, durably, and removes the segments that hold
    /// nothing else. `upto` may lie beyond the end: then the log goes on behind it. Without space for
    /// the note of it a purge is put off, to be done by a later one.
    pub fn purge(&mut self, upto: Position) -> Result<(), LogFailure> {
        if self
            .meta
            .purged
            .is_some_and(|purged| purged.index >= upto.index)
        {
            return self.check();
        }
        let kept = self
            .segments
            .iter()
            .find(|segment| segment.next_index() > upto.index + 1);
        let oldest = kept.map_or(self.meta.newest, |segment| segment.number);
        let noted = self.save(Meta {
            purged: Some(upto),
            oldest,
            ..self.meta
        });
        match noted {
            Err(LogFailure::Full(reason)) if upto.index < self.next_index() => {
                tracing::warn!(reason, "the log could not be purged");
                return Ok(());
            }
            noted => noted?,
        }
        self.last = self.last.max(Some(upto));
        while self
            .recent
            .front()
            .is_some_and(|entry| entry.at.index <= upto.index)
        {
            let gone = self.recent.pop_front();
            self.recent_bytes -= gone.map_or(0, |entry| entry.payload.len());
        }
        self.remove_purged_segments()?;
        let full = self
            .segments
            .back()
            .is_some_and(|segment| segment.size > self.options.first_segment);
        if upto.index >= self.next_index() || (upto.index + 1 == self.next_index() && full) {
            self.begin_after_purge()
                .map_err(|error| self.stopped_by("begin a segment", &error))?;
        }
        Ok(())
    }

    /// Goes on in a small segment behind everything that was purged. An idle store keeps no large
    /// file. Out of space, a segment that could still be used is.
    pub(super) fn begin_after_purge(&mut self) -> io::Result<()> {
        let first = self.meta.purged.map_or(0, |purged| purged.index + 1);
        if self.progress.durable_next() < self.next_index() {
            return Ok(());
        }
        let follows = first == self.next_index();
        drop(self.take_spare());
        let size = self.options.first_segment;
        match Blank::prepare(&*self.disk, &self.dir, size) {
            Err(error) if is_out_of_space(&error) && follows => return Ok(()),
            Err(error) => return Err(error),
            Ok(blank) => match self.install(blank, first) {
                Err(LogFailure::Full(_)) if follows => return Ok(()),
                installed => installed.map_err(io::Error::other)?,
            },
        }
        let oldest = self.meta.newest;
        let noted = self.save(Meta {
            oldest,
            ..self.meta
        });
        match noted {
            Err(LogFailure::Full(_)) if follows => return Ok(()), // The next purge removes them.
            noted => noted.map_err(io::Error::other)?,
        }
        self.remove_purged_segments().map_err(io::Error::other)
    }

    pub(super) fn remove_purged_segments(&mut self) -> Result<(), LogFailure> {
        let oldest = self.meta.oldest;
        while self.segments.len() > 1 && self.segments.front().is_some_and(|s| s.number < oldest) {
            let Some(segment) = self.segments.pop_front() else {
                break;
            };
            let removed = self.disk.remove(&segment.path);
            removed.map_err(|error| self.stopped_by("remove a purged segment", &error))?;
        }
        Ok(())
    }

    pub(super) fn save(&mut self, meta: Meta) -> Result<(), LogFailure> {
        self.check()?;
        match meta.prepare(&*self.disk, &self.dir) {
            Err(WalError::Io { path, source, .. }) if is_out_of_space(&source) => {
                return Err(LogFailure::Full(format!("{}: {source}", path.display())));
            }
            prepared => prepared,
        }
        .and_then(|()| Meta::replace(&*self.disk, &self.dir))
        .map_err(|error| self.stopped_by("write the meta file", &error))?;
        self.meta = meta;
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), LogFailure> {
        self.progress
            .stopped()
            .map_or(Ok(()), |reason| Err(LogFailure::Stopped(reason)))
    }

    pub(super) fn stopped_by(&self, what: &str, error: &dyn std::fmt::Display) -> LogFailure {
        let reason = format!("could not {what}: {error}");
        self.progress.stop(reason.clone());
        LogFailure::Stopped(reason)
    }
}

impl From<WalError> for LogFailure {
    fn from(error: WalError) -> Self {
        Self::Stopped(error.to_string())
    }
}
