//! What is made of a request, without a store and a client.

use crate::asked::Asked;
use crate::generation::Generation;
use crate::refusal;
use crate::request::Work;
use crate::store_options::StoreOptions;
use esdb_etf::Term;

/// What a request would do.
#[derive(Debug, PartialEq, Eq)]
pub enum Understood {
    /// Put this command into the log.
    Write(Vec<u8>),
    /// Anything else.
    Other,
    /// Be answered with this error, a raw term.
    Refused(Vec<u8>),
}

/// Reads a request to a worker of the old or the new group.
pub fn understand(old: bool, request: Term<'_>) -> Understood {
    let generation = match old {
        true => Generation::Esdb,
        false => Generation::Reckon,
    };
    match Asked::parse(request, generation, 64 << 20, |_| StoreOptions::default()) {
        Ok(Asked::Work(_, Work::Write { command, .. })) => Understood::Write(command),
        Ok(_) => Understood::Other,
        Err(refused) => {
            let mut reply = Vec::new();
            refusal::refused(&mut reply, &refused);
            Understood::Refused(reply)
        }
    }
}
