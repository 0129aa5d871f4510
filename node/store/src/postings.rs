//! Terms (event types and tags), and rows of the positions of the events that bear them.
//!
//! A row holds up to [`MAX_ROW`] ascending positions of one term, so that the term's name costs next
//! to nothing per event, and neither an append nor a query has to translate names into numbers. The
//! rows of a term are a chain: each names the first position of the one before it, and the last one
//! has a key of its own. So a row that is missing is noticed by whoever comes past.

use crate::StoreError;
use crate::codec::put_varint;
use crate::tables::IN_POSTINGS;
use redb::ReadableTable;

/// Most positions of a row.
pub(crate) const MAX_ROW: usize = 512;
/// What stands for a position in the key of a term's last row.
const LAST: u64 = u64::MAX;

/// What a term is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TermKind {
    /// An event type: a raw term.
    Type = 1,
    /// The bytes of a tag.
    Tag = 2,
}

/// Makes `out` the key of a term: kind, length (four bytes, big-endian), bytes. No term's key is
/// the beginning of another's.
pub(crate) fn term_key(kind: TermKind, bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.push(kind as u8);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The key of the row that begins with a position.
pub(crate) fn row_key(term: &[u8], position: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(term.len() + 8);
    key.extend_from_slice(term);
    key.extend_from_slice(&position.to_be_bytes());
    key
}

/// The key of a term's last row.
pub(crate) fn last_key(term: &[u8]) -> Vec<u8> {
    row_key(term, LAST)
}

/// A row.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// First position of the row before it; `None` in a term's first row.
    pub before: Option<u64>,
    /// Ascending, at least one.
    pub positions: Vec<u64>,
}

impl Row {
    /// The first position.
    pub fn first(&self) -> Option<u64> {
        self.positions.first().copied()
    }

    /// Makes `out` the row's value under `key`.
    pub fn seal(&self, key: &[u8], out: &mut Vec<u8>) {
        IN_POSTINGS.seal(key, out, |out| {
            put_varint(out, self.before.map_or(0, |before| before + 1));
            put_varint(out, self.positions.len() as u64);
            let mut last = 0;
            for position in &self.positions {
                put_varint(out, position - last);
                last = *position;
            }
        });
    }

    /// What [`Row::seal`] wrote.
    pub fn open(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let mut reader = IN_POSTINGS.open(key, value)?;
        let row = (|| {
            let before = reader.varint()?.checked_sub(1);
            let count = usize::try_from(reader.varint()?).ok()?;
            let mut positions = Vec::with_capacity(count.min(MAX_ROW));
            let mut last = 0u64;
            for at in 0..count {
                let step = reader.varint().filter(|step| at == 0 || *step > 0)?;
                last = last.checked_add(step)?;
                positions.push(last);
            }
            reader.end()?;
            (count > 0).then_some(Self { before, positions })
        })();
        row.ok_or_else(|| IN_POSTINGS.damaged(key, "it cannot be read"))
    }
}

/// The row of a term that holds the first of its positions at `from` or after it, with its key.
///
/// # Errors
/// [`StoreError::Damaged`] also if a row is missing where this one was looked for.
pub(crate) fn find<T>(
    table: &T,
    term: &[u8],
    from: u64,
) -> Result<Option<(Vec<u8>, Row)>, StoreError>
where
    T: ReadableTable<&'static [u8], &'static [u8]>,
{
    let missing = |key: &[u8]| IN_POSTINGS.damaged(key, "a row beside it is missing");
    let (at, end) = (row_key(term, from), last_key(term));
    let mut before = None;
    if let Some((key, value)) = table.range::<&[u8]>(term..=&*at)?.next_back().transpose()? {
        let (key, row) = (key.value().to_vec(), Row::open(key.value(), value.value())?);
        if row.positions.last().is_some_and(|last| *last >= from) {
            return Ok(Some((key, row)));
        }
        before = row.first().map(|first| (first, key));
    }
    let next = match &before {
        Some((first, _)) => row_key(term, first + 1),
        None => at,
    };
    let Some((key, value)) = table.range::<&[u8]>(&*next..=&*end)?.next().transpose()? else {
        // Only the last row, which has the last key, has none after it.
        return before.map_or(Ok(None), |(_, key)| Err(missing(&key)));
    };
    let (key, row) = (key.value().to_vec(), Row::open(key.value(), value.value())?);
    match row.before == before.map(|(first, _)| first) {
        true => Ok(row
            .positions
            .last()
            .is_some_and(|last| *last >= from)
            .then_some((key, row))),
        false => Err(missing(&key)),
    }
}
