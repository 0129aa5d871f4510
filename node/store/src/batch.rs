//! Batches: the payload of a log entry.

use bytes::Bytes;
/// Collects commands.
#[derive(Debug)]
pub struct Builder;
impl Builder {
    /// An empty batch; `clock_us` is the leader's clock in microseconds since 1970.
    pub fn new(clock_us: u64) -> Self { todo!() }
    /// Adds what [`crate::command`] wrote.
    pub fn push(&mut self, command: &[u8]) { todo!() }
    /// Number of commands.
    pub fn len(&self) -> usize { todo!() }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool { todo!() }
    /// Size in bytes.
    pub fn bytes(&self) -> usize { todo!() }
    /// The batch.
    pub fn finish(self) -> Bytes { todo!() }
}
