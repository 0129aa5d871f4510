//! Where an append is written and synced: on a thread of its own.

use std::io;
use std::sync::mpsc;
use std::thread;

use crate::wal::Write;

/// Called with the result of a write, on the thread that did it.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Performs writes one after the other, in the order they come. Clones share the thread.
#[derive(Debug, Clone)]
pub enum Syncer {
    /// A thread of its own.
    Thread(mpsc::Sender<(Write, Sent)>),
    /// The caller's thread.
    Inline,
}

/// A callback on its way to the syncer's thread.
pub struct Sent(Done);

impl Syncer {
    /// Starts the thread. It ends when the last clone is dropped; the handle waits for that.
    pub fn start(name: String) -> io::Result<(Self, thread::JoinHandle<()>)> {
        let (sender, receiver) = mpsc::channel::<(Write, Sent)>();
        let work = move || {
            for (write, Sent(done)) in receiver {
                done(write.perform());
            }
        };
        let thread = thread::Builder::new().name(name).spawn(work)?;
        Ok((Self::Thread(sender), thread))
    }

    /// Performs `write`, then calls `done`.
    pub fn perform(&self, write: Write, done: Done) -> io::Result<()> {
        match self {
            Self::Inline => done(write.perform()),
            Self::Thread(sender) => {
                let sent = sender.send((write, Sent(done)));
                sent.map_err(|_| io::Error::other("the thread that syncs the log has ended"))?;
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sent")
    }
}
