//! Parked events of a persistent subscription, delivered again.

use super::parked;
use super::runner::Runner;
use crate::delivery::batch::{Place, Shape};
use crate::refusal;
use crate::worker::ReplyTo;
use bytes::Bytes;
use esdb_etf::put;
use esdb_subscription::group::Refused;
use std::ops::RangeInclusive;

/// Parked events that are delivered again at once.
const REPLAYED: usize = 10_000;

impl Runner {
    /// Offers parked events again; they stay in the store until they are done with.
    pub(super) fn replay(&mut self, positions: &RangeInclusive<u64>, reply: &ReplyTo) {
        let view = self.means.live.replica().view();
        let parked = match parked::list(&view, &self.name, REPLAYED) {
            Ok(parked) => parked,
            Err(error) => return reply.send(true, |out| refusal::failed_read(out, &error)),
        };
        let mut count = 0;
        for (position, _) in parked {
            if !positions.contains(&position) {
                continue;
            }
            let mut found = None;
            let read = view.read_from(position, 1, &mut |event| {
                if event.position == position {
                    let mut term = Vec::new();
                    Shape::Map.put(&mut term, &event);
                    found = Some((Place::from(&event).stream.to_be_bytes(), Bytes::from(term)));
                }
            });
            if let Err(error) = read {
                return reply.send(true, |out| refusal::failed_read(out, &error));
            }
            match found {
                Some((stream, term)) => {
                    let bytes = term.len();
                    let offered = self.group.replay(position, &stream, term, bytes);
                    match offered {
                        Ok(()) => drop(self.replayed.insert(position)),
                        Err(Refused::Full) => break,
                        Err(_) => continue,
                    }
                }
                // Its stream was deleted.
                None => self.save.unpark(position),
            }
            count += 1;
        }
        reply.send(true, |out| {
            put::tuple(out, 2);
            put::atom(out, "ok");
            put::unsigned(out, count);
        });
    }
}
