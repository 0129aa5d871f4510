//! The events after a cursor: from the store while it is behind, as they come once it is not.

use super::batch::{Batch, Place, Room, Shape};
use super::live::{Joined, Live};
use esdb_store::{RecordedEvent, StoreError, View};
use esdb_subscription::{Access, Selector};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Events that one reading visits at most where few of them match.
const AT_ONCE: usize = 4_096;

/// Readings under way in the whole process: those who catch up leave room for those who ask.
static READINGS: Semaphore = Semaphore::const_new(4);

/// The position of the first event for the selector from position `from` on and up to `last`.
///
/// # Errors
/// [`StoreError`] if that cannot be read.
pub(crate) async fn first_within(
    live: &Arc<Live>,
    selector: &Arc<Selector>,
    from: u64,
    last: u64,
) -> Result<Option<u64>, StoreError> {
    let one = Room {
        events: 1,
        bytes: 1,
    };
    let mut feed = Feed::new(live, selector, Shape::Map, from, 0);
    while feed.next <= last {
        let batch = feed.read(one).await?;
        if let Some((place, _)) = batch.events.first() {
            return Ok(Some(place.position).filter(|position| *position <= last));
        }
        if batch.next == feed.next {
            return Ok(None);
        }
        (feed.next, feed.stride) = (batch.next, AT_ONCE);
    }
    Ok(None)
}

/// What a subscription gets: the matching events after a cursor, in order, each once.
pub(crate) struct Feed {
    live: Arc<Live>,
    selector: Arc<Selector>,
    shape: Shape,
    /// What matters and stands before this position has been taken.
    next: u64,
    /// Versions below this one are passed over until the first event has been taken.
    floor: u64,
    /// Events that the next reading visits at most: more after one that found nothing.
    stride: usize,
    joined: Option<Joined>,
}

impl Feed {
    /// Begins at position `next`, without events of versions below `floor`, until one has come.
    pub(crate) fn new(
        live: &Arc<Live>,
        selector: &Arc<Selector>,
        shape: Shape,
        next: u64,
        floor: u64,
    ) -> Self {
        Feed {
            live: live.clone(),
            selector: selector.clone(),
            shape,
            next,
            floor,
            stride: 1,
            joined: None,
        }
    }

    /// The next events; waits for them. None just means that everything committed has been taken.
    /// Nothing is lost if this is dropped before it has an answer.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub(crate) async fn next(&mut self, room: Room) -> Result<Batch, StoreError> {
        loop {
            let batch = match &self.joined {
                Some(joined) => {
                    let mut batch = Batch {
                        next: self.next,
                        ..Batch::default()
                    };
                    if !joined.next(room, &mut batch).await {
                        self.joined = None;
                    }
                    batch
                }
                None => {
                    let batch = self.read(room).await?;
                    self.stride = match batch.events.is_empty() {
                        true => (2 * self.stride.max(room.events)).min(AT_ONCE),
                        false => 1,
                    };
                    batch
                }
            };
            let ended = batch.next == self.next;
            self.next = batch.next;
            let batch = self.above_floor(batch);
            if !batch.events.is_empty() {
                return Ok(batch);
            }
            if ended && self.joined.is_none() {
                self.joined = self.live.join(&self.selector, self.shape, self.next);
                if self.joined.is_some() {
                    return Ok(batch);
                }
            }
        }
    }

    /// How it writes events.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Takes the last batch back, to give its events once more, written otherwise.
    pub(crate) fn rewrite(&mut self, batch: &Batch, shape: Shape) {
        if let Some((first, _)) = batch.events.first() {
            self.next = first.position;
        }
        self.shape = shape;
        self.joined = None;
    }

    /// Reads what stands after the cursor.
    async fn read(&self, room: Room) -> Result<Batch, StoreError> {
        let _permit = READINGS.acquire().await;
        let view = self.live.replica().view();
        let reading = Reading {
            selector: self.selector.clone(),
            shape: self.shape,
            next: self.next,
            room,
            limit: room.events.max(self.stride),
        };
        if reading.next >= view.next_position() {
            return Ok(reading.nothing());
        }
        let read = tokio::task::spawn_blocking(move || reading.read(&view)).await;
        read.unwrap_or_else(|ended| match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and this task with it.
            Err(_) => Ok(Batch {
                next: self.next,
                ..Batch::default()
            }),
        })
    }

    fn above_floor(&mut self, batch: Batch) -> Batch {
        let is_below = |(place, _): &(Place, usize)| place.version < self.floor;
        if !batch.events.iter().any(is_below) {
            if !batch.events.is_empty() {
                self.floor = 0;
            }
            return batch;
        }
        let mut kept = Batch::default();
        for (place, term) in batch.iter() {
            if place.version >= self.floor {
                self.floor = 0;
                kept.push(place, |out| out.extend_from_slice(term));
            }
        }
        kept.next = batch.next;
        kept
    }
}

/// One reading.
struct Reading {
    selector: Arc<Selector>,
    shape: Shape,
    next: u64,
    room: Room,
    /// Events to visit at most.
    limit: usize,
}

impl Reading {
    fn nothing(&self) -> Batch {
        Batch {
            next: self.next,
            ..Batch::default()
        }
    }

    fn read(&self, view: &View) -> Result<Batch, StoreError> {
        let mut batch = self.nothing();
        let limit = self.limit;
        // Where what was left out for want of room begins.
        let mut left_out = None;
        let mut last = None;
        let mut visit = |event: RecordedEvent<'_>| {
            if left_out.is_some() {
                return;
            }
            if batch.is_full(self.room) {
                left_out = Some(event.position);
                return;
            }
            last = Some(event.position);
            if self.selector.matches(&event) {
                batch.push(Place::from(&event), |out| self.shape.put(out, &event));
            }
        };
        let (from, visit): (u64, &mut dyn FnMut(RecordedEvent<'_>)) = (self.next, &mut visit);
        let seen = match self.selector.access() {
            Access::All => view.read_from(from, limit, visit)?,
            Access::Stream(stream) => view.read_stream_from(stream, from, limit, visit)?,
            Access::Types(types) => view.read_types_from(&types, from, limit, visit)?,
            Access::Tags(tags) => view.read_tags_from(&tags, from, limit, visit)?,
        };
        let whole = seen < limit;
        batch.next = match (left_out, last) {
            (Some(position), _) => position,
            (None, Some(last)) if !whole => last + 1,
            _ => view.next_position(),
        };
        Ok(batch)
    }
}
