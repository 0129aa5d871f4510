//! Requests about stores themselves: `{list_stores}`, `{create_store, S, Options}`,
//! `{remove_store, S}`, `{get_store_status, S}` and `{get_store_config, S}`. Any worker serves them.

use crate::gateway::creation::Removal;
use crate::gateway::{Gateway, StoreError};
use crate::generation::MAX_STORE_NAME;
use crate::info;
use crate::refusal::{self, Refusal};
use crate::store_options::StoreOptions;
use esdb_etf::{Kind, Term, put, tag};
use esdb_log::State;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Largest options of a store, in bytes of External Term Format.
const MAX_OPTIONS: usize = 64 << 10;

/// Most stores being created or removed at once. Each waits for the disk on a thread of those that long
/// reads need, too.
const CHANGES: usize = 8;

/// Most creations and removals that wait for their turn.
const WAITING: usize = 1_000;

/// Whose turn it is to create or remove a store.
pub(crate) struct Turns {
    waiting: Arc<Semaphore>,
    working: Arc<Semaphore>,
}

/// A place in the queue.
pub(crate) struct Place {
    _place: OwnedSemaphorePermit,
    working: Arc<Semaphore>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Turns {
            waiting: Arc::new(Semaphore::new(WAITING)),
            working: Arc::new(Semaphore::new(CHANGES)),
        }
    }

    /// A place in the queue, unless it is full.
    pub(crate) fn queue(&self) -> Option<Place> {
        Some(Place {
            _place: self.waiting.clone().try_acquire_owned().ok()?,
            working: self.working.clone(),
        })
    }
}

impl Place {
    /// Waits for the turn, which ends when the result is dropped.
    pub(crate) async fn turn(self) -> Option<OwnedSemaphorePermit> {
        self.working.acquire_owned().await.ok()
    }
}

/// A request about a store, or about all.
pub(crate) enum Request {
    /// `{ok, [#{store_id, ...}]}`
    List,
    /// `ok | {error, already_exists}`
    Create {
        /// The store's name.
        name: String,
        /// Its options, a raw term.
        options: Vec<u8>,
    },
    /// `ok | {error, not_found}`
    Remove(String),
    /// `{ok, running | stopped} | {error, not_found}`
    Status(String),
    /// `{ok, #{store_id, data_dir, mode, timeout, options}} | {error, not_found}`
    Config(String),
}

impl Request {
    /// The request, if it is one of these.
    ///
    /// # Errors
    /// [`Refusal`] if it is, but an argument is wrong.
    pub(crate) fn parse(name: &str, arguments: &[Term<'_>]) -> Result<Option<Self>, Refusal> {
        Ok(Some(match (name, arguments) {
            ("list_stores", []) => Request::List,
            ("create_store", [store]) => Request::Create {
                name: store_name(*store)?,
                options: vec![tag::NIL],
            },
            ("create_store", [store, options]) => Request::Create {
                name: store_name(*store)?,
                options: checked(*options)?,
            },
            ("remove_store", [store]) => Request::Remove(store_name(*store)?),
            ("get_store_status", [store]) => Request::Status(store_name(*store)?),
            ("get_store_config", [store]) => Request::Config(store_name(*store)?),
            _ => return Ok(None),
        }))
    }

    /// Whether it waits for the disk.
    pub(crate) fn blocks(&self) -> bool {
        matches!(self, Request::Create { .. } | Request::Remove(_))
    }

    /// Does what is asked and writes the reply. What it returns is to be finished after the reply.
    pub(crate) fn serve(self, gateway: &Gateway, out: &mut Vec<u8>) -> Option<Removal> {
        match self {
            Request::List => info::list_stores(out, gateway),
            Request::Create { name, options } => {
                done(out, gateway.create(&name, &options));
            }
            Request::Remove(name) => return done(out, gateway.remove(&name)),
            Request::Status(name) => match gateway.store(&name) {
                Some(store) => {
                    put::tuple(out, 2);
                    put::atom(out, "ok");
                    let serving = store.replica.status().state == State::Serving;
                    put::atom(out, if serving { "running" } else { "stopped" });
                }
                None if gateway.refused().iter().any(|store| store.name == name) => {
                    put::tuple(out, 2);
                    put::atom(out, "ok");
                    put::atom(out, "stopped");
                }
                None => error(out, "not_found"),
            },
            Request::Config(name) => match gateway.store(&name) {
                Some(store) => {
                    put::tuple(out, 2);
                    put::atom(out, "ok");
                    info::store_config(out, &store);
                }
                None => error(out, "not_found"),
            },
        }
        None
    }
}

/// A store's name: an atom of 1 to [`MAX_STORE_NAME`] characters.
fn store_name(term: Term<'_>) -> Result<String, Refusal> {
    let wrong = |problem: String| Refusal::argument("store", problem);
    let Some(name) = term.as_atom().map(|atom| atom.text()) else {
        return Err(wrong("give the store's name as an atom".into()));
    };
    match name.chars().count() {
        1..=MAX_STORE_NAME => Ok(name.into_owned()),
        count => Err(wrong(format!(
            "its name has {count} characters; give 1 to {MAX_STORE_NAME}"
        ))),
    }
}

/// Options: a keyword list or a map, which the store keeps and shows.
fn checked(options: Term<'_>) -> Result<Vec<u8>, Refusal> {
    let wrong = |problem: String| Refusal::argument("options", problem);
    let is_list = options.as_proper_list().is_some_and(|mut options| {
        options.all(|option| {
            option
                .as_array()
                .is_some_and(|[key, _]| key.as_atom().is_some())
        })
    });
    if !is_list && options.kind() != Kind::Map {
        return Err(wrong("give a list of {Key, Value}, or a map".into()));
    }
    if options.as_bytes().len() > MAX_OPTIONS {
        return Err(wrong(format!("they have more than {MAX_OPTIONS} bytes")));
    }
    options
        .check_keys()
        .map_err(|error| wrong(error.to_string()))?;
    StoreOptions::read(options)?;
    Ok(options.as_bytes().to_vec())
}

/// Writes the reply to a change; what it gave is passed on.
fn done<T>(out: &mut Vec<u8>, result: Result<T, StoreError>) -> Option<T> {
    match result {
        Ok(done) => {
            put::atom(out, "ok");
            return Some(done);
        }
        Err(StoreError::AlreadyExists(_)) => error(out, "already_exists"),
        Err(StoreError::NotFound(_)) => error(out, "not_found"),
        Err(other) => refusal::passing(out, "store_unavailable", &other.to_string()),
    }
    None
}

/// `{error, Name}`
fn error(out: &mut Vec<u8>, name: &str) {
    put::tuple(out, 2);
    put::atom(out, "error");
    put::atom(out, name);
}
