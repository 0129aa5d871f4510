//! Batches: the payload of a log entry.
//!
//! `format` (1), the leader's clock (eight bytes, microseconds since 1970), then the commands, each
//! with its length before it (four bytes). Integers are little-endian.

use crate::StoreError;
use crate::codec::{Reader, put_framed};
use bytes::Bytes;

const FORMAT: u8 = 1;

/// Collects commands.
#[derive(Debug)]
pub struct Builder {
    bytes: Vec<u8>,
    commands: usize,
}

impl Builder {
    /// An empty batch; `clock_us` is the leader's clock in microseconds since 1970.
    pub fn new(clock_us: u64) -> Self {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&clock_us.to_le_bytes());
        Self { bytes, commands: 0 }
    }

    /// Adds what [`crate::command`] wrote, at most 4 GiB.
    pub fn push(&mut self, command: &[u8]) {
        put_framed(&mut self.bytes, |out| out.extend_from_slice(command));
        self.commands += 1;
    }

    /// Number of commands.
    pub fn len(&self) -> usize {
        self.commands
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.commands == 0
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The batch.
    pub fn finish(self) -> Bytes {
        self.bytes.into()
    }
}

/// The clock of a batch, and its commands.
///
/// # Errors
/// [`StoreError::Batch`] if the bytes are no batch of this format, or end inside a command.
pub(crate) fn parse(batch: &[u8]) -> Result<(u64, Vec<&[u8]>), StoreError> {
    let mut reader = Reader(batch);
    match reader.u8() {
        Some(FORMAT) => {}
        Some(_) => return Err(StoreError::Batch("its format is not known to this version")),
        None => return Err(StoreError::Batch("it is empty")),
    }
    let clock = reader
        .u64()
        .ok_or(StoreError::Batch("it ends inside the clock"))?;
    let mut commands = Vec::new();
    while !reader.0.is_empty() {
        commands.push(
            reader
                .framed()
                .ok_or(StoreError::Batch("it ends inside a command"))?,
        );
    }
    Ok((clock, commands))
}
