//! The next segment: prepared while the one before fills up, and begun when it is full.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::{LogFailure, is_out_of_space};
use super::meta::Meta;
use super::segment::{self, Blank};
use super::{Spare, Wal};

impl Wal {
    /// Begins a segment for entry `first` with room for `needed` bytes.
    pub(super) fn begin_segment(&mut self, first: u64, needed: u64) -> Result<(), LogFailure> {
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

    pub(super) fn install(&mut self, blank: Blank, first: u64) -> Result<(), LogFailure> {
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
    pub(super) fn prepare_spare(&mut self) {
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
}
