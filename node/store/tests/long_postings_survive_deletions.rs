//! The positions of a term fill many rows. Whatever streams are deleted, first, last or in between,
//! those of the others are found, all of them and in order.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Expected, TagMatch};
use proptest::prelude::*;
use support::{Event, Logged, append, collect, delete};

fn commands() -> impl Strategy<Value = Vec<(usize, usize)>> {
    // Stream and number of events; none: the stream is deleted.
    let size = prop_oneof![4 => 1..60usize, 3 => 300..900usize, 3 => Just(0)];
    prop::collection::vec((0..4usize, size), 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whichever_they_are(rounds in prop::collection::vec(commands(), 1..5)) {
        let mut logged = Logged::new();
        let mut expected: Vec<(usize, u64)> = Vec::new();
        let mut next = 0;
        for commands in rounds {
            let bytes: Vec<_> = commands.iter().map(|(stream, size)| {
                let event = Event::new("", "thing", "", &["tag"]).unnamed();
                let name = format!("s{stream}");
                match size {
                    0 => delete(&name),
                    size => append(&name, Expected::Any, &vec![event; *size]),
                }
            }).collect();
            logged.apply(&bytes);
            for (stream, size) in commands {
                if size == 0 {
                    expected.retain(|(of, _)| *of != stream);
                }
                expected.extend((next..next + size as u64).map(|position| (stream, position)));
                next += size as u64;
            }
            let positions: Vec<u64> = expected.iter().map(|(_, position)| *position).collect();
            for checkpointed in [false, true] {
                if checkpointed {
                    logged.store.checkpoint().unwrap();
                }
                let view = logged.store.view();
                let thing = support::binary(b"thing");
                let found = |seen: Vec<support::Seen>| -> Vec<u64> {
                    seen.iter().map(|seen| seen.position).collect()
                };
                let all = usize::MAX;
                let typed = collect(|visit| view.read_by_types(&[&thing], all, visit));
                prop_assert_eq!(&found(typed), &positions);
                let tagged = collect(|visit| view.read_by_tags(&[b"tag"], TagMatch::All, all, visit));
                prop_assert_eq!(&found(tagged), &positions);
                let half = positions.len() / 2;
                let rest = collect(|visit| view.read_all(half as u64, all, visit));
                prop_assert_eq!(&found(rest), &positions[half..]);
            }
        }
    }
}
