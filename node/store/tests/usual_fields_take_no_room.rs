//! What a client leaves out takes no room, and comes back all the same.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::{Direction, Expected, NewEvent, command, usual};
use support::{Logged, binary};

fn fields(event: NewEvent<'_>) -> [Vec<u8>; 4] {
    let NewEvent {
        metadata,
        tags,
        data_content_type,
        metadata_content_type,
        ..
    } = event;
    [metadata, tags, data_content_type, metadata_content_type].map(<[u8]>::to_vec)
}

#[test]
fn whether_in_memory_or_on_disk() {
    let (id, tags) = (binary(b"id"), support::tags(&["tag"]));
    let usual = NewEvent {
        id: &id,
        id_given: false,
        event_type: &id,
        data: &id,
        metadata: usual::METADATA,
        tags: usual::TAGS,
        data_content_type: usual::CONTENT_TYPE,
        metadata_content_type: usual::CONTENT_TYPE,
    };
    // Nor is one taken for the other.
    let other = NewEvent {
        metadata: usual::TAGS,
        tags: &tags,
        data_content_type: usual::METADATA,
        ..usual
    };
    let mut logged = Logged::new();
    let size = |event| {
        let mut out = Vec::new();
        command::append(&mut out, b"s", Expected::Any, &[event]);
        logged.apply(&[out.clone()]);
        out.len()
    };
    let sizes = [usual, other].map(size);
    let left_out = usual::TAGS.len() + tags.len() + usual::METADATA.len();
    assert_eq!(sizes[1], sizes[0] + left_out);
    for _ in 0..2 {
        let mut seen = Vec::new();
        let view = logged.store.view();
        let mut visit = |event: esdb_store::RecordedEvent<'_>| {
            let fields = [
                event.metadata,
                event.tags,
                event.data_content_type,
                event.metadata_content_type,
            ];
            seen.push(fields.map(<[u8]>::to_vec));
        };
        view.read_stream(b"s", 0, 10, Direction::Forward, &mut visit)
            .unwrap();
        assert_eq!(seen, [fields(usual), fields(other)]);
        drop(view);
        logged.store.checkpoint().unwrap();
        logged = logged.reopen();
    }
}
