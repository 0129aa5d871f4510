//! `rs-esdb verify`.

use crate::cli::VerifyOptions;
use esdb_gateway::verify::{CheckedStore, verify};
use esdb_log::verify::Report;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Something is damaged.
const DAMAGED: u8 = 1;
/// Nothing could be checked.
const NOT_CHECKED: u8 = 2;
/// Between two lines of progress.
const INTERVAL: Duration = Duration::from_secs(1);

/// Checks a directory, and prints what was found.
pub(crate) fn run(options: VerifyOptions) -> ExitCode {
    let started = Instant::now();
    let mut told = started;
    let checked = verify(&options.directory, &mut |report| match report {
        Report::Damage(damage) => println!("damage: {damage}"),
        Report::Note { path, what } => println!("note: {}: {what}", path.display()),
        Report::Progress { path, done, total } => {
            if told.elapsed() >= INTERVAL {
                told = Instant::now();
                let percent = done * 100 / total.max(1);
                eprintln!("{}: {percent} % of {} MiB", path.display(), total >> 20);
            }
        }
    });
    match checked {
        Ok(stores) => {
            stores.iter().for_each(summarize);
            let seconds = started.elapsed().as_secs_f64();
            let damages: u64 = stores.iter().map(|store| store.damages).sum();
            println!(
                "{}: {} stores checked in {seconds:.1} s",
                if damages == 0 { "intact" } else { "damaged" },
                stores.len()
            );
            ExitCode::from(if damages == 0 { 0 } else { DAMAGED })
        }
        Err(error) => {
            eprintln!("rs-esdb: {error}");
            ExitCode::from(NOT_CHECKED)
        }
    }
}

/// One line about a store.
fn summarize(store: &CheckedStore) {
    let (checkpoint, log) = (&store.checked.checkpoint, &store.checked.log);
    let state = match store.damages {
        0 => "intact".to_owned(),
        1 => "damaged in 1 place".to_owned(),
        count => format!("damaged in {count} places"),
    };
    println!(
        "store {}: {state}: checkpoint with {} events in {} streams, log with {} entries in {} segments",
        store
            .name
            .clone()
            .unwrap_or_else(|| store.path.display().to_string()),
        checkpoint.events,
        checkpoint.streams,
        log.entries,
        log.segments,
    );
}
