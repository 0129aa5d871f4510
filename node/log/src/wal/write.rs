//! Changing the log: reserving space, appending, truncating, purging, votes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::end::{End, EndFile};
use super::error::{LogFailure, WalError, is_out_of_space};
use super::meta::Meta;
use super::segment::{self, Blank, Segment};
use super::{Ballot, Entry, Position, Progress, Spare, Wal, open, record};
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

    fn remove_purged_segments(&mut self) -> Result<(), LogFailure> {
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

    /// Begins a segment for entry `first` with room for `needed` bytes.
    fn begin_segment(&mut self, first: u64, needed: u64) -> Result<(), LogFailure> {
        if self.progress.durable_next() != self.next_index() {
            return Err(LogFailure::Misuse(
                "a new segment while an append is under way".into(),
            ));
        }
        let needed = needed + segment::FIRST_RECORD as u64;
        let size = self.next_size().max(needed.next_multiple_of(4096));
        let blank = match self.take_spare().filter(|blank| blank.size >= needed) {
            Some(blank) => blank,
            None => self.make_blank(size, needed.next_multiple_of(4096))?,
        };
        let unused = self.last.is_none();
        self.install(blank, first)?;
        if unused && first > 0 {
            // Nothing was ever logged: the empty segments before are no part of the log.
            self.save(Meta {
                oldest: self.meta.newest,
                ..self.meta
            })?;
            self.remove_purged_segments()?;
        }
        Ok(())
    }

    /// A blank segment of `size` bytes, or of fewer, but not below `least`, when the disk has no room
    /// for so many.
    fn make_blank(&self, mut size: u64, least: u64) -> Result<Blank, LogFailure> {
        loop {
            match Blank::prepare(&*self.disk, &self.dir, size) {
                Ok(blank) => return Ok(blank),
                Err(error) if !is_out_of_space(&error) => {
                    return Err(self.stopped_by("prepare a segment", &error));
                }
                Err(_) if size > least => size = (size / 4).max(least),
                Err(error) => {
                    let text = format!("{}: {error}", self.dir.display());
                    return Err(LogFailure::Full(text));
                }
            }
        }
    }

    fn install(&mut self, blank: Blank, first: u64) -> Result<(), LogFailure> {
        let number = self.meta.newest + 1;
        let installed = blank.install(&*self.disk, &self.dir, self.meta.uuid, number, first);
        let segment = installed.map_err(|error| self.stopped_by("begin a segment", &error))?;
        let noted = self.save(Meta {
            newest: number,
            ..self.meta
        });
        if let Err(LogFailure::Full(_)) = noted {
            // Entries may still go to the segment before: none may be found that begins before them.
            let removed = self.disk.remove(&segment.path);
            let removed = removed.and_then(|()| self.disk.sync_dir(&self.dir));
            removed.map_err(|error| self.stopped_by("take back a segment", &error))?;
        }
        noted?;
        self.segments.push_back(segment);
        self.progress.durable_next.store(first, Ordering::Release);
        Ok(())
    }

    fn next_size(&self) -> u64 {
        let size = self.segments.back().map_or(0, |segment| segment.size);
        (size * 2).clamp(self.options.first_segment, self.options.largest_segment)
    }

    /// Begins to prepare the next segment when half of this one is used.
    fn prepare_spare(&mut self) {
        let half = self
            .segments
            .back()
            .is_some_and(|segment| segment.room() < segment.size / 2);
        if !half || !matches!(self.spare, Spare::None) {
            return;
        }
        let (disk, dir, size) = (Arc::clone(&self.disk), self.dir.clone(), self.next_size());
        let work = move || Blank::prepare(&*disk, &dir, size);
        // Without the thread the segment is made when it is needed.
        if let Ok(thread) = std::thread::Builder::new()
            .name("esdb-spare".into())
            .spawn(work)
        {
            self.spare = Spare::Coming(thread);
        }
    }

    /// The prepared segment, waiting for it if it is being prepared.
    pub(super) fn take_spare(&mut self) -> Option<Blank> {
        match std::mem::take(&mut self.spare) {
            Spare::Coming(thread) => thread.join().ok().and_then(Result::ok),
            Spare::None => None,
        }
    }

    fn save(&mut self, meta: Meta) -> Result<(), LogFailure> {
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
