//! What a batch does depends on the batches before it and on nothing else: not on checkpoints, not
//! on restarts, not on what a cache holds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Expected, Outcome};
use proptest::prelude::*;
use support::{Event, Kept, Logged, Seen, append, collect, delete, kept, put, records, remove};

/// Commands that meet each other: few streams, few names of events.
fn commands() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let event = (0..30u32, any::<bool>()).prop_map(|(id, given)| {
        let event = Event::new(&id.to_string(), "thing", &(id % 3).to_string(), &["tag"]);
        if given { event } else { event.unnamed() }
    });
    let append = (0..3u8, 0..3u64, prop::collection::vec(event, 0..4)).prop_map(
        |(stream, version, events)| {
            let expected = match version {
                0 => Expected::Any,
                version => Expected::Exactly(version * 2),
            };
            append(&format!("s{stream}"), expected, &events)
        },
    );
    let command = prop_oneof![
        8 => append,
        1 => (0..3u8).prop_map(|stream| delete(&format!("s{stream}"))),
        2 => (0..4u8, any::<Option<bool>>()).prop_map(|(key, value)| {
            let key = format!("k{key}");
            records(&[value.map_or(remove(1, &key), |value| {
                put(1, &key, if value { "yes" } else { "no" })
            })])
        }),
        1 => prop::collection::vec(any::<u8>(), 0..9),
    ];
    prop::collection::vec(command, 0..6)
}

/// What became of the commands, and what the store holds then.
type Ran = (Vec<Outcome>, Vec<Seen>, Vec<Kept>, u64);

fn run(batches: &[(u64, Vec<Vec<u8>>)], disturb: bool) -> Ran {
    let mut logged = Logged::new();
    let mut outcomes = Vec::new();
    for (nth, (clock, commands)) in batches.iter().enumerate() {
        logged.clock = *clock;
        outcomes.extend(logged.apply(commands));
        if disturb && nth % 3 == 1 {
            logged.store.checkpoint().unwrap();
        }
        if disturb && nth % 4 == 2 {
            logged = logged.reopen();
        }
    }
    let all = collect(|visit| logged.store.view().read_all(0, usize::MAX, visit));
    let kept = kept(&logged.store.view(), 1).unwrap();
    let stats = logged.store.stats();
    (
        outcomes,
        all,
        kept,
        stats.last_epoch_us + stats.next_position,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_in_between(
        batches in prop::collection::vec((0..1_000u64, commands()), 1..25),
    ) {
        let plain = run(&batches, false);
        prop_assert_eq!(&plain, &run(&batches, false));
        prop_assert_eq!(&plain, &run(&batches, true));
    }
}
