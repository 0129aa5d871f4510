//! An event, as given and as recorded.

/// An event to be appended. Each field is a raw term without version byte, checked by the caller.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// The event's identifier, normally a binary.
    pub id: &'a [u8],
    /// Whether the client named it. Only such an identifier makes a retry recognizable.
    pub id_given: bool,
    /// A binary, or an atom in its UTF-8 form.
    pub event_type: &'a [u8],
    /// Any term.
    pub data: &'a [u8],
    /// Any term.
    pub metadata: &'a [u8],
    /// The atom `undefined`, or a proper list of binaries.
    pub tags: &'a [u8],
    /// A binary.
    pub data_content_type: &'a [u8],
    /// A binary.
    pub metadata_content_type: &'a [u8],
}

/// An event as it was recorded. From `id` on, the fields are the terms of [`NewEvent`], byte by
/// byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedEvent<'a> {
    /// Its place in the order of all events of the store, from 0, gapless when given.
    pub position: u64,
    /// The stream's name.
    pub stream: &'a [u8],
    /// Its place in the stream, from 0.
    pub version: u64,
    /// Microseconds since 1970; one value for all events of an append, greater than those of all
    /// earlier appends.
    pub epoch_us: u64,
    /// The event's identifier.
    pub id: &'a [u8],
    /// The event's type.
    pub event_type: &'a [u8],
    /// The event's data.
    pub data: &'a [u8],
    /// The event's metadata.
    pub metadata: &'a [u8],
    /// The event's tags.
    pub tags: &'a [u8],
    /// The content type of `data`.
    pub data_content_type: &'a [u8],
    /// The content type of `metadata`.
    pub metadata_content_type: &'a [u8],
}

/// Which way a stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards greater versions.
    Forward,
    /// Towards version 0.
    Backward,
}

/// How several tags select an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagMatch {
    /// It bears at least one of them.
    Any,
    /// It bears each of them.
    All,
}
