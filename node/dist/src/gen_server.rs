//! The messages of `gen_server:call` and `gen_server:cast`, and how a call is answered.
//!
//! Since OTP 24 a caller's tag is `[alias|Ref]`: the answer then goes to the alias `Ref`, which the
//! peer drops if the caller has given up. A tag of any other form is answered to the caller's pid.
//! Source: `gen:do_call/4` and `gen:reply/2` of OTP 25.

use crate::connection::{Connection, control};
use crate::raw::Raw;
use esdb_etf::{Kind, Term, VERSION, put, tag};

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

/// Who called, of a message of which only the begin is there.
pub(crate) fn caller_of(begin: &[u8]) -> Option<From<'_>> {
    let elements = begin.strip_prefix(&[VERSION, tag::SMALL_TUPLE, 3])?;
    let (label, rest) = Term::take(elements).ok()?;
    let (from, _) = Term::take(rest).ok()?;
    let [pid, tag] = from.as_array()?;
    (label.is_atom("$gen_call") && pid.kind() == Kind::Pid).then_some(From { pid, tag })
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
        connection.frame(flush, |out| {
            self.put_head(connection, out);
            body(out);
        });
    }

    /// Answers the call with the raw term `body`, unless so much is queued for the peer that it has
    /// no room now: then the body is given back, for [`Caller::reply_with`]. `queued` is called when
    /// the answer is about to be queued, before the peer can have it; it must not block.
    ///
    /// # Errors
    /// The body.
    pub fn try_reply_with(
        &self,
        connection: &Connection,
        body: Vec<u8>,
        queued: impl FnOnce(),
    ) -> Result<(), Vec<u8>> {
        connection.try_frame(body, |out| {
            queued();
            self.put_head(connection, out);
        })
    }

    /// Answers the call with the raw term `body`, of at most [`Connection::largest_answer`] bytes, as
    /// soon as there is room for it or the connection is lost. `queued`: as with
    /// [`Caller::try_reply_with`].
    pub async fn reply_with(&self, connection: &Connection, body: Vec<u8>, queued: impl Fn()) {
        let head = |out: &mut Vec<u8>| {
            queued();
            self.put_head(connection, out);
        };
        connection.frame_in_time(body, head).await;
    }

    /// All of the answer that comes before its body.
    fn put_head(&self, connection: &Connection, out: &mut Vec<u8>) {
        match self.alias.and_then(|at| self.tag.get(at..)) {
            Some(reference) => control::alias_send(out, &connection.0.local.system, reference),
            None => control::send(out, &self.pid),
        }
        out.push(VERSION);
        put::tuple(out, 2);
        out.extend_from_slice(&self.tag);
    }
}
