//! The store: what owns the state, changes it, and hands out views of it.

use crate::apply::Machine;
use crate::base::Base;
use crate::disk::health::Health;
use crate::disk::open::for_events;
use crate::guard::guard;
use crate::heads::Heads;
use crate::memtable::{Bound, Memtable};
use crate::published::{Frozen, Published};
use crate::{Applied, LogPosition, Outcome, Stats, StoreError, View, batch};
use bytes::Bytes;
use esdb_disk::RealDisk;
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What an operator may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes in memory from which on a checkpoint is wanted. Default 64 MiB.
    pub memtable_bytes: usize,
    /// Bytes of the database's pages that are kept, until [`Store::set_page_bytes`] says otherwise; half as
    /// much again may be taken by retry windows, until [`Store::set_window_bytes`] says otherwise. Default 64 MiB.
    pub cache_bytes: usize,
    /// The UUID of a store that is created, and the one that a store that is there must have. Default
    /// none: random, and any.
    pub uuid: Option<[u8; 16]>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memtable_bytes: 64 << 20,
            cache_bytes: 64 << 20,
            uuid: None,
        }
    }
}

/// What readers see; replaced after each entry.
#[derive(Debug)]
struct Shown {
    view: View,
    applied: Applied,
    stats: Stats,
}

/// The state machine of one store: deterministic, without network and without clock. One thread
/// applies, one writes checkpoints, any number read.
#[derive(Debug)]
pub struct Store {
    base: Mutex<Base>,
    health: Arc<Health>,
    uuid: [u8; 16],
    options: Options,
    machine: Mutex<Machine>,
    shown: RwLock<Shown>,
    /// Held while a checkpoint is written.
    checkpoint: Mutex<()>,
    checkpoints: AtomicU64,
}

impl Store {
    /// Opens the store in `dir`, or creates it. What was applied since the last checkpoint is not
    /// there: the log has it.
    ///
    /// # Errors
    /// [`StoreError::Directory`], [`StoreError::Format`], [`StoreError::Database`], or
    /// [`StoreError::Damaged`] if the state cannot be read.
    pub fn open(dir: &Path, options: Options) -> Result<Store, StoreError> {
        Self::open_on(Arc::new(RealDisk), dir, options)
    }

