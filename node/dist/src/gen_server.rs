//! The messages of `gen_server:call` and `gen_server:cast`, and how a call is answered.
//!
//! Since OTP 24 a caller's tag is `[alias|Ref]`: the answer then goes to the alias `Ref`, which the
//! peer drops if the caller has given up. A tag of any other form is answered to the caller's pid.
//! Source: `gen:do_call/4` and `gen:reply/2` of OTP 25.

use crate::connection::Connection;
use crate::raw::Raw;
use esdb_etf::{Kind, Term, put};

/// A message, as a gen_server sees it.
#[derive(Debug, Clone, Copy)]
pub enum Request<'a> {
    /// `gen_server:call`.
    Call {
        /// Who waits for the answer.
        from: From<'a>,
        /// What is asked.
        request: Term<'a>,
    },
    /// `gen_server:cast`.
    Cast {
        /// What is said.
        request: Term<'a>,
    },
    /// Any other message.
    Other(Term<'a>),
}

/// Who waits for an answer, in the bytes of the request.
#[derive(Debug, Clone, Copy)]
pub struct From<'a> {
    pid: Term<'a>,
    tag: Term<'a>,
}

/// Who waits for an answer, owned.
#[derive(Debug, Clone)]
pub struct Caller {
    pid: Raw,
    tag: Raw,
    /// Offset in the tag of the reference that is an alias.
    alias: Option<usize>,
}

/// Takes a message apart.
pub fn parse<'a>(message: Term<'a>) -> Request<'a> {
    if let Some([label, from, request]) = message.as_array()
        && label.is_atom("$gen_call")
        && let Some([pid, tag]) = from.as_array()
        && pid.kind() == Kind::Pid
    {
        return Request::Call {
            from: From { pid, tag },
            request,
        };
    }
    match message.as_array() {
        Some([label, request]) if label.is_atom("$gen_cast") => Request::Cast { request },
        _ => Request::Other(message),
    }
}

impl From<'_> {
    /// The caller, to be kept until the answer is there.
    pub fn to_caller(self) -> Caller {
        Caller {
            pid: self.pid.as_bytes().into(),
            tag: self.tag.as_bytes().into(),
            alias: alias(self.tag),
        }
    }
}

/// Where in `[alias|Ref]` the reference begins.
fn alias(tag: Term<'_>) -> Option<usize> {
    let mut list = tag.as_list()?;
    let reference = list.tail();
    let alias = list.next()?.is_atom("alias") && list.len() == 0;
    (alias && reference.kind() == Kind::Reference)
        .then(|| tag.as_bytes().len() - reference.as_bytes().len())
}

impl Caller {
    /// Raw term of the caller's pid.
    pub fn pid(&self) -> &[u8] {
        &self.pid
    }

    /// Raw term of the reference under which the caller monitors the process that it called: with
    /// it, [`crate::Process::demonitored`] tells when the caller has given up.
    pub fn monitor_reference(&self) -> Option<&[u8]> {
        match self.alias {
            Some(at) => self.tag.get(at..),
            None => {
                let (tag, _) = Term::take(&self.tag).ok()?;
                (tag.kind() == Kind::Reference).then_some(&*self.tag)
            }
        }
    }

    /// Answers the call with the term that `body` writes. `flush`: as [`Connection::send`].
    pub fn reply(&self, connection: &Connection, flush: bool, body: impl FnOnce(&mut Vec<u8>)) {
        let message = |out: &mut Vec<u8>| {
            put::tuple(out, 2);
            out.extend_from_slice(&self.tag);
            body(out);
        };
        match self.alias.and_then(|at| self.tag.get(at..)) {
            Some(reference) => connection.alias_send(reference, flush, message),
            None => connection.send(&self.pid, flush, message),
        }
    }
}
