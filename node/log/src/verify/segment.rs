//! The records of the segments, in order.

use super::Damage;
use super::log::{Check, show};
use crate::wal::end::End;
use crate::wal::record::{self, ALIGN, Record};
use crate::wal::scan::{self, Rest};
use crate::wal::segment::{FIRST_RECORD, Segment};
use crate::wal::{Kind, Position, TornTail};
use bytes::Bytes;
use esdb_store::LogPosition;

/// How far the records have been read.
pub(super) struct Walk {
    /// Index that the next entry must have.
    pub next: u64,
    /// Entries that were read.
    pub entries: u64,
    /// The last entry, if one was read.
    pub last: Option<Position>,
    /// What was being written at the end when a crash came.
    pub torn: Option<TornTail>,
    purged: Option<Position>,
    /// The last entry that the checkpoint holds.
    applied: Option<LogPosition>,
    /// Entries from here on are being taken away.
    stop: u64,
    end: End,
    is_first: bool,
}

impl Walk {
    pub fn new(
        purged: Option<Position>,
        applied: Option<LogPosition>,
        stop: u64,
        end: End,
    ) -> Self {
        Self {
            next: 0,
            entries: 0,
            last: None,
            torn: None,
            purged,
            applied,
            stop,
            end,
            is_first: true,
        }
    }

    /// Reads the records of a segment; `next` is the one after it.
    pub fn segment(
        &mut self,
        check: &mut Check<'_>,
        segment: &Segment,
        bytes: &Bytes,
        next: Option<&Segment>,
        is_newest: bool,
    ) {
        self.begin(check, segment);
        let mut offset = FIRST_RECORD;
        loop {
            while let Some(record) = self.record_at(segment, bytes, offset) {
                self.take(check, segment, offset, &record);
                offset += record.size;
            }
            if self.next >= self.stop {
                return;
            }
            let judged = match (is_newest, next) {
                (true, _) => match scan::judge(bytes, segment.epoch, offset as u64, self.next) {
                    Some(rest) => match self.end.judge(rest, self.next.max(self.purged_next())) {
                        Ok(rest) => Some(rest),
                        Err(gone) => {
                            self.next = gone.start;
                            return self.lost(check, segment, offset, gone.end);
                        }
                    },
                    None => None,
                },
                (false, Some(next)) if next.first_index == self.next => Some(Rest::Zeros),
                // The segment after it is missing, which was told.
                (false, None) => Some(Rest::Zeros),
                (false, Some(_)) => None,
            };
            match judged {
                Some(Rest::Zeros) => return,
                Some(Rest::Torn(bytes)) => return self.cut(check, segment, offset, bytes),
                None => {}
            }
            // Entries that were durable are damaged: those up to the next good one.
            let good = (offset + ALIGN..bytes.len())
                .step_by(ALIGN)
                .find_map(|at| Some((at, later(bytes, at, segment, self.next)?)));
            let end = match (&good, next) {
                (Some((_, record)), _) => record.entry.at.index,
                (None, Some(next)) => next.first_index,
                (None, None) => self.next + 1,
            };
            self.lost(check, segment, offset, end);
            match good {
                Some((at, _)) => offset = at,
                None => return,
            }
        }
    }

    fn begin(&mut self, check: &mut Check<'_>, segment: &Segment) {
        let first = segment.first_index;
        if std::mem::replace(&mut self.is_first, false) {
            let next = self.purged_next();
            if first > next {
                let what = format!(
                    "the log begins with entry {first}, but only what is before {next} was purged"
                );
                check.damage(Damage::of_file(&segment.path, what));
            }
        } else if first != self.next && !check.damaged {
            let what = format!(
                "begins with entry {first}, but entry {} comes next",
                self.next
            );
            check.damage(Damage::of_file(&segment.path, what));
        }
        self.next = first;
    }

    /// Entries before this one are not needed.
    fn purged_next(&self) -> u64 {
        self.purged.map_or(0, |purged| purged.index + 1)
    }

    fn record_at(&self, segment: &Segment, bytes: &Bytes, offset: usize) -> Option<Record> {
        let record = record::get(bytes, offset, segment.epoch)?;
        let index = record.entry.at.index;
        (index == self.next && index < self.stop).then_some(record)
    }

    /// Looks at what a good record says.
    fn take(&mut self, check: &mut Check<'_>, segment: &Segment, offset: usize, record: &Record) {
        let at = record.entry.at;
        let mut wrong = |what: String| {
            check.damage(Damage {
                offset: Some(offset as u64),
                place: Some(show(at)),
                ..Damage::of_file(&segment.path, what)
            });
        };
        if let Some(last) = self.last.filter(|last| last.term > at.term) {
            wrong(format!("its term is before that of {}", show(last)));
        }
        if let Some(applied) = self.applied.filter(|applied| applied.index == at.index)
            && (applied.term, applied.node) != (at.term, at.node)
        {
            let LogPosition { term, node, .. } = applied;
            wrong(format!(
                "the checkpoint holds it as of term {term}, node {node}"
            ));
        }
        if record.entry.kind == Kind::Batch
            && let Err(error) = esdb_store::verify::batch(&record.entry.payload)
        {
            wrong(error.to_string());
        }
        self.last = Some(at);
        self.next += 1;
        self.entries += 1;
    }

    /// An append was under way at a crash: nothing that was acknowledged is lost.
    fn cut(&mut self, check: &mut Check<'_>, segment: &Segment, offset: usize, bytes: u64) {
        let last_index = self.next.checked_sub(1);
        self.torn = Some(TornTail { bytes, last_index });
        let after = self.last.map_or("its beginning".into(), show);
        check.note(
            &segment.path,
            format!(
                "offset {offset}: torn tail of {bytes} bytes after {after}: an append that was under \
                 way at a crash, never acknowledged; the next start cuts it"
            ),
        );
    }

    fn lost(&mut self, check: &mut Check<'_>, segment: &Segment, offset: usize, end: u64) {
        let first = self.next;
        let place = match end {
            end if end > first + 1 => format!("entries {first} to {}", end - 1),
            _ => format!("entry {first}"),
        };
        check.damage(Damage {
            offset: Some(offset as u64),
            place: Some(place),
            ..Damage::of_file(
                &segment.path,
                "what is there is no record, yet it was durable",
            )
        });
        self.next = end;
    }
}

/// The record at `offset`, if it is a good one of an entry after `index`.
fn later(bytes: &Bytes, offset: usize, segment: &Segment, index: u64) -> Option<Record> {
    let record = record::get(bytes, offset, segment.epoch)?;
    (record.entry.at.index > index).then_some(record)
}
