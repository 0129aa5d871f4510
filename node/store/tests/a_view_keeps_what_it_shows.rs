//! A view shows what it showed when it was taken, whatever is written, deleted and written over after
//! that; and when the database was closed or opened again beneath it, it refuses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Direction, Expected, StoreError, View};
use support::{Event, Logged};

fn events(round: usize) -> Vec<Event> {
    (0..200)
        .map(|n| {
            Event::new(
                &format!("{round}-{n}"),
                "thing",
                &format!("{round}-{n}"),
                &["tag"],
            )
        })
        .collect()
}

fn everything(view: &View) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let mut seen = Vec::new();
    view.read_all(0, usize::MAX, &mut |event| {
        seen.push((event.position, event.data.to_vec()));
    })?;
    for round in 0..30 {
        let name = format!("s{round}");
        let end = usize::MAX;
        view.read_stream(name.as_bytes(), 0, end, Direction::Forward, &mut |event| {
            seen.push((event.position, event.data.to_vec()));
        })?;
    }
    Ok(seen)
}

#[test]
fn over_many_checkpoints_that_delete() {
    let mut logged = Logged::in_memory();
    let mut views = Vec::new();
    for round in 0..30 {
        logged.append(&format!("s{round}"), Expected::NoStream, &events(round));
        if round % 3 == 2 {
            logged.delete(&format!("s{}", round - 2));
        }
        logged.store.checkpoint().unwrap();
        let view = logged.store.view();
        let shown = everything(&view).unwrap();
        views.push((view, shown));
        for (at, (view, shown)) in views.iter().enumerate() {
            assert_eq!(
                &everything(view).unwrap(),
                shown,
                "view {at} in round {round}"
            );
        }
        // Old ones go at different times, and what they kept is written over.
        if round % 4 == 3 {
            views.remove(views.len() / 2);
        }
    }
}

#[test]
fn until_the_database_is_closed() {
    let mut logged = Logged::in_memory();
    logged.append("s0", Expected::NoStream, &events(0));
    logged.store.checkpoint().unwrap();
    let view = logged.store.view();
    assert_eq!(everything(&view).unwrap().len(), 400);
    logged.store.close();
    let refused = everything(&view).unwrap_err();
    assert!(matches!(refused, StoreError::Disk(_)), "{refused}");
}
