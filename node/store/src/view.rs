//! Reading.

use crate::{Direction, RecordedEvent, StoreError, TagMatch};

/// What the store held at one moment. Cheap to clone; as long as it lives, nothing of it goes away.
#[derive(Debug, Clone)]
pub struct View;
impl View {
    /// Last version of the stream; `None` if there is no such stream.
    pub fn version(&self, stream: &[u8]) -> Result<Option<u64>, StoreError> { todo!() }
    /// Visits events of a stream.
    pub fn read_stream(&self, stream: &[u8], start: u64, count: usize, direction: Direction, visit: &mut dyn FnMut(RecordedEvent<'_>)) -> Result<Option<usize>, StoreError> { todo!() }
    /// The names of all streams, sorted.
    pub fn streams(&self) -> Result<Vec<Vec<u8>>, StoreError> { todo!() }
    /// Visits events of the types, by position.
    pub fn read_by_types(&self, types: &[&[u8]], limit: usize, visit: &mut dyn FnMut(RecordedEvent<'_>)) -> Result<usize, StoreError> { todo!() }
    /// Visits events with the tags, by position.
    pub fn read_by_tags(&self, tags: &[&[u8]], matching: TagMatch, limit: usize, visit: &mut dyn FnMut(RecordedEvent<'_>)) -> Result<usize, StoreError> { todo!() }
    /// Visits all events, by position.
    pub fn read_all(&self, offset: u64, limit: usize, visit: &mut dyn FnMut(RecordedEvent<'_>)) -> Result<usize, StoreError> { todo!() }
    /// Whether there is any event.
    pub fn has_events(&self) -> Result<bool, StoreError> { todo!() }
}
