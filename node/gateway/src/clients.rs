//! Which version of the client library a node runs, and so how many elements its records have.
//!
//! Nothing on the wire tells: a client that gets records of another size than it was compiled with
//! fails on them. So each node is asked, through its `rex`, which version of the application
//! `reckon_gater`, or of its ancestor, it has loaded, before it is first told of our groups. A node
//! that has none loaded (yet) is asked again at its first read, and then every five seconds.

use crate::generation::Generation;
use esdb_dist::{Connection, Node};
use esdb_etf::{Term, put};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a node may take to answer before the default is taken.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How often a node without an answer is asked.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// The applications that a client library is: the one of today and its ancestor, whose last version,
/// 0.6.6, became the first one of the other.
const LIBRARIES: [&str; 2] = ["reckon_gater", "erl_esdb_gater"];

/// What is known of the nodes.
pub(crate) struct Clients {
    node: Node,
    known: Mutex<HashMap<Key, Answer>>,
}

/// One start of a node.
type Key = (String, u32);

/// What a node said.
#[derive(Clone, Copy)]
enum Answer {
    /// Its version of the client library.
    Version(Version),
    /// That it has none loaded, or nothing in time.
    NoneYet {
        /// When it was asked.
        asked: Instant,
        /// Whether it has read since it connected.
        has_read: bool,
    },
}

/// Major and minor version of reckon_gater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl Version {
    /// Reads `{ok, "1.1.3"}`, the answer of `application:get_key(reckon_gater, vsn)`.
    fn from_answer(answer: Term<'_>) -> Option<Self> {
        let [ok, version] = answer.as_array()?;
        let text: String = version
            .as_proper_list()
            .filter(|_| ok.is_atom("ok"))?
            .filter_map(|character| u8::try_from(character.as_u64()?).ok().map(char::from))
            .collect();
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        Some(Version(numbers.next()??, numbers.next()??))
    }

    /// Elements of its `#event{}`: `tags` came with 1.1, the integrity fields with 2.1.
    fn event_arity(self) -> usize {
        match self {
            version if version < Version(1, 1) => 11,
            version if version < Version(2, 1) => 12,
            _ => 15,
        }
    }
}

impl Clients {
    /// Nothing is known yet.
    pub(crate) fn new(node: Node) -> Self {
        Clients {
            node,
            known: Mutex::default(),
        }
    }

    /// Asks a node on which clients look for workers. To be over before it is told of our groups.
    pub(crate) async fn greet(self: Arc<Self>, connection: Connection) {
        // Nodes that have gone are forgotten, other starts of this one too.
        self.known.lock().retain(|(name, creation), _| {
            let connected = self.node.connection(name);
            connected.is_some_and(|now| now.peer_creation() == *creation)
        });
        self.ask(&connection, false).await;
    }

    /// Elements of the `#event{}` of the client that reads on `connection`, if that need not be
    /// asked now.
    pub(crate) fn event_arity(
        &self,
        connection: &Connection,
        generation: Generation,
    ) -> Option<usize> {
        match self.known.lock().get(&key(connection))? {
            Answer::Version(version) => Some(version.event_arity()),
            Answer::NoneYet {
                asked,
                has_read: true,
            } if asked.elapsed() < ASK_EVERY => Some(generation.default_event_arity()),
            Answer::NoneYet { .. } => None,
        }
    }

    /// As [`Clients::event_arity`], after asking.
    pub(crate) async fn ask_event_arity(
        &self,
        connection: &Connection,
        generation: Generation,
    ) -> usize {
        self.ask(connection, true).await;
        self.event_arity(connection, generation)
            .unwrap_or_else(|| generation.default_event_arity())
    }

    async fn ask(&self, connection: &Connection, has_read: bool) {
        let asked = Instant::now();
        let version = tokio::time::timeout(ANSWER_WITHIN, self.version(connection.peer())).await;
        let version = version.ok().flatten();
        let answer = version.map_or(Answer::NoneYet { asked, has_read }, Answer::Version);
        tracing::debug!(
            peer = connection.peer(),
            ?version,
            "asked for its client library"
        );
        let mut known = self.known.lock();
        let entry = known.entry(key(connection)).or_insert(answer);
        // What a node has told remains true when it is too busy to tell it again.
        if version.is_some() || !matches!(entry, Answer::Version(_)) {
            *entry = answer;
        }
    }

    /// The version of the library that a node has loaded.
    async fn version(&self, node: &str) -> Option<Version> {
        for library in LIBRARIES {
            let arguments = arguments(library);
            let answer = self.node.call(node, "application", "get_key", &arguments);
            let answer = answer.await.ok()?;
            let version = Term::parse(&answer).ok().and_then(Version::from_answer);
            if version.is_some() {
                return version;
            }
        }
        None
    }
}

fn key(connection: &Connection) -> Key {
    (connection.peer().to_owned(), connection.peer_creation())
}

/// `[Library, vsn]`.
fn arguments(library: &str) -> Vec<u8> {
    let mut arguments = Vec::new();
    put::list(&mut arguments, 2);
    put::atom(&mut arguments, library);
    put::atom(&mut arguments, "vsn");
    put::nil(&mut arguments);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arity_of(version: &str) -> Option<usize> {
        let mut answer = Vec::new();
        put::tuple(&mut answer, 2);
        put::atom(&mut answer, "ok");
        put::list(&mut answer, version.len());
        version
            .bytes()
            .for_each(|byte| put::integer(&mut answer, i64::from(byte)));
        put::nil(&mut answer);
        Version::from_answer(Term::parse(&answer).unwrap()).map(Version::event_arity)
    }

    #[test]
    fn the_version_tells_the_arity() {
        assert_eq!(arity_of("0.1.0"), Some(11));
        assert_eq!(arity_of("1.0.3"), Some(11));
        assert_eq!(arity_of("1.1.0"), Some(12));
        assert_eq!(arity_of("1.3.2"), Some(12));
        assert_eq!(arity_of("2.0.0"), Some(12));
        assert_eq!(arity_of("2.1.0"), Some(15));
        assert_eq!(arity_of("10.0.0"), Some(15));
        assert_eq!(arity_of("x"), None);
    }
}
