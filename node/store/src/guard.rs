//! The database takes its pages at their word, and panics over a damaged one. Here that becomes an
//! error; no lock of ours is held then, and a panic of whoever takes the events stays a panic.

use crate::disk::Visit;
use crate::{RecordedEvent, StoreError};
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Does what may meet a damaged page.
pub(crate) fn guard<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(damaged(&*panic)))
}

/// Reads what may stand on a damaged page.
pub(crate) fn guard_visit<T>(
    visit: Visit<'_>,
    read: impl FnOnce(Visit<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    guard_marked(|visiting| {
        let mut marked = |event: RecordedEvent<'_>| {
            visiting.set(true);
            visit(event);
            visiting.set(false);
        };
        read(&mut marked)
    })
}

/// Reads what may stand on a damaged page, and marks when somebody else's work is under way.
pub(crate) fn guard_marked<T>(
    read: impl FnOnce(&Cell<bool>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let visiting = Cell::new(false);
    match catch_unwind(AssertUnwindSafe(|| read(&visiting))) {
        Ok(result) => result,
        Err(panic) if visiting.get() => resume_unwind(panic),
        Err(panic) => Err(damaged(&*panic)),
    }
}

fn damaged(panic: &(dyn Any + Send)) -> StoreError {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    StoreError::DamagedPage(text.unwrap_or("its contents make no sense").to_owned())
}
