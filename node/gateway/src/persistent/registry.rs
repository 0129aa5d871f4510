//! The persistent subscriptions of a store.

use super::definition::Definition;
use super::message::Message;
use super::progress::Progress;
use super::runner::{Beginning, Runner};
use crate::delivery::deliver::Means;
use crate::delivery::start::Start;
use crate::refusal;
use crate::worker::ReplyTo;
use esdb_dist::Connection;
use esdb_etf::Term;
use esdb_store::{Direction, Space, StoreError};
use esdb_subscription::Selector;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// All of a store.
pub(crate) struct Persistent {
    means: Arc<Means>,
    runtime: Handle,
    table: Arc<Mutex<Table>>,
}

/// By name.
#[derive(Default)]
struct Table {
    running: BTreeMap<Vec<u8>, Running>,
    /// Those that were deleted, whose tasks may not have taken them out of the store yet.
    ending: HashMap<Vec<u8>, Running>,
}

/// One that is being deleted: nobody finds it any more.
pub(crate) struct Deletion {
    table: Arc<Mutex<Table>>,
    name: Vec<u8>,
    /// Tells it from others of that name.
    mailbox: UnboundedSender<Message>,
}

impl Deletion {
    fn new(table: &Arc<Mutex<Table>>, name: &[u8], entry: &Running) -> Self {
        Deletion {
            table: table.clone(),
            name: name.to_vec(),
            mailbox: entry.mailbox.clone(),
        }
    }

    /// It is not deleted after all. Answers false if another one has had its name since, or the
    /// store ends.
    pub(super) fn undo(&self) -> bool {
        let mut table = self.table.lock();
        let ending = table.ending.get(&self.name);
        if !ending.is_some_and(|entry| entry.mailbox.same_channel(&self.mailbox)) {
            return false;
        }
        let entry = table.ending.remove(&self.name);
        entry.is_some_and(|entry| table.running.insert(self.name.clone(), entry).is_none())
    }
}

/// One whose task runs; the task is ended when this is dropped.
struct Running {
    definition: Definition,
    selector: Arc<Selector>,
    mailbox: UnboundedSender<Message>,
    checkpoint: Arc<watch::Sender<u64>>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task of a deleted subscription of the same name, if there was one.
struct Predecessor(Option<JoinHandle<()>>);

/// What a consumer asks to be opened.
pub(crate) struct Opening {
    pub(crate) name: Vec<u8>,
    pub(crate) definition: Definition,
    pub(crate) selector: Selector,
    pub(crate) start: Start,
    /// Most events in flight to this consumer.
    pub(crate) window: usize,
    /// Raw pid; the caller if it is none.
    pub(crate) consumer: Option<Vec<u8>>,
}

impl Persistent {
    /// Loads those of the store, which wait for consumers. Blocks while it reads.
    pub(crate) fn start(means: &Arc<Means>) -> Self {
        let persistent = Persistent {
            means: means.clone(),
            runtime: Handle::current(),
            table: Arc::default(),
        };
        if let Err(error) = persistent.load() {
            tracing::error!(%error, "not all persistent subscriptions could be loaded");
        }
        persistent
    }

    fn load(&self) -> Result<(), StoreError> {
        let view = self.means.live.replica().view();
        let mut found = Vec::new();
        view.records(
            Space::PERSISTENT,
            b"",
            Bound::Unbounded,
            Direction::Forward,
            &mut |key, record| {
                found.push((key.to_vec(), Definition::decode(&record.value)));
                true
            },
        )?;
        for (name, definition) in found {
            let progress = view.record(Space::PERSISTENT_PROGRESS, &name)?;
            let progress = progress.and_then(|record| Progress::decode(&record.value));
            let selector = definition.as_ref().and_then(|d| d.selector().ok());
            match (definition, progress, selector) {
                (Some(definition), Some(progress), Some(selector)) => {
                    let is = (definition, Arc::new(selector), progress);
                    let running = self.run(&name, is, None);
                    self.table.lock().running.insert(name, running);
                }
                _ => {
                    let name = String::from_utf8_lossy(&name);
                    tracing::error!(%name, "a persistent subscription cannot be understood");
                }
            }
        }
        Ok(())
    }

