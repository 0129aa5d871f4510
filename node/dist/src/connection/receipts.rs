//! How far a peer has read what was sent to it.
//!
//! The distribution protocol confirms nothing. But a node handles what arrives on a connection in
//! order, and answers at once when it is asked to monitor a name that nobody has: so the answer tells
//! that everything sent before the question has reached the mailboxes it was meant for. One question
//! is under way at a time, whatever the number of messages and of those who want to know.

use super::{Connection, control};
use crate::process::{Origin, Process};
use esdb_etf::{Reference, Term, put};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Registered by nobody.
const NOBODY: &str = "rs_esdb receipt";

/// What is known of one connection.
#[derive(Default)]
pub(crate) struct Receipts {
    state: Mutex<State>,
    /// Messages up to this one have been read.
    received: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// Messages that somebody wants to know of.
    sent: u64,
    /// The question under way, and the last message before it.
    question: Option<(Reference, u64)>,
}

impl Connection {
    /// To be called after a message was sent: its number, for [`Connection::received`].
    pub fn receipt(&self) -> u64 {
        let mut state = self.0.receipts.state.lock();
        state.sent += 1;
        if state.question.is_none() {
            state.question = Some((self.ask(), state.sent));
        }
        state.sent
    }

    /// The number of the last message that the peer is known to have read, to be waited for; 0 before
    /// the first. Ends with an error only when the connection is forgotten; see [`Connection::gone`].
    pub fn received(&self) -> watch::Receiver<u64> {
        self.0.receipts.received.subscribe()
    }

    fn ask(&self) -> Reference {
        let reference = self.0.local.new_reference();
        let mut nobody = Vec::new();
        put::atom(&mut nobody, NOBODY);
        self.frame(true, |out| {
            control::monitor(out, &self.0.local.receipts, &nobody, &reference);
        });
        reference
    }
}

/// The process that gets the answers.
pub(crate) struct Recipient;

impl Process for Recipient {
    fn message(&self, _origin: &Origin<'_>, _message: Term<'_>) {}

    fn down(&self, origin: &Origin<'_>, reference: Term<'_>, _reason: Term<'_>) {
        let receipts = &origin.connection.0.receipts;
        let mut state = receipts.state.lock();
        let Some((asked, last)) = state.question.take() else {
            return;
        };
        if reference.as_reference().as_ref() != Some(&asked) {
            state.question = Some((asked, last));
            return;
        }
        receipts.received.send_replace(last);
        if state.sent > last {
            state.question = Some((origin.connection.ask(), state.sent));
        }
    }
}