    /// [`Store::open`] on another disk than the real one.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn open_on(
        files: Arc<dyn esdb_disk::Disk>,
        dir: &Path,
        options: Options,
    ) -> Result<Store, StoreError> {
        let base = Base::open(files, dir, options)?;
        let (disk, uuid, health) = (base.disk(), base.uuid(), base.health().clone());
        let state = disk.state.clone();
        let active = Arc::new(Memtable::default());
        let published = Arc::new(Published {
            active,
            frozen: None,
            disk,
        });
        let machine = Machine::new(published, state, Heads::new(options.cache_bytes / 2));
        let shown = RwLock::new(Shown::of(&machine));
        let (machine, checkpoint) = (Mutex::new(machine), Mutex::new(()));
        let checkpoints = AtomicU64::new(0);
        Ok(Store {
            base: Mutex::new(base),
            health,
            uuid,
            options,
            machine,
            shown,
            checkpoint,
            checkpoints,
        })
    }

    /// Random, given at creation.
    pub fn uuid(&self) -> [u8; 16] {
        self.uuid
    }

    /// How far the log has been applied, in memory; right after opening: on disk.
    pub fn applied(&self) -> Applied {
        self.shown.read().applied.clone()
    }

    /// How far the log has been applied on disk: the log is not needed up to there.
    pub fn checkpointed(&self) -> Applied {
        self.shown.read().view.published.disk.state.applied.clone()
    }

    /// Applies the entry at `at`, and answers what became of each of its commands, in order. All of
    /// it becomes visible at once. Never writes to disk; reads from it what is not in memory.
    ///
    /// # Errors
    /// [`StoreError::Batch`] if the entry holds no batch: nothing was changed. Any other error
    /// stops the store, since part of the entry may have been applied; views stay as they were.
    pub fn apply(&self, at: LogPosition, batch: Bytes) -> Result<Vec<Outcome>, StoreError> {
        let (clock_us, commands) = batch::parse(&batch)?;
        let mut machine = self.machine.lock();
        if let Some(reason) = &machine.stopped {
            return Err(StoreError::Stopped(reason.clone()));
        }
        let before = (machine.state.next_position, machine.tick);
        let mut outcomes = Vec::with_capacity(commands.len());
        for command in commands {
            let mut done = guard(|| machine.execute(clock_us, &batch, command));
            // A command that fails has changed nothing, and what is on disk may be readable anew.
            if matches!(done, Err(StoreError::Disk(_))) && self.renew(&mut machine) {
                done = guard(|| machine.execute(clock_us, &batch, command));
            }
            match done {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => {
                    machine.stopped = Some(error.to_string());
                    return Err(error);
                }
            }
        }
        // Events and records stay where they stood in their batch.
        if (machine.state.next_position, machine.tick) != before {
            machine.published.active.charge(batch.len());
        }
        self.finish(machine, at);
        Ok(outcomes)
    }

    /// Applies an entry that holds nothing.
    pub fn apply_blank(&self, at: LogPosition) {
        self.finish(self.machine.lock(), at);
    }

    /// Applies an entry that sets the membership.
    pub fn apply_membership(&self, at: LogPosition, membership: Vec<u8>) {
        let mut machine = self.machine.lock();
        machine.state.applied.membership = Some((Some(at), membership));
        self.finish(machine, at);
    }

    fn finish(&self, mut machine: MutexGuard<'_, Machine>, at: LogPosition) {
        machine.state.applied.last = Some(at);
        *self.shown.write() = Shown::of(&machine);
    }

    /// Whether memory is beyond its budget.
    pub fn wants_checkpoint(&self) -> bool {
        self.active_bytes() > self.options.memtable_bytes
    }

    /// Whether memory is beyond twice its budget: checkpoints do not keep up, and whoever feeds
    /// the store should wait for one.
    pub fn over_budget(&self) -> bool {
        self.active_bytes() > self.options.memtable_bytes.saturating_mul(2)
    }

    fn active_bytes(&self) -> usize {
        self.shown.read().view.published.active.bytes()
    }

    /// Writes what has been applied to disk, durably, and answers how far that is. Blocks its
    /// thread until it is done, or until another checkpoint that was running is, too; neither
    /// readers nor the applying thread wait for it.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be written. What it should have written stays in memory, and
    /// the next checkpoint tries again.
    pub fn checkpoint(&self) -> Result<Applied, StoreError> {
        let _one_at_a_time = self.checkpoint.lock();
        // What an earlier attempt could not write comes first.
        let left = self.machine.lock().published.frozen.clone();
        if let Some(frozen) = left {
            self.write(&frozen)?;
        }
        if let Some(frozen) = self.freeze()? {
            self.write(&frozen)?;
        }
        Ok(self.checkpointed())
    }

    /// Writes the frozen memtable, and publishes what is on disk then in its place.
    fn write(&self, frozen: &Frozen) -> Result<(), StoreError> {
        // Without `machine` locked: whoever applies holds that one while it asks for `base`.
        let written = self.base.lock().write(frozen);
        let disk = match written {
            Ok(disk) => disk,
            Err(error) => {
                let mut machine = self.machine.lock();
                if self.renew(&mut machine) {
                    *self.shown.write() = Shown::of(&machine);
                }
                return Err(error);
            }
        };
        let mut machine = self.machine.lock();
        let active = machine.published.active.clone();
        let next = Arc::new(Published {
            active,
            frozen: None,
            disk,
        });
        let last = std::mem::replace(&mut machine.published, next);
        let shown = std::mem::replace(&mut *self.shown.write(), Shown::of(&machine));
        drop(machine);
        // To free a memtable takes a while: not under the lock.
        drop((last, shown));
        self.checkpoints.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Publishes what is on disk through the database as it was opened last. False if that is what
    /// was published before.
    fn renew(&self, machine: &mut Machine) -> bool {
        let disk = {
            let mut base = self.base.lock();
            if base.recover(None).is_err()
                && let Some(reason) = base.stopped()
            {
                machine.stopped.get_or_insert_with(|| reason.to_owned());
            }
            base.disk()
        };
        let before = &machine.published;
        if Arc::ptr_eq(&disk, &before.disk) || disk.state != before.disk.state {
            return false;
        }
        let (active, frozen) = (before.active.clone(), before.frozen.clone());
        machine.published = Arc::new(Published {
            active,
            frozen,
            disk,
        });
        true
    }

    /// Puts a new memtable in the place of the active one. `None` if there is nothing to write.
    fn freeze(&self) -> Result<Option<Arc<Frozen>>, StoreError> {
        let mut machine = self.machine.lock();
        if let Some(reason) = &machine.stopped {
            return Err(StoreError::Stopped(reason.clone()));
        }
        let disk = machine.published.disk.clone();
        if machine.state.applied == disk.state.applied {
            return Ok(None);
        }
        let memtable = machine.published.active.clone();
        let frozen = Arc::new(Frozen {
            memtable,
            state: machine.state.clone(),
        });
        let (active, kept) = (Arc::new(Memtable::default()), Some(frozen.clone()));
        machine.published = Arc::new(Published {
            active,
            frozen: kept,
            disk,
        });
        *self.shown.write() = Shown::of(&machine);
        Ok(Some(frozen))
    }

    /// A consistent view of what has been applied. After an error of the disk it opens the database
    /// again, so that what can be read is read.
    pub fn view(&self) -> View {
        if self.health.failed() {
            let mut machine = self.machine.lock();
            if self.renew(&mut machine) {
                *self.shown.write() = Shown::of(&machine);
            }
        }
        self.shown.read().view.clone()
    }

    /// Closes the database, which notes in its file that nobody has it open. Nothing can be written or
    /// read from it any more, not even through views that there are; what was applied since the last
    /// checkpoint is in the log.
    pub fn close(&self) {
        let _no_checkpoint = self.checkpoint.lock();
        self.base.lock().close();
    }

    /// Sets how many bytes retry windows and stream heads may take, and forgets what is beyond.
    pub fn set_window_bytes(&self, bytes: usize) {
        self.machine.lock().heads.set_budget(bytes);
    }

    /// Sets how many bytes of pages may be kept. What of it the database itself has does not change.
    pub fn set_page_bytes(&self, bytes: usize) {
        let options = Options {
            cache_bytes: bytes,
            ..self.options
        };
        let disk = self.machine.lock().published.disk.clone();
        disk.events.set_room(for_events(options));
    }

    /// Why nothing more can be applied, if that is so.
    pub fn stopped(&self) -> Option<String> {
        self.machine.lock().stopped.clone()
    }

    /// The last error of the operating system over the database's file since the store was opened,
    /// with the file's name and what was tried.
    pub fn disk_error(&self) -> Option<String> {
        self.health.last()
    }

    /// Figures for the status page.
    pub fn stats(&self) -> Stats {
        let shown = self.shown.read();
        let published = &shown.view.published;
        let memtable_bytes = published.memtables().map(Memtable::bytes).sum();
        Stats {
            memtable_bytes,
            checkpoints: self.checkpoints.load(Relaxed),
            ..shown.stats
        }
    }
}

impl Shown {
    fn of(machine: &Machine) -> Self {
        let state = &machine.state;
        let bound = Bound {
            end: state.next_position,
            tick: machine.tick,
        };
        let published = machine.published.clone();
        let view = View {
            published,
            bound,
            events: state.events,
            records: state.records.clone(),
            dead: Default::default(),
        };
        let stats = Stats {
            events: state.events,
            streams: state.streams,
            next_position: state.next_position,
            last_epoch_us: state.last_epoch_us,
            ..Stats::default()
        };
        Shown {
            view,
            applied: state.applied.clone(),
            stats,
        }
    }
}
