//! The log: `meta`, the segments from the oldest to the newest, and whether they and the checkpoint
//! fit together.

use super::segment::Walk;
use super::{Checkpoint, Damage, Report};
use crate::wal::end::{self, End};
use crate::wal::error::hex;
use crate::wal::meta::{self, Meta};
use crate::wal::segment::{self, Segment};
use crate::wal::{Position, TornTail, WalError, scan};
use esdb_disk::Disk;
use std::io::ErrorKind;
use std::path::Path;

/// Files that a crash can leave half made.
const HALF_MADE: [&str; 2] = ["meta.new", segment::TEMPORARY];

/// What the check of a log found out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Log {
    /// Entries that were read.
    pub entries: u64,
    /// Segments that were read.
    pub segments: u64,
    /// What the next start will cut off at its end.
    pub torn_tail: Option<TornTail>,
}

/// Checks the log in `dir`.
pub(super) fn check(
    disk: &dyn Disk,
    dir: &Path,
    checkpoint: &Checkpoint,
    report: &mut dyn FnMut(Report),
) -> Log {
    let names = match disk.read_dir(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::NotFound && is_new(checkpoint) => {
            report(Report::note(
                dir,
                "is not there yet: the next start makes it",
            ));
            return Log::default();
        }
        Err(error) => {
            let damage = Damage::of_file(dir, format!("cannot be listed: {error}"));
            report(Report::Damage(damage));
            return Log::default();
        }
    };
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| segment::number(name))
        .collect();
    numbers.sort_unstable();
    let names_of_segments = numbers.iter().map(|number| segment::name(*number));
    let mut files: Vec<String> = names_of_segments.collect();
    files.extend([meta::NAME.into(), end::NAME.into()]);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    super::others(dir, &names, &files, &HALF_MADE, report);
    let mut check = Check {
        disk,
        dir,
        checkpoint,
        report,
        damaged: false,
    };
    check.log(&names, &numbers)
}

/// Nothing was ever applied.
fn is_new(checkpoint: &Checkpoint) -> bool {
    checkpoint.applied == Some(None)
}

/// A check under way.
pub(super) struct Check<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    checkpoint: &'a Checkpoint,
    report: &'a mut dyn FnMut(Report),
    pub damaged: bool,
}

