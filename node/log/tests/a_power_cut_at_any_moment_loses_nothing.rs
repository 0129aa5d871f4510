//! Whenever the power fails, and whatever the disk keeps of what was not synced: the store opens to
//! exactly what was acknowledged and at most what was under way, in order, every index complete.
//!
//! A workload of 500 operations runs on a disk in memory that keeps a trace: log, database and every
//! name together, from the creation of the store on. Then the trace is walked, and stores are opened
//! on what a power cut would have left.
//!
//! `RS_ESDB_SEED` chooses another workload, `RS_ESDB_IMAGES` another number of torn images.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;
mod crashing;

use std::path::Path;

use crashing::{Plan, Workload};
use esdb_testing::crash::Walk;
use esdb_testing::disk::{Image, MemoryDisk, Step};
use esdb_testing::operation::{draw, operation, rng};
use proptest::prelude::RngExt as _;

const OPERATIONS: usize = 500;

fn number(variable: &str, otherwise: u64) -> u64 {
    let asked = std::env::var(variable).ok();
    asked.map_or(otherwise, |asked| asked.parse().expect("a number"))
}

/// Runs the workload of this seed; what it did to the disk, and what must be left of it.
fn record(seed: u64) -> (Vec<Step>, Plan) {
    let dir = tempfile::tempdir().unwrap();
    let disk = MemoryDisk::traced(Image::with_directory(dir.path()));
    let mut workload = Workload::begin(disk, dir.path());
    for operation in draw(&operation(), OPERATIONS, seed) {
        workload.run(operation);
    }
    let (disk, plan) = workload.end();
    (disk.trace(), plan)
}

/// Does the work of `1..=count` on all processors; the first error ends it.
fn in_parallel(count: usize, work: impl Fn(std::ops::Range<usize>) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = count.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for first in (0..count).step_by(share) {
            let work = &work;
            scope.spawn(move || work(first..(first + share).min(count)));
        }
    });
}

/// Opens a store on the image. If it is not what it should be, the image is kept for a look at it.
fn examine(plan: &Plan, image: Image, walk: &Walk, what: &str) -> usize {
    let dir = &plan.dir;
    match plan.examine(&image, walk.acknowledged, walk.submitted) {
        Ok(commands) => commands,
        Err(error) => panic!("{what}: {error}; {}", keep(&image, dir)),
    }
}

fn keep(image: &Image, dir: &Path) -> String {
    let kept = tempfile::tempdir().unwrap().keep();
    let dumped = image.dump(dir, &kept);
    format!("the image is kept in {} ({dumped:?})", kept.display())
}

#[test]
fn at_every_step() {
    let seed = number("RS_ESDB_SEED", 1);
    let (trace, plan) = record(seed);
    println!("seed {seed}: {} steps", trace.len());
    in_parallel(trace.len(), |range| {
        let mut walk = Walk::from(Image::with_directory(&plan.dir));
        trace[..range.start].iter().for_each(|step| walk.take(step));
        for nth in range {
            walk.take(&trace[nth]);
            let what = format!("seed {seed}, step {nth}, {:?}", trace[nth]);
            if !matches!(trace[nth], Step::Note(_)) {
                examine(&plan, walk.kept(), &walk, &format!("{what}, all kept"));
            }
            // Until the next sync nothing more is safe: the last moment before it asks for most.
            let safer = matches!(
                trace.get(nth + 1),
                None | Some(Step::Sync(_) | Step::SyncDir(_))
            );
            if safer {
                examine(&plan, walk.lost(), &walk, &format!("{what}, unsynced lost"));
            }
        }
    });
}

/// So many numbers of steps that are done: every other one while a name is not safe, which is seldom.
fn moments(trace: &[Step], count: usize, seed: u64) -> Vec<usize> {
    let mut walk = Walk::default();
    let unsafe_names = (1..=trace.len()).filter(|done| {
        walk.take(&trace[done - 1]);
        walk.names_are_unsafe()
    });
    let (unsafe_names, mut rng): (Vec<_>, _) = (unsafe_names.collect(), rng(seed));
    let mut moment = |nth: usize| match nth % 2 {
        0 => rng.random_range(1..=trace.len()),
        _ => unsafe_names[rng.random_range(0..unsafe_names.len())],
    };
    (0..count).map(&mut moment).collect()
}

#[test]
fn whatever_is_left_of_what_was_not_synced() {
    let (seed, images) = (number("RS_ESDB_SEED", 2), number("RS_ESDB_IMAGES", 300));
    let (trace, plan) = record(seed);
    let mut moments = moments(&trace, images as usize, seed);
    moments.sort_unstable();
    println!("seed {seed}: {images} images of {} steps", trace.len());
    in_parallel(moments.len(), |range| {
        let (mut walk, mut done) = (Walk::from(Image::with_directory(&plan.dir)), 0);
        for nth in range {
            let moment = moments[nth];
            trace[done..moment].iter().for_each(|step| walk.take(step));
            done = moment;
            let mut rng = rng(seed ^ (nth as u64) << 32);
            let image = walk.torn(&mut rng);
            let what = format!("seed {seed}, image {nth} after step {moment}");
            let commands = examine(&plan, image.clone(), &walk, &what);
            // It goes on from there, and fails again at any moment of that.
            let goes_on = plan.go_on(&image, commands, walk.submitted);
            let (trace, plan) = goes_on
                .unwrap_or_else(|error| panic!("{what}: {error}; {}", keep(&image, &plan.dir)));
            let mut again = Walk::from(image);
            (again.acknowledged, again.submitted) = (commands, commands);
            let moment = rng.random_range(0..=trace.len());
            trace[..moment].iter().for_each(|step| again.take(step));
            let what = format!("{what}, again after step {moment}");
            examine(&plan, again.torn(&mut rng), &again, &what);
        }
    });
}

/// A process is killed, and what it wrote and had not synced is still there for the next one, which
/// goes on. Then the power fails.
#[test]
fn after_a_process_was_killed() {
    let (seed, images) = (number("RS_ESDB_SEED", 3), number("RS_ESDB_IMAGES", 300));
    let (trace, plan) = record(seed);
    // The steps of the creation, and others.
    let mut moments = moments(&trace, images as usize, seed);
    moments.extend(1..=60);
    moments.sort_unstable();
    println!(
        "seed {seed}: killed {} times in {} steps",
        moments.len(),
        trace.len()
    );
    in_parallel(moments.len(), |range| {
        let (mut walk, mut done) = (Walk::from(Image::with_directory(&plan.dir)), 0);
        for nth in range {
            let moment = moments[nth];
            trace[done..moment].iter().for_each(|step| walk.take(step));
            done = moment;
            let what = format!("seed {seed}, killed after step {moment}");
            let image = walk.kept();
            let commands = examine(&plan, image.clone(), &walk, &what);
            let until = plan.commands().min(commands + nth % 4);
            let goes_on = plan.go_on(&image, commands, until);
            let (after, plan) = goes_on.unwrap_or_else(|error| panic!("{what}: {error}"));
            let (mut rng, mut again) = (rng(seed ^ (nth as u64) << 32), walk.clone());
            let moment = rng.random_range(0..=after.len());
            after[..moment].iter().for_each(|step| again.take(step));
            let when = format!("{what}, power cut at step {moment} of the next");
            examine(&plan, again.torn(&mut rng), &again, &when);
            after[moment..].iter().for_each(|step| again.take(step));
            examine(
                &plan,
                again.lost(),
                &again,
                &format!("{what}, power cut at the end"),
            );
        }
    });
}
