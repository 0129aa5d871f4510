//! Reading on from a position gives what a reader of everything sees from there on: wherever the
//! events are, whatever was deleted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Expected, View};
use support::{Event, Logged, Seen, collect};

fn tagged(prefix: &str, count: usize) -> Vec<Event> {
    let event = |n: usize| {
        let (kind, tag) = ([["x", "y"], ["z", "x"]][n % 2], ["red", "green"][n % 2]);
        Event::new(&format!("{prefix}{n}"), kind[n % 2], "data", &["all", tag])
    };
    (0..count).map(event).collect()
}

fn agrees(view: &View) {
    let all = collect(|visit| view.read_all(0, usize::MAX, visit));
    let (x, y) = (support::binary(b"x"), support::binary(b"y"));
    let green = support::tags(&["all", "green"]);
    for from in (0..view.next_position() + 2).step_by(31) {
        let expect = |limit: usize, keep: &dyn Fn(&Seen) -> bool| -> Vec<Seen> {
            let rest = all.iter().filter(|seen| seen.position >= from);
            rest.filter(|seen| keep(seen))
                .take(limit)
                .cloned()
                .collect()
        };
        for limit in [0, 1, 5, 1_000] {
            let read = collect(|visit| view.read_from(from, limit, visit));
            assert_eq!(read, expect(limit, &|_| true), "from {from}, {limit}");
            let read = collect(|visit| view.read_types_from(&[&x, &y], from, limit, visit));
            let keep = |seen: &Seen| seen.event_type == x || seen.event_type == y;
            assert_eq!(read, expect(limit, &keep), "types from {from}, {limit}");
            let read = collect(|visit| view.read_tags_from(&[b"green"], from, limit, visit));
            let keep = |seen: &Seen| seen.tags == green;
            assert_eq!(read, expect(limit, &keep), "tags from {from}, {limit}");
            for stream in ["a", "b", "c", "none"] {
                let name = stream.as_bytes();
                let read = collect(|visit| view.read_stream_from(name, from, limit, visit));
                let keep = |seen: &Seen| seen.stream == stream;
                assert_eq!(read, expect(limit, &keep), "{stream} from {from}, {limit}");
            }
        }
    }
}

#[test]
fn whatever_is_on_disk_or_in_memory() {
    for checkpoints in 0..4 {
        let mut logged = Logged::new();
        let mut step = |at: usize, stream: &str, count: usize| {
            match count {
                0 => logged.delete(stream),
                _ => logged.append(stream, Expected::Any, &tagged(&format!("{at}-"), count)),
            };
            if at % 4 < checkpoints {
                logged.store.checkpoint().unwrap();
            }
            agrees(&logged.store.view());
        };
        let steps = [
            ("a", 9),
            ("b", 3),
            ("a", 300),
            ("b", 0),
            ("c", 5),
            ("b", 4),
            ("c", 0),
            ("a", 2),
        ];
        for (at, (stream, count)) in steps.into_iter().enumerate() {
            step(at, stream, count);
        }
    }
}
