//! A process that answers calls with what it was asked, and notes everything else.

use esdb_dist::gen_server::{self, Request};
use esdb_dist::{Origin, Process};
use esdb_etf::Term;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

#[derive(Debug, PartialEq, Eq)]
pub enum Noted {
    Cast {
        sender: Option<Vec<u8>>,
        term: Vec<u8>,
    },
    Other(Vec<u8>),
    Demonitored,
}

pub struct Echo(Mutex<Sender<Noted>>);

impl Echo {
    pub fn new() -> (Arc<Echo>, Receiver<Noted>) {
        let (sender, receiver) = channel();
        (Arc::new(Echo(Mutex::new(sender))), receiver)
    }

    fn note(&self, noted: Noted) {
        // Whoever does not look has dropped the receiver.
        let _ignored = self.0.lock().unwrap().send(noted);
    }
}

impl Process for Echo {
    fn message(&self, origin: &Origin<'_>, message: Term<'_>) {
        match gen_server::parse(message) {
            Request::Call { from, request } => {
                from.to_caller().reply(origin.connection, true, |out| {
                    out.extend_from_slice(request.as_bytes())
                });
            }
            Request::Cast { request } => self.note(Noted::Cast {
                sender: origin.sender.map(<[u8]>::to_vec),
                term: request.as_bytes().to_vec(),
            }),
            Request::Other(term) => self.note(Noted::Other(term.as_bytes().to_vec())),
        }
    }

    fn demonitored(&self, _origin: &Origin<'_>, _reference: Term<'_>) {
        self.note(Noted::Demonitored);
    }
}
