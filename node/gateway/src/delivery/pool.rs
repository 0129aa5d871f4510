//! A subscription without a subscriber of its own delivers to processes that have joined its `pg`
//! groups: each event to one of its emitters, those of a stream always to the same one, and to every
//! listener of its topic.
//!
//! Source: emitter groups and topics of erl_esdb and reckon_db.

use super::batch::{Batch, Shape};
use super::definition::Definition;
use super::deliver::{Delivery, MESSAGE, READ_AGAIN_AFTER, SAVE_AFTER};
use super::feed::Feed;
use super::subscription::Condition;
use esdb_dist::{Connection, Member};
use esdb_etf::{Term, put, tag};
use esdb_store::StoreError;
use std::convert::Infallible;

/// The scopes in which the servers of the published systems and their handlers meet.
const SCOPES: [&str; 2] = ["reckon_db_pg", "erl_esdb_pg"];

/// Who gets the events.
#[derive(PartialEq)]
struct Team {
    /// Each event goes to one of them.
    emitters: Vec<Member>,
    /// Each of them gets all events.
    listeners: Vec<Member>,
}

impl Team {
    fn is_empty(&self) -> bool {
        self.emitters.is_empty() && self.listeners.is_empty()
    }

    fn all(&self) -> impl Iterator<Item = &Member> {
        self.emitters.iter().chain(&self.listeners)
    }

    /// The connections with their nodes, each once.
    fn connections(&self) -> Vec<&Connection> {
        let mut connections: Vec<&Connection> = Vec::new();
        for member in self.all() {
            if !connections.contains(&&member.connection) {
                connections.push(&member.connection);
            }
        }
        connections
    }

    fn send(&self, batch: &Batch) {
        let count = self.emitters.len() as u64;
        for (nth, emitter) in (0u64..).zip(&self.emitters) {
            send(emitter, batch, |stream| stream % count == nth);
        }
        for listener in &self.listeners {
            send(listener, batch, |_| true);
        }
    }
}

fn send(to: &Member, batch: &Batch, is_for_it: impl Fn(u64) -> bool) {
    let own = || batch.iter().filter(|(place, _)| is_for_it(place.stream));
    let count = own().count();
    if count == 0 {
        return;
    }
    to.connection.send(&to.pid, true, |out| {
        put::tuple(out, 2);
        put::atom(out, "events");
        put::list(out, count);
        own().for_each(|(_, term)| out.extend_from_slice(term));
        out.push(tag::NIL);
    });
}

impl Delivery {
    /// Delivers to whoever is in the groups, for ever.
    pub(super) async fn serve_pool(&self, definition: &Definition) {
        let node = self.means.watcher.node();
        SCOPES.iter().for_each(|scope| node.pg_follow(scope));
        let mut changed = node.pg_changed();
        loop {
            changed.mark_unchanged();
            let team = self.team(definition);
            if team.is_empty() {
                self.subscription.is_now(Condition::Parked);
                self.save_if_dirty();
            }
            let another_team =
                async { while changed.changed().await.is_ok() && self.team(definition) == team {} };
            tokio::select! {
                () = another_team => {}
                never = self.deliver_to_team(&team, definition), if !team.is_empty() => match never {},
            }
        }
    }

    fn team(&self, definition: &Definition) -> Team {
        let (store, id) = (&self.means.store, &self.subscription.id);
        let group = |key: &str, label: &str| {
            let mut group = Vec::new();
            put::tuple(&mut group, 3);
            put::atom(&mut group, store);
            put::binary(&mut group, key.as_bytes());
            put::atom(&mut group, label);
            self.members(&group)
        };
        let mut emitters = group(id, "emitters");
        if let Ok(most) = usize::try_from(definition.pool_size)
            && most > 0
        {
            emitters.truncate(most);
        }
        let listeners = group(&format!("{store}:{id}"), "subscribers");
        Team {
            emitters,
            listeners,
        }
    }

