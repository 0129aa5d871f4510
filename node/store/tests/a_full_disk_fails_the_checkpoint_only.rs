//! A checkpoint that finds no room fails, and nothing else does: everything can be read, entries are
//! applied, and the next checkpoint that finds room holds all of it.
//!
//! A limit on the length of files stands for the disk. It is a process's own, so that the test runs in
//! a second one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Expected, Options, Outcome, Store};
use std::process::Command;
use support::{Event, Logged, collect};

/// In blocks of 512 bytes, as ulimit takes it: 8 MiB.
const LIMIT: &str = "trap '' XFSZ; ulimit -S -f 16384; exec \"$0\" \"$@\"";
const STREAMS: usize = 40;

#[test]
fn and_the_next_one_holds_everything() {
    let output = Command::new("sh")
        .args(["-c", LIMIT])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "in_a_process_of_its_own", "--ignored"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "begun by the other test, with little room"]
fn in_a_process_of_its_own() {
    let mut logged = Logged::new();
    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        cache_bytes: 128 << 10,
        ..Options::default()
    };
    logged.store = Store::open(dir.path(), small).unwrap();
    let mut rounds = 0;
    loop {
        append_round(&mut logged, rounds);
        rounds += 1;
        if logged.store.checkpoint().is_err() {
            break;
        }
        assert!(rounds < 100, "room without end");
    }
    assert!(rounds > 2, "there was room for something");
    for _ in 0..3 {
        check(&logged, rounds);
        append_round(&mut logged, rounds);
        rounds += 1;
        // A retry is looked for among what is on disk.
        let again = logged.append("s7", Expected::Any, &[event(7, 0)]);
        assert!(
            matches!(again, Outcome::Appended { version: 0, .. }),
            "{again:?}"
        );
        logged.store.checkpoint().expect_err("still no room");
    }
    lift_the_limit();
    let held = logged.store.checkpoint().unwrap();
    assert_eq!(held.last, logged.store.applied().last);
    check(&logged, rounds);
    logged.store = Store::open(&dir.path().join("other"), small).unwrap();
    logged.store = Store::open(dir.path(), small).unwrap();
    assert_eq!(logged.store.applied(), held);
    check(&logged, rounds);
}

fn event(stream: usize, round: usize) -> Event {
    let id = format!("{stream}-{round}");
    Event::new(&id, "thing", &"x".repeat(10_000), &["tag"])
}

fn append_round(logged: &mut Logged, round: usize) {
    for stream in 0..STREAMS {
        let appended = logged.append(
            &format!("s{stream}"),
            Expected::Any,
            &[event(stream, round)],
        );
        let version = round as u64;
        assert!(
            matches!(appended, Outcome::Appended { version: v, .. } if v == version),
            "{appended:?}"
        );
    }
}

fn check(logged: &Logged, rounds: usize) {
    let view = logged.store.view();
    let seen = collect(|visit| view.read_all(0, usize::MAX, visit));
    assert_eq!(seen.len(), rounds * STREAMS);
    for (position, event) in seen.iter().enumerate() {
        let (stream, version) = (position % STREAMS, position / STREAMS);
        assert_eq!(event.stream, format!("s{stream}"));
        assert_eq!(
            (event.position, event.version),
            (position as u64, version as u64)
        );
    }
    assert_eq!(view.streams().unwrap().len(), STREAMS);
}

fn lift_the_limit() {
    let process = std::process::id().to_string();
    let lifted = Command::new("prlimit")
        .args(["--pid", &process, "--fsize=unlimited:unlimited"])
        .status()
        .unwrap();
    assert!(lifted.success());
}
