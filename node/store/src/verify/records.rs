//! The records: as many in each space as the state counts.

use super::checker::{Checker, Known};
use super::report::show;
use crate::Space;
use crate::meta::{STATE, State};
use crate::pages::tree::Order;
use crate::tables::{IN_META, IN_RECORDS, RecordRow};
use std::collections::BTreeMap;

pub(super) const TABLE: Known = Known {
    name: IN_RECORDS.0,
    order: Order::Bytes,
    show: |key| match key.split_first() {
        Some((space, key)) => format!("space {space}, key {}", show(key)),
        None => "a key without a space".to_owned(),
    },
};

/// Checks the records against the state, if that can be read.
pub(super) fn check(checker: &mut Checker<'_>, state: Option<&State>) {
    let mut counts = BTreeMap::<Space, u64>::new();
    let whole = checker.rows(&TABLE, &mut |key, value| {
        let record = RecordRow::open(key, value)?;
        let space = key.first().ok_or("its key has no space")?;
        *counts.entry(Space(*space)).or_default() += 1;
        let Some(state) = state else { return Ok(()) };
        match record.next_position > state.next_position || record.epoch_us > state.last_epoch_us {
            true => Err("it was put after the last that the state knows of".into()),
            false => Ok(()),
        }
    });
    let Some(state) = state.filter(|_| whole) else {
        return checker.not_compared(&TABLE);
    };
    let none = |(space, _): &(&Space, &u64)| !counts.contains_key(space);
    let missing = state
        .records
        .iter()
        .filter(none)
        .map(|(space, _)| (*space, 0));
    for (space, found) in counts.clone().into_iter().chain(missing) {
        let counted = state.records.get(&space).copied().unwrap_or(0);
        if counted != found {
            let place = format!("table {}, space {}", TABLE.name, space.0);
            let what = format!(
                "table {}, row {} counts {counted} records, {found} are there",
                IN_META.0,
                show(STATE.as_bytes())
            );
            checker.damage(place, what);
        }
    }
}