    /// Runs one that is in the store; or a new one, when the one of the same name before it has
    /// ended.
    fn run(
        &self,
        name: &[u8],
        (definition, selector, progress): (Definition, Arc<Selector>, Progress),
        new: Option<Predecessor>,
    ) -> Running {
        let (mailbox, messages) = unbounded_channel();
        let checkpoint = Arc::new(watch::Sender::new(progress.checkpoint));
        let runner = Runner::new(Beginning {
            name: name.to_vec(),
            definition: definition.clone(),
            selector: selector.clone(),
            progress,
            means: self.means.clone(),
            mailbox: mailbox.clone(),
            checkpoint: checkpoint.clone(),
            is_new: new.is_some(),
        });
        Running {
            definition,
            selector,
            mailbox,
            checkpoint,
            task: self.runtime.spawn(async move {
                if let Some(Predecessor(Some(before))) = new {
                    let _ended = before.await;
                }
                runner.run(messages).await;
            }),
        }
    }

    /// Lets a consumer in; the first one creates the subscription.
    pub(crate) fn open(&self, opening: Opening, connection: Connection, reply: ReplyTo) {
        let caller = reply.caller.as_ref().map(|caller| caller.pid().to_vec());
        let Some(consumer) = opening.consumer.or(caller) else {
            return;
        };
        let Some(connection) = self.connection_of(&consumer, connection) else {
            return reply.send(true, |out| {
                let text =
                    "the consumer's node is not connected with the server, or was started again";
                refusal::passing(out, "not_connected", text);
            });
        };
        let mut table = self.table.lock();
        let entry = match table.running.get(&opening.name) {
            Some(entry) => {
                let is_same = entry.definition.kind == opening.definition.kind
                    && *entry.selector == opening.selector;
                if !is_same {
                    return reply.send(true, |out| {
                        let text = "it is there with another type or selector; \
                                    delete it first, or take another name";
                        refusal::passing(out, "subscription_differs", text);
                    });
                }
                entry
            }
            None => {
                let next = self.means.live.replica().view().next_position();
                let (checkpoint, floor) = opening.start.cursor(next);
                let progress = Progress {
                    checkpoint,
                    floor,
                    ..Progress::default()
                };
                let selector = Arc::new(opening.selector);
                let before = table.ending.remove(&opening.name);
                let before = Predecessor(before.map(|entry| self.let_end(entry)));
                let is = (opening.definition, selector, progress);
                let entry = self.run(&opening.name, is, Some(before));
                table.running.entry(opening.name).or_insert(entry)
            }
        };
        let _ended = entry.mailbox.send(Message::Join {
            consumer,
            connection,
            window: opening.window,
            reply,
        });
    }

    /// The connection with the consumer's node, which may be another than the caller's.
    fn connection_of(&self, consumer: &[u8], callers: Connection) -> Option<Connection> {
        let pid = Term::parse(consumer).ok()?.as_pid()?;
        let connection = match *pid.node == *callers.peer() {
            true => callers,
            false => self.means.watcher.node().connection(&pid.node)?,
        };
        (connection.peer_creation() == pid.creation).then_some(connection)
    }

    /// Tells the subscription of this name.
    pub(crate) fn tell(
        &self,
        name: &[u8],
        reply: ReplyTo,
        message: impl FnOnce(ReplyTo) -> Message,
    ) {
        match self.table.lock().running.get(name) {
            Some(entry) => drop(entry.mailbox.send(message(reply))),
            None => unknown(name, &reply),
        }
    }