impl Check<'_> {
    /// Tells of damage.
    pub fn damage(&mut self, damage: Damage) {
        self.damaged = true;
        (self.report)(Report::Damage(damage));
    }

    /// Tells what an operator should know.
    pub fn note(&mut self, path: &Path, what: impl Into<String>) {
        (self.report)(Report::note(path, what));
    }

    fn log(&mut self, names: &[String], numbers: &[u64]) -> Log {
        let has_meta = names.iter().any(|name| name == meta::NAME);
        let began = self.checkpoint.uuid.is_some_and(|uuid| {
            let end = End::load(self.disk, self.dir, uuid);
            end.is_ok_and(|end| end.is_some_and(|end| end.durable_below > 0))
        });
        let first = is_new(self.checkpoint) && numbers.iter().all(|number| *number == 1);
        if !has_meta && first && !began {
            let what = "its creation was cut short; the next start completes it";
            self.note(self.dir, what);
            return Log::default();
        }
        let meta = match Meta::read(self.disk, self.dir) {
            Ok(meta) => self.expect_uuid(meta),
            Err(error) => {
                self.damage(damage_of(error));
                None
            }
        };
        // Without it the segments that are there are all that is known of the log.
        let oldest = meta.map_or(numbers.first().copied().unwrap_or(1), |meta| meta.oldest);
        let named = meta.map_or(numbers.last().copied().unwrap_or(0), |meta| meta.newest);
        // A segment one beyond is complete, only the note of it is missing.
        let newest = named + u64::from(meta.is_some() && numbers.contains(&(named + 1)));
        for beyond in numbers.iter().filter(|number| **number > newest) {
            let path = self.dir.join(segment::name(*beyond));
            self.damage(Damage::of_file(&path, "a segment this log never began"));
        }
        let end = self.end(meta.as_ref());
        let segments = self.segments(oldest..=newest, meta.as_ref());
        self.records(segments, meta.as_ref(), end)
    }

    /// What there is to know of the log's end beside the log. A power cut may leave a file that says
    /// nothing, or none.
    fn end(&mut self, meta: Option<&Meta>) -> End {
        let uuid = meta.map(|meta| meta.uuid).or(self.checkpoint.uuid);
        let Some(uuid) = uuid else {
            return End::default();
        };
        let what = match End::load(self.disk, self.dir, uuid) {
            Ok(Some(end)) => return end,
            Ok(None) => "is not there".to_owned(),
            Err(WalError::Foreign { reason, .. }) => reason,
            Err(error) => {
                self.damage(damage_of(error));
                return End::default();
            }
        };
        let path = self.dir.join(end::NAME);
        self.note(
            &path,
            format!("{what}: where the log ends is known from the log alone"),
        );
        End::default()
    }

    fn expect_uuid(&mut self, meta: Meta) -> Option<Meta> {
        match self.checkpoint.uuid {
            Some(uuid) if uuid != meta.uuid => {
                self.damage(damage_of(WalError::OtherStore {
                    path: self.dir.join(meta::NAME),
                    found: meta.uuid,
                    expected: uuid,
                }));
                None
            }
            _ => Some(meta),
        }
    }

    /// Opens the segments that there must be.
    fn segments(
        &mut self,
        numbers: std::ops::RangeInclusive<u64>,
        meta: Option<&Meta>,
    ) -> Vec<Segment> {
        let truncating = meta.and_then(|meta| meta.truncating);
        if let Some(index) = truncating {
            let what = format!(
                "its entries from {index} on are being taken away; the next start completes that"
            );
            self.note(self.dir, what);
        }
        let oldest = *numbers.start();
        let uuid = meta.map(|meta| meta.uuid).or(self.checkpoint.uuid);
        let mut segments = Vec::new();
        for number in numbers {
            let opened = match uuid {
                Some(uuid) => Segment::open(self.disk, self.dir, number, uuid),
                None => Segment::open_any(self.disk, self.dir, number),
            };
            match opened {
                Ok(segment) => segments.push(segment),
                Err(WalError::Io { path, source, .. }) if source.kind() == ErrorKind::NotFound => {
                    // The newest ones go first when entries are taken away.
                    if truncating.is_none() || number == oldest {
                        let what = "this segment of the log is missing";
                        self.damage(Damage::of_file(&path, what));
                    }
                }
                Err(error) => self.damage(damage_of(error)),
            }
        }
        segments
    }

    fn records(&mut self, segments: Vec<Segment>, meta: Option<&Meta>, end: End) -> Log {
        let purged = meta.and_then(|meta| meta.purged);
        let stop = meta.and_then(|meta| meta.truncating).unwrap_or(u64::MAX);
        let total: u64 = segments.iter().map(|segment| segment.size).sum();
        let mut walk = Walk::new(purged, self.checkpoint.applied.flatten(), stop, end);
        let mut done = 0;
        let last = segments.len().saturating_sub(1);
        for (nth, segment) in segments.iter().enumerate() {
            let next = segments.get(nth + 1);
            // Bytes behind a truncation, and behind a segment that is missing, are nobody's.
            let is_newest = nth == last && stop == u64::MAX;
            match scan::load(segment) {
                Ok(bytes) => walk.segment(self, segment, &bytes, next, is_newest),
                Err(error) => self.damage(damage_of(error)),
            }
            done += segment.size;
            (self.report)(Report::Progress {
                path: self.dir.to_owned(),
                done,
                total,
            });
        }
        if !self.damaged {
            self.fit(segments.first(), &walk, meta);
        }
        Log {
            entries: walk.entries,
            segments: segments.len() as u64,
            torn_tail: walk.torn,
        }
    }

    /// Checks that the log begins no later than the checkpoint ends, and ends no earlier; and that no
    /// entry is of a later term than the vote.
    fn fit(&mut self, first: Option<&Segment>, walk: &Walk, meta: Option<&Meta>) {
        let purged_next = meta
            .and_then(|meta| meta.purged)
            .map_or(0, |at| at.index + 1);
        let begins = first
            .map_or(0, |segment| segment.first_index)
            .max(purged_next);
        let next = walk.next.max(purged_next);
        if let Some(applied) = self.checkpoint.applied {
            let applied = applied.map_or(0, |at| at.index + 1);
            if begins > applied || next < applied {
                let what = format!(
                    "the log holds entries {begins} to {next} (exclusive), but the checkpoint holds \
                     everything before {applied}; one of the two was replaced, cut or restored alone"
                );
                self.damage(Damage::of_file(self.dir, what));
            }
        }
        let Some((meta, last)) = meta.zip(walk.last) else {
            return;
        };
        let what = match meta.vote {
            // A log begins with two entries, and only then with the vote.
            None if last.index <= 1 => return,
            None => "it knows of no vote, but there are entries".to_owned(),
            Some(vote) if vote.term >= last.term => return,
            Some(vote) => format!(
                "it says that term {} was voted in, but entry {} is of term {}",
                vote.term, last.index, last.term
            ),
        };
        self.damage(Damage::of_file(&self.dir.join(meta::NAME), what));
    }
}

/// The place in a log that an entry has.
pub(super) fn show(at: Position) -> String {
    format!("entry {} (term {}, node {})", at.index, at.term, at.node)
}

fn damage_of(error: WalError) -> Damage {
    match error {
        WalError::Io {
            path,
            action,
            source,
        } => Damage::of_file(&path, format!("{action}: {source}")),
        WalError::Foreign { path, reason } => Damage::of_file(&path, reason),
        WalError::OtherStore {
            path,
            found,
            expected,
        } => {
            let (found, expected) = (hex(&found), hex(&expected));
            let what = format!("belongs to the store {found}, but this is the store {expected}");
            Damage::of_file(&path, what)
        }
        WalError::Damaged {
            path,
            offset,
            index,
        } => Damage {
            offset: Some(offset),
            place: Some(format!("entry {index}")),
            ..Damage::of_file(&path, "the record is not valid")
        },
        WalError::Lost {
            path,
            offset,
            first,
            last,
        } => Damage {
            offset: Some(offset),
            place: Some(format!("entries {first} to {last}")),
            ..Damage::of_file(&path, "are gone")
        },
        WalError::Missing { path, what } => Damage::of_file(&path, what),
    }
}
