//! A store that a workload runs on, and what every image of its disk must open to.

#![allow(dead_code, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::ThreadId;

use esdb_log::{Options, Replica, verify};
use esdb_store::Outcome;
use esdb_testing::disk::{Image, MemoryDisk, Note, Step};
use esdb_testing::model::Model;
use esdb_testing::operation::{Command, Operation};
use parking_lot::Mutex;

use crate::common::store::{Answer, await_answer, call};

/// Options for a store that begins segments and checkpoints all the time.
pub fn restless(disk: &MemoryDisk) -> Options {
    let mut options = Options {
        wal: crate::common::SMALL,
        disk: Arc::new(disk.clone()),
        ..Options::default()
    };
    options.store.memtable_bytes = 24 << 10;
    options.store.cache_bytes = 256 << 10;
    options
}

/// Opens the store that is on `disk`.
pub fn open(disk: &MemoryDisk, dir: &Path) -> Result<Replica, String> {
    Replica::open(dir, restless(disk)).map_err(|error| format!("it does not open: {error}"))
}

/// The outcome as the model tells it, which does not know the clock.
fn timeless(mut outcome: Outcome) -> Outcome {
    if let Outcome::Recorded { epoch_us, .. } = &mut outcome {
        *epoch_us = 0;
    }
    outcome
}

/// A store under a workload, beside its model.
pub struct Workload<'a> {
    pub disk: MemoryDisk,
    dir: &'a Path,
    replica: Option<Replica>,
    pub model: Model,
    /// Every command that was handed in, in order.
    commands: Vec<Command>,
    /// The time of each position.
    times: BTreeMap<u64, u64>,
    acknowledged: Arc<AtomicUsize>,
}

impl<'a> Workload<'a> {
    /// Creates a store.
    pub fn begin(disk: MemoryDisk, dir: &'a Path) -> Self {
        let replica = open(&disk, dir).unwrap();
        Self {
            disk,
            dir,
            replica: Some(replica),
            model: Model::default(),
            commands: Vec::new(),
            times: BTreeMap::new(),
            acknowledged: Arc::default(),
        }
    }

    fn replica(&self) -> &Replica {
        self.replica.as_ref().unwrap()
    }

    pub fn run(&mut self, operation: Operation) {
        match operation {
            Operation::Commands(commands) => self.execute(commands),
            Operation::Read(query) => {
                let view = self.replica().view();
                self.model.check_query(&view, &query).unwrap();
            }
            // They come by themselves, and at an orderly end.
            Operation::Checkpoint => {}
            Operation::Restart { clean } => self.restart(clean),
        }
    }

    /// Hands in commands at once, and waits for all answers.
    fn execute(&mut self, commands: Vec<Command>) {
        let (mut encoded, mut expected) = (Vec::new(), Vec::new());
        for command in commands {
            let command = self.model.resolve(command);
            expected.push(self.model.execute(&command, None));
            encoded.push(command.encode());
            self.commands.push(command);
        }
        self.disk.note(Note::Submitted(self.commands.len()));
        let answers: Vec<_> = encoded
            .into_iter()
            .map(|bytes| self.submit(bytes))
            .collect();
        let outcomes = answers
            .iter()
            .map(|answer| timeless(await_answer(answer).unwrap()));
        assert_eq!(outcomes.collect::<Vec<_>>(), expected);
        self.model.learn_times_from(&self.replica().view()).unwrap();
        let held = self.model.events.iter().rev().map(|held| &held.seen);
        let new = held.take_while(|seen| !self.times.contains_key(&seen.position));
        let new: Vec<_> = new.map(|seen| (seen.position, seen.epoch_us)).collect();
        self.times.extend(new);
    }

    fn submit(&self, command: Vec<u8>) -> mpsc::Receiver<Answer> {
        let (sender, receiver) = mpsc::channel();
        let (disk, count) = (self.disk.clone(), Arc::clone(&self.acknowledged));
        let done = move |answer: Answer, _| {
            if answer.is_ok() {
                let before = count.fetch_add(1, Ordering::SeqCst);
                disk.note(Note::Acknowledged(before + 1));
            }
            drop(sender.send(answer));
        };
        self.replica().submit(command, None, Box::new(done));
        receiver
    }

    fn restart(&mut self, clean: bool) {
        let replica = self.replica.take().unwrap();
        if clean {
            replica.shutdown();
        }
        drop(replica);
        let replica = open(&self.disk, self.dir).unwrap();
        self.model.check(&replica.view()).unwrap();
        self.replica = Some(replica);
    }

    /// Ends the store in order.
    pub fn end(mut self) -> (MemoryDisk, Plan) {
        self.restart(true);
        self.replica().shutdown();
        drop(self.replica.take());
        let plan = Plan {
            dir: self.dir.to_owned(),
            commands: self.commands,
            times: self.times,
            reached: Mutex::default(),
        };
        (self.disk, plan)
    }
}

