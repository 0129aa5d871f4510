//! Opening a log: creating it, completing what a crash interrupted, refusing what is damaged.
//!
//! Order of writes everywhere: a new segment is complete before `meta` names it, and `meta` names it
//! before it gets a record; `meta` says that entries are purged or being truncated before their bytes
//! go. So whatever the moment of a crash, `meta` tells which files must be there.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use super::end::{End, EndFile};
use super::error::WalError;
use super::meta::{self, Meta};
use super::scan::{self, Rest, TornTail};
use super::segment::{self, Blank, Segment};
use super::{Position, Progress, Spare, Wal, WalOptions};
use esdb_disk::Disk;

impl Wal {
    /// Opens the log of the store `uuid` in `dir`, or creates it. If `dir` is there, its name must be
    /// durable. The second value tells what had to be cut off at its end.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        uuid: [u8; 16],
        options: WalOptions,
    ) -> Result<(Self, Option<TornTail>), WalError> {
        disk.create_dir(dir)
            .map_err(|e| WalError::io(dir, "create", e))?;
        let names = disk
            .read_dir(dir)
            .map_err(|e| WalError::io(dir, "list", e))?;
        let mut numbers: Vec<u64> = names
            .iter()
            .filter_map(|name| segment::number(name))
            .collect();
        numbers.sort_unstable();
        let created = !names.iter().any(|name| name == meta::NAME);
        let mut meta = match created {
            true => create(&*disk, dir, uuid, &numbers, options)?,
            false => Meta::load(&*disk, dir, uuid)?,
        };
        // A new directory's name must be as durable as what is in it. In one that was there, a process
        // may have been killed before it could sync what it did: the next power cut must not take back
        // what is built upon now.
        let unsafe_names = if created { dir.parent() } else { Some(dir) };
        if let Some(place) = unsafe_names.filter(|place| *place != Path::new("")) {
            let synced = disk.sync_dir(place);
            synced.map_err(|e| WalError::io(place, "sync", e))?;
        }
        if numbers.contains(&(meta.newest + 1)) {
            // Its creation was complete, only the note of it is missing: the next may be missing, too.
            meta.newest += 1;
            meta.store(&*disk, dir)?;
        }
        if let Some(index) = meta.truncating {
            complete_truncation(&*disk, dir, &mut meta, index)?;
            numbers.retain(|number| *number <= meta.newest);
        }
        let mut segments = open_segments(&*disk, dir, &meta, &numbers)?;
        let end = match created {
            true => End::default(),
            false => load_end(&*disk, dir, uuid)?,
        };
        let (mut last, cut) = walk(&mut segments, &meta, end)?;
        if let Some(newest) = segments.back().filter(|_| !created) {
            let synced = newest.file.sync_data();
            synced.map_err(|e| WalError::io(&newest.path, "sync", e))?;
        }
        for old in numbers.iter().filter(|number| **number < meta.oldest) {
            let path = dir.join(segment::name(*old));
            disk.remove(&path)
                .map_err(|e| WalError::io(&path, "remove", e))?;
        }
        if names.iter().any(|name| name == segment::TEMPORARY) {
            let path = dir.join(segment::TEMPORARY);
            match disk.remove(&path) {
                // The log was created just now, and that used it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed.map_err(|e| WalError::io(&path, "remove", e))?,
            }
        }
        last = last.max(meta.purged);
        let cut = cut.map(|bytes| TornTail {
            bytes,
            last_index: last.map(|at| at.index),
        });
        let mut wal = Self {
            disk,
            dir: dir.to_owned(),
            options,
            meta,
            segments,
            spare: Spare::None,
            end: None,
            last,
            recent: VecDeque::new(),
            recent_bytes: 0,
            progress: Arc::new(Progress::default()),
        };
        wal.progress
            .durable_next
            .store(wal.next_index(), std::sync::atomic::Ordering::Release);
        if wal
            .meta
            .purged
            .is_some_and(|purged| purged.index >= wal.next_index())
        {
            wal.begin_after_purge()
                .map_err(|e| WalError::io(dir, "begin a segment in", e))?;
        }
        wal.begin_end();
        if let Some(cut) = cut {
            tracing::warn!(
                dir = %dir.display(), bytes = cut.bytes, last_index = ?cut.last_index,
                "cut a torn tail: an append that was under way at a crash, never acknowledged"
            );
        }
        Ok((wal, cut))
    }

    /// Everything that was found is durable now.
    fn begin_end(&mut self) {
        let end = End::at(self.next_index());
        match EndFile::begin(&*self.disk, &self.dir, self.meta.uuid, end) {
            Ok(end) => self.end = Some(Arc::new(end)),
            Err(error) => tracing::warn!(
                dir = %self.dir.display(), %error,
                "the file `end` of the log cannot be written; the log does without"
            ),
        }
    }
}

/// What there is to know of the end of the log. A power cut may have left a file that nobody
/// understands.
fn load_end(disk: &dyn Disk, dir: &Path, uuid: [u8; 16]) -> Result<End, WalError> {
    match End::load(disk, dir, uuid) {
        Ok(end) => Ok(end.unwrap_or_default()),
        Err(WalError::Foreign { path, reason }) => {
            let path = path.display();
            tracing::warn!(%path, reason, "where the log ends is known from the log alone");
            Ok(End::default())
        }
        Err(error) => Err(error),
    }
}

