//! Where an append is written and synced: on a thread of its own.

use std::io;
use std::sync::mpsc;
use std::thread;

use crate::wal::Write;

/// Called with the result of a write, on the thread that did it.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Performs writes one after the other, in the order they come. Clones share the thread.
///
/// On the store's own thread an append would be answered some 4 µs sooner; on this one, the store's
/// thread meanwhile reads what apply will need, and stays free for whatever else it has to do.
#[derive(Debug, Clone)]
pub struct Syncer(mpsc::Sender<(Write, Sent)>);

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
        Ok((Self(sender), thread))
    }

    /// Performs `write`, then calls `done`.
    pub fn perform(&self, write: Write, done: Done) -> io::Result<()> {
        let sent = self.0.send((write, Sent(done)));
        sent.map_err(|_| io::Error::other("the thread that syncs the log has ended"))
    }
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sent")
    }
}