/// What a workload did, and so what must be left of it.
pub struct Plan {
    /// Where the store was.
    pub dir: PathBuf,
    commands: Vec<Command>,
    /// The time of each position.
    times: BTreeMap<u64, u64>,
    /// How far each thread has come with its walk.
    reached: Mutex<HashMap<ThreadId, Reached>>,
}

/// Models after `first` commands, after one more, and so on. Steps that follow each other ask for the
/// same ones, or for some that go on from them.
#[derive(Default)]
struct Reached {
    first: usize,
    models: Vec<Model>,
}

impl Reached {
    /// Goes on, or begins anew, so that the models are those after `first` to `last` commands.
    fn go_to(&mut self, plan: &Plan, first: usize, last: usize) {
        if self.models.is_empty() || self.first > first {
            (self.first, self.models) = (0, vec![Model::default()]);
        }
        let passed = (first - self.first).min(self.models.len() - 1);
        self.models.drain(..passed);
        self.first += passed;
        let next = |model: &mut Model, nth: usize| {
            model.execute(&plan.commands[nth], None);
            model.learn_times(|position| plan.times.get(&position).copied());
        };
        while self.first < first {
            next(&mut self.models[0], self.first);
            self.first += 1;
        }
        self.models.truncate(last + 1 - first);
        while self.models.len() <= last - first {
            let mut model = self.models.last().unwrap().clone();
            next(&mut model, first + self.models.len() - 1);
            self.models.push(model);
        }
    }
}

impl Plan {
    /// How many commands there were.
    pub fn commands(&self) -> usize {
        self.commands.len()
    }

    /// The model after so many commands.
    fn model(&self, commands: usize) -> Model {
        let mut reached = Reached::default();
        reached.go_to(self, commands, commands);
        reached.models.remove(0)
    }

    /// Opens the store on an image: it must hold the commands up to some number from `acknowledged`
    /// to `submitted`. Returns that number.
    pub fn examine(
        &self,
        image: &Image,
        acknowledged: usize,
        submitted: usize,
    ) -> Result<usize, String> {
        let disk = MemoryDisk::from(image.clone());
        self.verify(&disk)?;
        let replica = open(&disk, &self.dir)?;
        let view = replica.view();
        let thread = std::thread::current().id();
        let mut reached = self.reached.lock().remove(&thread).unwrap_or_default();
        reached.go_to(self, acknowledged, submitted);
        let mut first = None;
        for (commands, model) in (acknowledged..submitted + 1).zip(&reached.models).rev() {
            // Nobody ever saw what was gone again with the answer to it: its times are learned.
            let mut model = Cow::Borrowed(model);
            let unknown = model.events.iter().any(|held| held.seen.epoch_us == 0);
            let learned = match unknown {
                true => model.to_mut().learn_times_from(&view),
                false => Ok(()),
            };
            match learned.and_then(|()| model.check(&view)) {
                Ok(()) => {
                    self.reached.lock().insert(thread, reached);
                    return Ok(commands);
                }
                Err(error) => drop(first.get_or_insert(format!("{commands} commands: {error}"))),
            }
        }
        Err(format!(
            "it holds none of {acknowledged} to {submitted} commands; compared with {}",
            first.unwrap_or_default()
        ))
    }

    /// Nothing that a power cut leaves counts as damage.
    fn verify(&self, disk: &MemoryDisk) -> Result<(), String> {
        let mut damages = Vec::new();
        let checked = verify::store(disk, &self.dir, &mut |report| {
            if let verify::Report::Damage(damage) = report {
                damages.push(damage.to_string());
            }
        });
        checked.map_err(|error| error.to_string())?;
        match damages.is_empty() {
            true => Ok(()),
            false => Err(format!("verify finds damage: {damages:?}")),
        }
    }

    /// Opens the store on an image that holds so many commands, and executes those up to `until`.
    /// Returns what that did to the disk, and what must be left of it.
    pub fn go_on(
        &self,
        image: &Image,
        from: usize,
        until: usize,
    ) -> Result<(Vec<Step>, Plan), String> {
        let disk = MemoryDisk::traced(image.clone());
        let replica = open(&disk, &self.dir)?;
        disk.note(Note::Submitted(from));
        disk.note(Note::Acknowledged(from)); // Whoever reads now sees it: it must stay.
        let mut model = self.model(from);
        for (nth, command) in (from..until).zip(&self.commands[from..until]) {
            disk.note(Note::Submitted(nth + 1));
            let outcome = timeless(call(&replica, command.encode()).unwrap());
            disk.note(Note::Acknowledged(nth + 1));
            if outcome != model.execute(command, None) {
                return Err(format!(
                    "going on, command {nth} has the outcome {outcome:?}"
                ));
            }
        }
        model.learn_times_from(&replica.view())?;
        model.check(&replica.view())?;
        drop(replica);
        let held = model.events.iter().map(|held| &held.seen);
        let plan = Plan {
            dir: self.dir.clone(),
            commands: self.commands.clone(),
            times: held.map(|seen| (seen.position, seen.epoch_us)).collect(),
            reached: Mutex::default(),
        };
        Ok((disk.trace(), plan))
    }
}