/// Creates a log where there is none, or completes an interrupted creation.
fn create(
    disk: &dyn Disk,
    dir: &Path,
    uuid: [u8; 16],
    numbers: &[u64],
    options: WalOptions,
) -> Result<Meta, WalError> {
    let path = dir.join(meta::NAME);
    let missing = || WalError::Missing {
        path,
        what: "the log has entries but no meta file".into(),
    };
    // It tells of entries only once there is a meta file.
    if load_end(disk, dir, uuid)?.durable_below > 0 {
        return Err(missing());
    }
    match numbers {
        [] => {
            let failed = |source| WalError::io(dir, "create a segment in", source);
            let blank = Blank::fill(disk, dir, options.first_segment).map_err(failed)?;
            blank.install(disk, dir, uuid, 1, 0).map_err(failed)?;
        }
        // The first segment gets no record before the meta file is there.
        [1] => {
            let segment = Segment::open(disk, dir, 1, uuid)?;
            if scan::rest(&segment, &scan::load(&segment)?)? != Rest::Zeros {
                return Err(missing());
            }
        }
        _ => return Err(missing()),
    }
    let meta = Meta {
        uuid,
        oldest: 1,
        newest: 1,
        vote: None,
        purged: None,
        truncating: None,
    };
    meta.store(disk, dir)?;
    Ok(meta)
}

fn open_segments(
    disk: &dyn Disk,
    dir: &Path,
    meta: &Meta,
    numbers: &[u64],
) -> Result<VecDeque<Segment>, WalError> {
    // A segment that was just created is not in the list that was read before.
    let known = numbers.last().copied().unwrap_or(0).max(meta.newest);
    if let Some(beyond) = numbers.iter().find(|number| **number > meta.newest) {
        let path = dir.join(segment::name(*beyond));
        return Err(WalError::Foreign {
            path,
            reason: "a segment this log never began".into(),
        });
    }
    let open = |number| match Segment::open(disk, dir, number, meta.uuid) {
        Err(WalError::Io { path, source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(WalError::Missing {
                path,
                what: "this segment of the log is missing".into(),
            })
        }
        other => other,
    };
    (meta.oldest..=known).map(open).collect()
}

/// Walks over all records. Returns the position of the last, and the bytes cut from the newest
/// segment.
fn walk(
    segments: &mut VecDeque<Segment>,
    meta: &Meta,
    end: End,
) -> Result<(Option<Position>, Option<u64>), WalError> {
    let newest = segments.len().saturating_sub(1);
    let purged_next = meta.purged.map_or(0, |purged| purged.index + 1);
    let (mut last, mut cut) = (None, None);
    let mut before: Option<&Segment> = None;
    for (nth, segment) in segments.iter_mut().enumerate() {
        // A segment is begun when everything before is durable, and all segments are here: if one
        // ends before the next begins, its next record is bad.
        if let Some(before) = before
            && before.next_index() != segment.first_index
        {
            return Err(scan::damaged(before));
        }
        if before.is_none() && meta.purged.is_some() && segment.first_index > purged_next {
            return Err(missing_before(segment, purged_next));
        }
        let bytes = scan::load(segment)?;
        let end_of_segment = scan::walk(segment, &bytes, u64::MAX);
        last = end_of_segment
            .as_ref()
            .map(|record| record.entry.at)
            .or(last);
        if nth == newest {
            let next = segment.next_index().max(purged_next);
            let rest = end.judge(scan::rest(segment, &bytes)?, next);
            if let Rest::Torn(bytes) = rest.map_err(|lost| scan::lost(segment, lost))? {
                let zeroed = segment.zero_rest();
                zeroed.map_err(|e| WalError::io(&segment.path, "cut the tail of", e))?;
                cut = Some(bytes);
            }
            if let Some(record) = end_of_segment {
                let written = write_back(segment, &bytes, record.durable_below);
                written.map_err(|e| WalError::io(&segment.path, "write the end of", e))?;
            }
        }
        before = Some(segment);
    }
    Ok((last, cut))
}

/// Writes what may not be durable, the last append, once more: after an fsync that failed the system
/// shows bytes that it has given up, and would not write them with the next one.
fn write_back(segment: &Segment, bytes: &[u8], durable_below: u64) -> std::io::Result<()> {
    let (from, end) = (segment.offset(durable_below), segment.end);
    let last = bytes.get(from as usize..end as usize).unwrap_or_default();
    segment.file.write_at(last, from)
}

/// Entries from `next` on are not there, and `segment` is the first.
fn missing_before(segment: &Segment, next: u64) -> WalError {
    let first = segment.first_index;
    let what =
        format!("the log begins with entry {first}, but only what is before {next} was purged");
    WalError::Missing {
        path: segment.path.clone(),
        what,
    }
}

/// Removes the entries from `index` on: newer segments first, then the rest of the one they begin in.
/// Doing it again after a crash at any point does no harm.
pub(super) fn complete_truncation(
    disk: &dyn Disk,
    dir: &Path,
    meta: &mut Meta,
    index: u64,
) -> Result<(), WalError> {
    let mut number = meta.newest;
    loop {
        let path = dir.join(segment::name(number));
        match Segment::open(disk, dir, number, meta.uuid) {
            // Removed before the crash.
            Err(WalError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound && number > meta.oldest => {}
            Err(error) => return Err(error),
            Ok(segment) if segment.first_index > index && number > meta.oldest => {
                drop(segment);
                disk.remove(&path)
                    .map_err(|e| WalError::io(&path, "remove", e))?;
            }
            Ok(mut segment) => {
                let bytes = scan::load(&segment)?;
                scan::walk(&mut segment, &bytes, index);
                if segment.next_index() < index {
                    return Err(scan::damaged(&segment));
                }
                segment
                    .zero_rest()
                    .map_err(|e| WalError::io(&path, "truncate", e))?;
                break;
            }
        }
        number -= 1;
    }
    disk.sync_dir(dir)
        .map_err(|e| WalError::io(dir, "sync", e))?;
    (meta.newest, meta.truncating) = (number, None);
    meta.store(disk, dir)
}
