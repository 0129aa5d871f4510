//! The fields of one event, as they stand in a command, in memory and in a row.
//!
//! `flags` (bit 0: the client named the event), seven LEB128 lengths, then the seven fields. An empty
//! field stands for its [`usual`] term.

use crate::codec::{Reader, put_framed, put_varint};
use crate::{NewEvent, RecordedEvent, usual};
use twox_hash::XxHash3_64;

const ID_GIVEN: u8 = 1;

/// The fields of one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<'a> {
    pub id_given: bool,
    pub id: &'a [u8],
    pub event_type: &'a [u8],
    pub data: &'a [u8],
    pub metadata: &'a [u8],
    pub tags: &'a [u8],
    pub data_content_type: &'a [u8],
    pub metadata_content_type: &'a [u8],
}

/// Writes an event with a four-byte length before it.
pub(crate) fn put(out: &mut Vec<u8>, event: &NewEvent<'_>) {
    let fields = [
        event.id,
        event.event_type,
        event.data,
        unless(event.metadata, usual::METADATA),
        unless(event.tags, usual::TAGS),
        unless(event.data_content_type, usual::CONTENT_TYPE),
        unless(event.metadata_content_type, usual::CONTENT_TYPE),
    ];
    put_framed(out, |out| {
        out.push(if event.id_given { ID_GIVEN } else { 0 });
        for field in fields {
            put_varint(out, field.len() as u64);
        }
        for field in fields {
            out.extend_from_slice(field);
        }
    });
}

/// Nothing for the usual term.
fn unless<'a>(field: &'a [u8], usual: &[u8]) -> &'a [u8] {
    if field == usual { &[] } else { field }
}

/// The usual term for nothing.
fn or<'a>(field: &'a [u8], usual: &'static [u8]) -> &'a [u8] {
    if field.is_empty() { usual } else { field }
}

impl<'a> Body<'a> {
    /// The event that `bytes` holds from first to last byte.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let flags = reader.u8()?;
        let mut lengths = [0usize; 7];
        for length in &mut lengths {
            *length = usize::try_from(reader.varint()?).ok()?;
        }
        let mut fields = [&[][..]; 7];
        for (field, length) in fields.iter_mut().zip(lengths) {
            *field = reader.bytes(length)?;
        }
        reader.end().filter(|()| flags & !ID_GIVEN == 0)?;
        let [
            id,
            event_type,
            data,
            metadata,
            tags,
            data_content_type,
            metadata_content_type,
        ] = fields;
        Some(Self {
            id_given: flags & ID_GIVEN != 0,
            id,
            event_type,
            data,
            metadata: or(metadata, usual::METADATA),
            tags: or(tags, usual::TAGS),
            data_content_type: or(data_content_type, usual::CONTENT_TYPE),
            metadata_content_type: or(metadata_content_type, usual::CONTENT_TYPE),
        })
    }

    /// What the retry window keeps of the event: a hash of all that a retry repeats, never 0, if
    /// the client named it; else 0.
    pub fn retry_hash(&self) -> u64 {
        if !self.id_given {
            return 0;
        }
        let hash = |seed, field| XxHash3_64::oneshot_with_seed(seed, field);
        hash(hash(hash(0, self.id), self.event_type), self.data).max(1)
    }

    /// The tags' bytes, without what is no binary.
    pub fn tag_names(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        esdb_etf::Term::parse(self.tags)
            .ok()
            .and_then(|term| term.as_list())
            .into_iter()
            .flatten()
            .filter_map(|tag| tag.as_binary())
    }

    /// With its place in the store.
    pub fn recorded(
        &self,
        stream: &'a [u8],
        version: u64,
        position: u64,
        epoch_us: u64,
    ) -> RecordedEvent<'a> {
        RecordedEvent {
            position,
            stream,
            version,
            epoch_us,
            id: self.id,
            event_type: self.event_type,
            data: self.data,
            metadata: self.metadata,
            tags: self.tags,
            data_content_type: self.data_content_type,
            metadata_content_type: self.metadata_content_type,
        }
    }
}
