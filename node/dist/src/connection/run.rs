//! The tasks of a connection: reader, writer, and the one that ticks and cleans up.

use super::{Connection, control, dispatch};
use crate::node::Shared;
use bytes::{Buf, BytesMut};
use esdb_etf::put;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Room made for each read.
const READ: usize = 64 << 10;
/// A buffer that had to grow beyond this is given back once it is empty.
const KEEP: usize = 1 << 20;
/// A frame of so many times the limit is none.
const ABSURD: usize = 16;
/// Bytes of a frame beyond the limit that tell whom it is for.
const HEAD: usize = 4 << 10;

/// Serves the connection until it is closed; returns why. What has come by it is done with then.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    connection: &Connection,
    stream: Arc<TcpStream>,
) -> String {
    let mut closing = connection.0.closing.subscribe();
    let mut reader = Ended(tokio::spawn(read(
        shared.clone(),
        connection.clone(),
        stream,
    )));
    let mut writer = {
        let connection = connection.clone();
        Ended(tokio::spawn(async move {
            connection.0.outbox.run().await.to_string()
        }))
    };
    let reason = tokio::select! {
        reason = reader.reason() => reason,
        reason = writer.reason() => reason,
        reason = tick(connection, shared.config.net_ticktime) => reason,
        reason = closing.wait_for(Option::is_some) =>
            reason.ok().and_then(|reason| reason.clone()).unwrap_or_default(),
    };
    reader.end().await;
    writer.end().await;
    reason
}

/// A task that ends with the one that waits for it.
struct Ended(JoinHandle<String>);

impl Ended {
    async fn reason(&mut self) -> String {
        (&mut self.0)
            .await
            .unwrap_or_else(|error| format!("internal error: {error}"))
    }

    /// Ends it, and waits until it does nothing any more.
    async fn end(mut self) {
        self.0.abort();
        if !self.0.is_finished() {
            let _aborted = (&mut self.0).await;
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn read(shared: Arc<Shared>, connection: Connection, stream: Arc<TcpStream>) -> String {
    let mut buffer = BytesMut::new();
    let limit = shared.config.limits.frame_bytes;
    let mut skip = 0;
    loop {
        if let Err(error) = stream.readable().await {
            return error.to_string();
        }
        make_room(&mut buffer);
        match stream.try_read_buf(&mut buffer) {
            Ok(0) => return "closed by the peer".to_owned(),
            Ok(_) => connection.heard(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return error.to_string(),
        }
        if let Err(reason) = frames(&shared, &connection, &mut buffer, limit, &mut skip) {
            return reason;
        }
        if buffer.is_empty() && buffer.capacity() > KEEP {
            buffer = BytesMut::new();
        }
        // A peer that does not take answers need not ask more. While it takes some, it is not silent,
        // even though nothing is read from it.
        while connection.0.outbox.is_crowded() {
            connection.0.outbox.moved().await;
            connection.heard();
        }
    }
}

/// Makes room for the next read when there is little: for what is missing of a large frame, but for no
/// more than has come already, so that a length that lies costs nothing.
fn make_room(buffer: &mut BytesMut) {
    if buffer.capacity() - buffer.len() < READ {
        buffer.reserve(missing(buffer).min(buffer.len()).max(READ));
    }
}

fn length(buffer: &[u8]) -> Option<usize> {
    buffer
        .first_chunk()
        .map(|head| u32::from_be_bytes(*head) as usize)
}

/// Bytes that the frame at the start of the buffer still needs.
fn missing(buffer: &[u8]) -> usize {
    length(buffer).map_or(0, |len| (4 + len).saturating_sub(buffer.len()))
}

/// Acts on every frame that the buffer holds whole. Of a frame beyond `limit` only the head is looked
/// at; `skip` bytes of such a frame are still to be passed over.
pub(crate) fn frames(
    shared: &Shared,
    connection: &Connection,
    buffer: &mut BytesMut,
    limit: usize,
    skip: &mut usize,
) -> Result<(), String> {
    loop {
        let passed = buffer.len().min(*skip);
        buffer.advance(passed);
        *skip -= passed;
        let Some(len) = length(buffer) else {
            break;
        };
        if len > limit.saturating_mul(ABSURD) {
            return Err(format!(
                "a frame of {len} bytes; at most {limit} are accepted"
            ));
        }
        if len > limit {
            let Some(head) = buffer.get(4..4 + HEAD.min(len)) else {
                break;
            };
            dispatch::too_large(shared, connection, head, len, limit)?;
            *skip = 4 + len;
            continue;
        }
        let Some(frame) = buffer.get(4..4 + len) else {
            break;
        };
        match len {
            0 => connection.check(connection.0.outbox.answer_tick()),
            _ => dispatch::frame(shared, connection, frame).map_err(|error| error.to_string())?,
        }
        buffer.advance(4 + len);
    }
    Ok(())
}

/// Ticks four times in `ticktime`; ends when the peer has been silent for longer.
///
/// A BEAM node whose own tick time is longer than ours may rightly be silent for longer than we
/// wait, and does not answer ticks. So one that was silent for half of the time is asked something
/// that every node answers.
async fn tick(connection: &Connection, ticktime: Duration) -> String {
    let mut timer = tokio::time::interval(ticktime / 4);
    timer.tick().await;
    loop {
        timer.tick().await;
        match connection.silence() {
            silence if silence > ticktime => {
                return format!("nothing heard for {} s (net_ticktime)", silence.as_secs());
            }
            silence if silence > ticktime / 2 => connection.probe(),
            _ => connection.check(connection.0.outbox.push(true, |_| {})),
        }
    }
}

impl Connection {
    /// Monitors what cannot be: no process may be registered as `undefined`, so `noproc` comes back.
    fn probe(&self) {
        let reference = self.0.local.new_reference();
        let mut nobody = Vec::new();
        put::atom(&mut nobody, "undefined");
        self.frame(true, |out| {
            control::monitor(out, &self.0.local.system, &nobody, &reference);
        });
    }

    fn heard(&self) {
        let now = self.0.since.elapsed().as_millis() as u64;
        self.0.heard.store(now, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        let heard = Duration::from_millis(self.0.heard.load(Ordering::Relaxed));
        self.0.since.elapsed().saturating_sub(heard)
    }
}
