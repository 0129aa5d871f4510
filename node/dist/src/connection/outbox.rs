//! Frames on their way to a peer.
//!
//! Senders append frames to a queue under a lock. With `flush` the sending thread itself tries to
//! write, which spares a reply the detour through the scheduler; what the socket does not take is
//! left to the writer task. Nobody holds the lock for longer than it takes to write [`SLICE`]: a
//! store's own thread answers clients of all connections, and must not wait for a large reply.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A body of so many bytes is a piece of the queue of its own; small frames share one until it has
/// so many.
pub(crate) const LARGE: usize = 64 << 10;

/// Most bytes written before the lock is given back.
const SLICE: usize = 256 << 10;

/// The reader stops while this share of a limit is queued.
const CROWDED: usize = 4;

pub(crate) struct Outbox {
    stream: Arc<TcpStream>,
    state: Mutex<State>,
    /// There is something to write.
    wake: Notify,
    /// Something was written.
    progress: Notify,
    max_frames: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the first piece that the socket has taken.
    written: usize,
    /// Bytes queued, and bytes that the socket has taken, since the connection began.
    queued: u64,
    taken: u64,
    /// Where each queued frame ends, counted as `queued` is.
    ends: VecDeque<u64>,
    /// The last piece that became empty, to be used again.
    spare: Vec<u8>,
    /// The socket took no more; the writer task waits until it does.
    blocked: bool,
    /// Something was queued since the peer's last tick.
    spoke: bool,
    /// No more is taken.
    closed: bool,
}

/// Why the outbox takes no more.
#[derive(Debug)]
pub(crate) enum Full {
    /// The peer reads too slowly.
    Slow { frames: usize, bytes: usize },
    /// The socket failed.
    Io(io::Error),
}

enum Flushed {
    All,
    /// As much as was allowed.
    Some,
    Blocked,
}

impl State {
    fn bytes(&self) -> usize {
        usize::try_from(self.queued - self.taken).unwrap_or(usize::MAX)
    }

    /// Appends the frame that consists of what `write` appends and of `body`.
    fn append(&mut self, body: Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        if self.pieces.back().is_none_or(|last| last.len() >= LARGE) {
            self.pieces.push_back(std::mem::take(&mut self.spare));
        }
        let Some(piece) = self.pieces.back_mut() else {
            return;
        };
        let start = piece.len();
        piece.extend_from_slice(&[0; 4]);
        write(piece);
        let len = piece.len() - start - 4 + body.len();
        if let Some(head) = piece.get_mut(start..start + 4) {
            head.copy_from_slice(&(len as u32).to_be_bytes());
        }
        match body.len() {
            0..LARGE => piece.extend_from_slice(&body),
            _ => self.pieces.push_back(body),
        }
        self.queued += 4 + len as u64;
        self.ends.push_back(self.queued);
        self.spoke = true;
    }

    /// Writes at most about `limit` bytes.
    fn flush(&mut self, stream: &TcpStream, limit: usize) -> io::Result<Flushed> {
        let mut left = limit;
        while let Some(rest) = self.rest() {
            if left == 0 {
                return Ok(Flushed::Some);
            }
            let slice = rest.get(..left).unwrap_or(rest);
            match stream.try_write(slice) {
                Ok(n) => {
                    self.blocked = false;
                    left -= n;
                    self.took(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Ok(Flushed::Blocked);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.closed = true;
                    return Err(error);
                }
            }
        }
        Ok(Flushed::All)
    }

    /// What is to be written next.
    fn rest(&self) -> Option<&[u8]> {
        let rest = self.pieces.front()?.get(self.written..)?;
        (!rest.is_empty()).then_some(rest)
    }

    /// The socket has taken `n` bytes of the first piece.
    fn took(&mut self, n: usize) {
        self.written += n;
        self.taken += n as u64;
        while self.ends.front().is_some_and(|end| *end <= self.taken) {
            self.ends.pop_front();
        }
        let whole = |piece: &Vec<u8>| piece.len() <= self.written;
        if self.pieces.front().is_some_and(whole)
            && let Some(mut piece) = self.pieces.pop_front()
        {
            self.written = 0;
            if piece.capacity() <= 2 * LARGE {
                piece.clear();
                self.spare = piece;
            }
        }
    }
}

impl Outbox {
    pub(crate) fn new(stream: Arc<TcpStream>, max_frames: usize, max_bytes: usize) -> Self {
        Outbox {
            stream,
            state: Mutex::default(),
            wake: Notify::new(),
            progress: Notify::new(),
            max_frames,
            max_bytes,
        }
    }