    /// Each process of the group once, in an order that does not change.
    fn members(&self, group: &[u8]) -> Vec<Member> {
        let Ok(group) = Term::parse(group) else {
            return Vec::new();
        };
        let node = self.means.watcher.node();
        let in_scope = |scope: &&str| node.pg_members(scope, group);
        let mut members: Vec<Member> = SCOPES.iter().flat_map(in_scope).collect();
        members.sort_by(|a, b| a.pid.cmp(&b.pid));
        members.dedup_by(|a, b| a.pid == b.pid);
        members
    }

    async fn deliver_to_team(&self, team: &Team, definition: &Definition) -> Infallible {
        loop {
            let Err(error) = self.stream_to_team(team, definition).await;
            let id = &self.subscription.id;
            tracing::error!(subscription = id, %error, "its events cannot be read");
            let failed = Condition::Failed(error.to_string());
            self.subscription.is_now(failed);
            tokio::time::sleep(READ_AGAIN_AFTER).await;
        }
    }

    /// One batch after the other: the next one follows when all nodes have read the last.
    async fn stream_to_team(
        &self,
        team: &Team,
        definition: &Definition,
    ) -> Result<Infallible, StoreError> {
        let subscription = &self.subscription;
        let connections = team.connections();
        // Those who share events run the same program.
        let shape = match connections.first() {
            Some(connection) => self.shape_for(connection, definition.generation).await,
            None => Shape::Map,
        };
        let (next, floor) = subscription.begin();
        let mut feed = Feed::new(&self.means.live, &subscription.selector, shape, next, floor);
        subscription.is_now(Condition::CatchingUp);
        for receipt in 1.. {
            let mut batch = self.saving_meanwhile(feed.next(MESSAGE)).await?;
            if batch.events.is_empty() {
                subscription.is_now(Condition::Live);
                continue;
            }
            batch.forget_before(subscription.acknowledged());
            while !subscription.has_room(&batch) {
                self.save_if_dirty();
                subscription.changed.notified().await;
            }
            let send = || {
                team.send(&batch);
                receipt
            };
            if !subscription.send(&batch, send) {
                break;
            }
            for connection in &connections {
                let (last, mut received) = (connection.receipt(), connection.received());
                if received.wait_for(|read| *read >= last).await.is_err() {
                    break;
                }
            }
            subscription.was_received(receipt);
            if subscription.is_pressed() {
                self.save_if_dirty();
            }
        }
        std::future::pending().await
    }

    /// Waits for `work`, and saves the progress when there is time.
    async fn saving_meanwhile<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            let dirty = self.subscription.is_dirty();
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(SAVE_AFTER), if dirty => self.save_if_dirty(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use esdb_dist::{Config, Cookie, Node};
    use std::net::{Ipv4Addr, TcpListener};

    async fn node(alive: &str, epmd_port: u16) -> Node {
        let name = format!("{alive}_{}@127.0.0.1", std::process::id());
        let mut config = Config::new(&name, Cookie::new("pool"));
        config.epmd_port = epmd_port;
        Node::start(config).await.expect("a node")
    }

    /// The connection from one to the other, as it is made.
    async fn connection(from: &Node, to: &Node) -> Connection {
        from.connect(to.name()).await.expect("a connection");
        from.connection(to.name()).expect("the connection")
    }

    /// What was sent over the first will never be confirmed over the second.
    #[tokio::test(flavor = "multi_thread")]
    async fn over_another_connection_it_is_another_team() {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = port.expect("a port").port();
        let (here, there) = (node("pool", port).await, node("emitters", port).await);
        let team = |connection: &Connection| Team {
            emitters: vec![Member {
                connection: connection.clone(),
                pid: b"an emitter".to_vec(),
            }],
            listeners: Vec::new(),
        };
        let first = connection(&here, &there).await;
        first.close("to make another one");
        first.gone().await;
        let second = connection(&here, &there).await;
        assert_eq!(first.peer_creation(), second.peer_creation());
        assert!(team(&first) == team(&first));
        assert!(team(&first) != team(&second));
        here.shutdown().await;
        there.shutdown().await;
    }
}
