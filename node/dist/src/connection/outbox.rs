//! Frames on their way to a peer.
//!
//! Senders append frames to one buffer under a lock. With `flush` the sending thread itself tries
//! to write, which spares a reply the detour through the scheduler; what the socket does not take
//! is left to the writer task.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A buffer that had to grow beyond this is given back once it is empty.
const KEEP: usize = 1 << 20;

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
    buffer: Vec<u8>,
    /// Bytes of `buffer` that the socket has taken.
    written: usize,
    /// Bytes before `buffer`, since the connection began.
    base: u64,
    /// Where each queued frame ends, counted from the connection's begin.
    ends: VecDeque<u64>,
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
    Blocked,
}

impl State {
    fn bytes(&self) -> usize {
        self.buffer.len() - self.written
    }

    fn flush(&mut self, stream: &TcpStream) -> io::Result<Flushed> {
        while let Some(rest) = self
            .buffer
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match stream.try_write(rest) {
                Ok(n) => self.written += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.tidy();
                    return Ok(Flushed::Blocked);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.closed = true;
                    return Err(error);
                }
            }
        }
        self.tidy();
        Ok(Flushed::All)
    }

    fn tidy(&mut self) {
        let at = self.base + self.written as u64;
        while self.ends.front().is_some_and(|end| *end <= at) {
            self.ends.pop_front();
        }
        if self.written == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(KEEP);
        } else if self.written >= KEEP && self.written * 2 >= self.buffer.len() {
            self.buffer.drain(..self.written);
        } else {
            return;
        }
        self.base += self.written as u64;
        self.written = 0;
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
        let start = state.buffer.len();
        state.buffer.extend_from_slice(&[0; 4]);
        write(&mut state.buffer);
        let len = (state.buffer.len() - start - 4) as u32;
        if let Some(head) = state.buffer.get_mut(start..start + 4) {
            head.copy_from_slice(&len.to_be_bytes());
        }
        let end = state.base + state.buffer.len() as u64;
        state.ends.push_back(end);
        state.spoke = true;
        if flush && let Flushed::All = state.flush(&self.stream).map_err(Full::Io)? {
            return Ok(());
        }
        let (frames, bytes) = (state.ends.len(), state.bytes());
        if frames > self.max_frames || bytes > self.max_bytes {
            // What a socket can still take counts, before a peer is called slow.
            state.flush(&self.stream).map_err(Full::Io)?;
            if state.ends.len() > self.max_frames || state.bytes() > self.max_bytes {
                state.closed = true;
                return Err(Full::Slow { frames, bytes });
            }
        }
        drop(state);
        self.wake.notify_one();
        Ok(())
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
            let flushed = self.state.lock().flush(&self.stream)?;
            self.progress.notify_waiters();
            match flushed {
                Flushed::All => return Ok(()),
                Flushed::Blocked => self.stream.writable().await?,
            }
        }
    }

    /// Waits until everything queued has been written.
    pub(crate) async fn drained(&self) {
        self.until(|state, _| state.bytes() == 0).await;
    }

    /// Waits while so much is queued that nothing more should be asked for.
    pub(crate) async fn room(&self) {
        self.until(|state, outbox| {
            state.ends.len() <= outbox.max_frames / CROWDED
                && state.bytes() <= outbox.max_bytes / CROWDED
        })
        .await;
    }

    async fn until(&self, holds: impl Fn(&State, &Outbox) -> bool) {
        loop {
            let progress = self.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            if holds(&self.state.lock(), self) {
                return;
            }
            progress.await;
        }
    }

    /// Bytes not yet written.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.state.lock().bytes()
    }

    /// Takes no more frames.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
    }
}