    /// Queues the frame whose content `write` appends.
    ///
    /// # Errors
    /// [`Full`], once; after that and after [`Outbox::close`], frames are dropped silently.
    pub(crate) fn push(&self, flush: bool, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Full> {
        let mut state = self.state.lock();
        if state.closed {
            return Ok(());
        }
        state.append(Vec::new(), write);
        if flush
            && !state.blocked
            && let Flushed::All = state.flush(&self.stream, SLICE).map_err(Full::Io)?
        {
            return Ok(());
        }
        let (frames, bytes) = (state.ends.len(), state.bytes());
        if frames > self.max_frames || bytes > self.max_bytes {
            // What a socket can still take counts, before a peer is called slow.
            state.flush(&self.stream, usize::MAX).map_err(Full::Io)?;
            if state.ends.len() > self.max_frames || state.bytes() > self.max_bytes {
                state.closed = true;
                return Err(Full::Slow { frames, bytes });
            }
        }
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Queues the frame of what `write` appends and of a large `body`, if that leaves enough room for
    /// small frames; otherwise gives the body back.
    pub(crate) fn try_push(
        &self,
        body: Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Vec<u8>> {
        let mut state = self.state.lock();
        if state.closed {
            return Ok(());
        }
        if state.bytes() + body.len() > self.largest_body() {
            return Err(body);
        }
        state.append(body, write);
        // What fails here fails for the writer task, too, which ends the connection.
        if !state.blocked && matches!(state.flush(&self.stream, SLICE), Ok(Flushed::All)) {
            return Ok(());
        }
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Most bytes of a body that [`Outbox::try_push`] ever takes.
    pub(crate) fn largest_body(&self) -> usize {
        self.max_bytes / 4 * 3
    }

    /// Answers a peer's tick with a tick, unless the peer has heard from us since its last one.
    /// That it is not answered in that case keeps two nodes that both answer from never ending.
    pub(crate) fn answer_tick(&self) -> Result<(), Full> {
        if !self.state.lock().spoke {
            self.push(true, |_| {})?;
        }
        self.state.lock().spoke = false;
        Ok(())
    }

    /// Writes what is queued, whenever something is, until the socket fails.
    pub(crate) async fn run(&self) -> io::Error {
        loop {
            self.wake.notified().await;
            if let Err(error) = self.write_all().await {
                return error;
            }
        }
    }

    async fn write_all(&self) -> io::Result<()> {
        loop {
            let (flushed, moved) = {
                let mut state = self.state.lock();
                let before = state.taken;
                let flushed = state.flush(&self.stream, SLICE)?;
                (flushed, state.taken != before)
            };
            if moved {
                self.progress.notify_waiters();
            }
            match flushed {
                Flushed::All => return Ok(()),
                Flushed::Some | Flushed::Blocked => self.stream.writable().await?,
            }
        }
    }

    /// Waits until everything queued has been written.
    pub(crate) async fn drained(&self) {
        while self.state.lock().bytes() > 0 {
            self.progress(|state| state.bytes() == 0).await;
        }
    }

    /// Whether so much is queued that nothing more should be asked for.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded(&self.state.lock())
    }

    fn crowded(&self, state: &State) -> bool {
        state.ends.len() > self.max_frames / CROWDED || state.bytes() > self.max_bytes / CROWDED
    }

    /// Waits until something has been written, unless the outbox is not crowded.
    pub(crate) async fn moved(&self) {
        self.progress(|state| !self.crowded(state)).await;
    }

    /// Waits until `body` is queued, as by [`Outbox::try_push`], or the outbox is closed.
    pub(crate) async fn push_in_time(&self, mut body: Vec<u8>, write: impl Fn(&mut Vec<u8>)) {
        loop {
            let progress = self.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            match self.try_push(body, &write) {
                Ok(()) => return,
                Err(back) => body = back,
            }
            progress.await;
        }
    }

    /// Waits for progress, unless `holds` already.
    async fn progress(&self, holds: impl Fn(&State) -> bool) {
        let progress = self.progress.notified();
        tokio::pin!(progress);
        progress.as_mut().enable();
        if !holds(&self.state.lock()) {
            progress.await;
        }
    }

    /// Bytes not yet written.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.state.lock().bytes()
    }

    /// Takes all that is queued, as if the socket had taken it.
    #[cfg(feature = "probe")]
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut state = self.state.lock();
        std::mem::take(&mut *state)
            .pieces
            .into_iter()
            .flatten()
            .collect()
    }

    /// Takes no more frames.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.progress.notify_waiters();
    }
}
