//! Records with texts for keys and values.

use esdb_store::{Direction, Record, RecordOp, Space, StoreError, View, command};
use std::ops::Bound;

/// The change that puts a record.
pub fn put<'a>(space: u8, key: &'a str, value: &'a str) -> RecordOp<'a> {
    RecordOp::Put {
        space: Space(space),
        key: key.as_bytes(),
        value: value.as_bytes(),
    }
}

/// The change that deletes a record.
pub fn remove(space: u8, key: &str) -> RecordOp<'_> {
    RecordOp::Delete {
        space: Space(space),
        key: key.as_bytes(),
    }
}

/// The command that makes these changes.
pub fn records(operations: &[RecordOp<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    command::records(&mut out, operations);
    out
}

/// A record, and its key.
pub type Kept = (String, Record);

/// The records of a space, in order, first one way and then the other.
pub fn kept(view: &View, space: u8) -> Result<Vec<Kept>, StoreError> {
    let list = |direction| {
        let mut records = Vec::new();
        let mut visit = |key: &[u8], record: &Record| {
            records.push((String::from_utf8(key.to_vec()).unwrap(), record.clone()));
            true
        };
        view.records(Space(space), b"", Bound::Unbounded, direction, &mut visit)?;
        Ok::<_, StoreError>(records)
    };
    let (forward, mut backward) = (list(Direction::Forward)?, list(Direction::Backward)?);
    backward.reverse();
    assert_eq!(forward, backward);
    assert_eq!(forward.len() as u64, view.count_records(Space(space)));
    for (key, record) in &forward {
        assert_eq!(
            view.record(Space(space), key.as_bytes())?.as_ref(),
            Some(record)
        );
    }
    Ok(forward)
}