    /// Ends the subscription of this name, and takes it out of the store.
    pub(crate) fn delete(&self, name: &[u8], reply: ReplyTo) {
        let mut table = self.table.lock();
        let Some(entry) = table.running.remove(name) else {
            return unknown(name, &reply);
        };
        let deletion = Deletion::new(&self.table, name, &entry);
        let _ended = entry.mailbox.send(Message::Delete { deletion, reply });
        table.ending.retain(|_, entry| !entry.task.is_finished());
        table.ending.insert(name.to_vec(), entry);
    }

    /// The task of one that ends by itself, when it has come to its last message.
    fn let_end(&self, mut entry: Running) -> JoinHandle<()> {
        std::mem::replace(&mut entry.task, self.runtime.spawn(async {}))
    }

    /// What the subscription selects, and how far it has come.
    pub(crate) fn progress(&self, name: &[u8]) -> Option<(Arc<Selector>, watch::Receiver<u64>)> {
        let table = self.table.lock();
        let entry = table.running.get(name)?;
        Some((entry.selector.clone(), entry.checkpoint.subscribe()))
    }

    /// Their names, in order.
    pub(crate) fn names(&self) -> Vec<Vec<u8>> {
        self.table.lock().running.keys().cloned().collect()
    }

    /// Ends all tasks.
    pub(crate) fn end(&self) {
        let mut table = self.table.lock();
        table.running.clear();
        self.let_deleted_end(&mut table);
    }

    /// Ends all tasks, and tells the consumers that the store was removed.
    pub(crate) fn end_with_store(&self) {
        let mut table = self.table.lock();
        for entry in std::mem::take(&mut table.running).into_values() {
            let _ended = entry.mailbox.send(Message::End);
            drop(self.let_end(entry));
        }
        self.let_deleted_end(&mut table);
    }

    /// From now on those that are being deleted do not come back, even if the log refuses that.
    fn let_deleted_end(&self, table: &mut Table) {
        for (_, entry) in table.ending.drain() {
            drop(self.let_end(entry));
        }
    }
}

fn unknown(name: &[u8], reply: &ReplyTo) {
    reply.send(true, |out| refusal::subscription_not_found(out, name));
}

#[cfg(test)]
mod tests {
    use super::super::definition::BUFFER_BYTES;
    use super::*;

    fn running() -> Running {
        let (mailbox, _) = unbounded_channel();
        let definition = Definition {
            kind: Vec::new(),
            selector: Vec::new(),
            max_consumers: 1,
            max_attempts: 0,
            buffer: 1,
            buffer_bytes: BUFFER_BYTES,
            when_full: "block".to_owned(),
            warn_at: 0,
            heartbeat_ms: 0,
        };
        Running {
            definition,
            selector: Arc::new(Selector::stream(b"s")),
            mailbox,
            checkpoint: Arc::new(watch::Sender::new(0)),
            task: Handle::current().spawn(std::future::pending()),
        }
    }

    fn delete(table: &Arc<Mutex<Table>>, entry: Running) -> Deletion {
        let deletion = Deletion::new(table, b"n", &entry);
        table.lock().ending.insert(b"n".to_vec(), entry);
        deletion
    }

    #[tokio::test]
    async fn what_the_log_keeps_is_there_again() {
        let table = Arc::default();
        let deletion = delete(&table, running());
        assert!(deletion.undo());
        assert!(table.lock().running.contains_key(b"n".as_slice()));
        assert!(!deletion.undo());
    }

    /// One of the same name was opened meanwhile, and then deleted, too: it waits for the first.
    #[tokio::test]
    async fn another_one_of_the_name_does_not_come_back() {
        let table: Arc<Mutex<Table>> = Arc::default();
        let first = delete(&table, running());
        let before = table.lock().ending.remove(b"n".as_slice());
        let second = delete(&table, running());
        assert!(!first.undo());
        assert!(table.lock().running.is_empty());
        assert!(second.undo());
        drop(before);
    }
}
