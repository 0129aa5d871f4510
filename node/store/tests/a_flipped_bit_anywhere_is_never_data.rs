//! One bit of the file is flipped, anywhere: every query answers what was written, or an error. The
//! database panics over some damaged pages; that must come out as an error, too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Direction, Expected, LogPosition, Options, Store, StoreError, TagMatch, batch};
use std::path::Path;
use support::{Event, Kept, Seen, append, binary, kept, open, put, records};

const FLIPS: usize = 80;
const PAGE: usize = 4096;

/// What every query answers, for everything there is.
fn answers(dir: &Path) -> Result<(Vec<Vec<Seen>>, Vec<Kept>), StoreError> {
    let store = Store::open(dir, Options::default())?;
    let view = store.view();
    let mut answers = vec![Vec::new(); 3];
    let all = usize::MAX;
    view.read_all(0, all, &mut |event| answers[0].push(event.into()))?;
    view.read_by_types(&[&binary(b"thing")], all, &mut |event| {
        answers[1].push(event.into())
    })?;
    view.read_by_tags(&[b"tag"], TagMatch::All, all, &mut |event| {
        answers[2].push(event.into())
    })?;
    for stream in view.streams()? {
        let mut events = Vec::new();
        let mut visit = |event: esdb_store::RecordedEvent<'_>| events.push(event.into());
        view.read_stream(&stream, 0, all, Direction::Forward, &mut visit)?;
        answers.push(events);
    }
    Ok((answers, kept(&view, 1)?))
}

#[test]
fn but_the_truth_or_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..80u64 {
        let event = |k| Event::new(&format!("{n}-{k}"), "thing", "data data data", &["tag"]);
        let mut builder = batch::Builder::new(n);
        let events: Vec<_> = (0..8).map(event).collect();
        builder.push(&append(&format!("s{}", n % 10), Expected::Any, &events));
        builder.push(&records(&[put(1, &format!("k{n}"), &"value ".repeat(40))]));
        let at = LogPosition {
            term: 1,
            node: 1,
            index: n + 1,
        };
        store.apply(at, builder.finish()).unwrap();
    }
    store.checkpoint().unwrap();
    drop(store);
    let truth = answers(dir.path()).unwrap();
    assert_eq!(truth.0.iter().map(Vec::len).sum::<usize>(), 4 * 640);
    assert_eq!(truth.1.len(), 80);

    let path = dir.path().join("state.redb");
    let whole = std::fs::read(&path).unwrap();
    let used: Vec<usize> = (0..whole.len() / PAGE)
        .filter(|page| whole[page * PAGE..][..PAGE].iter().any(|byte| *byte != 0))
        .collect();
    let (mut random, mut errors) = (88_172_645_463_325_252u64, 0);
    for _ in 0..FLIPS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Half of the flips go where a page says how it is to be read.
        let within = if random & 1 == 0 { 64 } else { PAGE };
        let page = used[(random >> 8) as usize % used.len()];
        let at = page * PAGE + (random >> 40) as usize % within;
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (random >> 1 & 7);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("state.redb"), damaged).unwrap();
        match answers(dir.path()) {
            Ok(answers) => assert!(answers == truth, "byte {at} of the file"),
            Err(_) => errors += 1,
        }
    }
    assert!(
        errors > FLIPS / 4,
        "only {errors} of the flips met anything"
    );
}
