//! Whether a subscriber's process is there, and whether it lives.

use esdb_dist::{Connection, Node, Origin, Process};
use esdb_etf::{Pid, Reference, Term};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long after an attempt to reach a node the next one follows; doubles up to the last.
const FIRST_DELAY: Duration = Duration::from_millis(200);
const LAST_DELAY: Duration = Duration::from_secs(5);

/// Watches processes of peers.
pub(crate) struct Watcher {
    node: Node,
    pid: Pid,
    ends: Arc<Ends>,
    /// Nodes that are being looked for.
    sought: Mutex<HashMap<String, Weak<Search>>>,
}

/// Who is told of which end, by the words of the monitor's reference: with the last receipt that came
/// before the end. What was sent after that may have come to a process that was no more.
#[derive(Default)]
struct Ends(Mutex<HashMap<Vec<u32>, watch::Sender<Option<u64>>>>);

impl Process for Ends {
    fn message(&self, _origin: &Origin<'_>, _message: Term<'_>) {}

    fn down(&self, origin: &Origin<'_>, reference: Term<'_>, _reason: Term<'_>) {
        if let Some(reference) = reference.as_reference()
            && let Some(end) = self.0.lock().remove(&reference.words)
        {
            let last = *origin.connection.received().borrow();
            end.send_replace(Some(last));
        }
    }
}

/// A process that is watched, until this is dropped.
pub(crate) struct Watched<'a> {
    watcher: &'a Watcher,
    connection: &'a Connection,
    target: &'a [u8],
    reference: Reference,
    end: watch::Receiver<Option<u64>>,
}

impl Watched<'_> {
    /// Returns when the process has ended, or if it never was; never if the connection is lost.
    pub(crate) async fn ended(&self) {
        let mut end = self.end.clone();
        if end.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The number of the last message that the process is known to have got: see
    /// [`Connection::receipt`].
    pub(crate) fn received(&self) -> u64 {
        // In this order: what had been read before the end was asked for was read by one that lived.
        let read = *self.connection.received().borrow();
        self.end.borrow().unwrap_or(read)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.watcher.ends.0.lock().remove(&self.reference.words);
        self.connection
            .demonitor(&self.watcher.pid, self.target, &self.reference);
    }
}

/// The attempts to reach a node, which end when this is dropped.
struct Search(JoinHandle<()>);

impl Drop for Search {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watcher {
    /// A watcher on `node`.
    pub(crate) fn new(node: Node) -> Self {
        let ends = Arc::new(Ends::default());
        let pid = node.spawn(ends.clone());
        Watcher {
            node,
            pid,
            ends,
            sought: Mutex::default(),
        }
    }

    /// The node whose peers are watched.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Watches the process `target`, a raw pid.
    pub(crate) fn watch<'a>(&'a self, connection: &'a Connection, target: &'a [u8]) -> Watched<'a> {
        let (sender, end) = watch::channel(None);
        // The answer may come before the reference is known here: it waits for the lock.
        let mut ends = self.ends.0.lock();
        let reference = connection.monitor(&self.pid, target);
        ends.insert(reference.words.clone(), sender);
        drop(ends);
        Watched {
            watcher: self,
            connection,
            target,
            reference,
            end,
        }
    }

    /// The connection with the node of this process, when there is one; none if the node has been
    /// started again since, and so the process is no more.
    pub(crate) async fn reach(&self, pid: &Pid) -> Option<Connection> {
        let mut changed = self.node.connections_changed();
        let mut search = None;
        loop {
            changed.mark_unchanged();
            if let Some(connection) = self.node.connection(&pid.node) {
                return (connection.peer_creation() == pid.creation).then_some(connection);
            }
            search.get_or_insert_with(|| self.search(&pid.node));
            changed.changed().await.ok()?;
        }
    }

    /// Looks for a node: a client that only waits for events does not make the connection.
    fn search(&self, name: &str) -> Arc<Search> {
        let mut sought = self.sought.lock();
        if let Some(search) = sought.get(name).and_then(Weak::upgrade) {
            return search;
        }
        sought.retain(|_, search| search.strong_count() > 0);
        let (node, target) = (self.node.clone(), name.to_owned());
        let search = Arc::new(Search(tokio::spawn(async move {
            // A connection may be lost again before anybody has seen it: so this does not end when
            // it is made.
            let mut changed = node.connections_changed();
            let mut delay = FIRST_DELAY;
            loop {
                changed.mark_unchanged();
                if node.connection(&target).is_some() {
                    delay = FIRST_DELAY;
                    if changed.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
                // Without an error there may be none either: while another attempt is under way.
                let _may_fail = node.connect(&target).await;
                if node.connection(&target).is_none() {
                    tokio::time::sleep(delay).await;
                    delay = (2 * delay).min(LAST_DELAY);
                }
            }
        })));
        sought.insert(name.to_owned(), Arc::downgrade(&search));
        search
    }
}
