//! Calling functions of a peer, through its `rex`.

use crate::connection::Connection;
use crate::process::{Origin, Process};
use esdb_etf::{Pid, Reference, Term, put};
use parking_lot::Mutex;
use std::collections::HashMap;
use tokio::sync::oneshot;

/// Why a function of a peer gave no result.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is no connection to that node.
    #[error("not connected with {0}")]
    NotConnected(String),
    /// The connection was lost before the result came.
    #[error("the connection was lost before the result came")]
    Lost,
    /// The peer has no `rex` process.
    #[error("the node does not serve remote calls")]
    NotServed,
    /// The function failed: the raw term of `Reason` in the answer `{badrpc, Reason}`.
    #[error("the function failed ({} bytes of reason)", .0.len())]
    BadRpc(Vec<u8>),
}

struct Pending {
    connection: Connection,
    done: oneshot::Sender<Result<Vec<u8>, CallError>>,
}

/// The process that calls and gets the answers.
#[derive(Default)]
pub(crate) struct Calls {
    /// By the words of the call's reference.
    pending: Mutex<HashMap<Vec<u32>, Pending>>,
}

/// A call under way: taken back when this is dropped.
struct Call<'a> {
    calls: &'a Calls,
    connection: &'a Connection,
    me: &'a Pid,
    rex: Vec<u8>,
    reference: Reference,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.calls.pending.lock().remove(&self.reference.words);
        self.connection
            .demonitor(self.me, &self.rex, &self.reference);
    }
}

/// A function and its arguments.
pub(crate) struct Request<'a> {
    pub(crate) module: &'a str,
    pub(crate) function: &'a str,
    /// Raw list term.
    pub(crate) arguments: &'a [u8],
}

impl Calls {
    /// `me`: the pid of this process.
    pub(crate) async fn call(
        &self,
        connection: &Connection,
        me: &Pid,
        request: &Request<'_>,
    ) -> Result<Vec<u8>, CallError> {
        let mut rex = Vec::new();
        put::atom(&mut rex, "rex");
        let (done, result) = oneshot::channel();
        let pending = Pending {
            connection: connection.clone(),
            done,
        };
        let reference = {
            // That there is no `rex` may be said before the reference is known: it waits for the lock.
            let mut all = self.pending.lock();
            let reference = connection.monitor(me, &rex);
            all.insert(reference.words.clone(), pending);
            reference
        };
        let call = Call {
            calls: self,
            connection,
            me,
            rex,
            reference,
        };
        connection.send_to_name(me, "rex", true, |out| {
            put::tuple(out, 3);
            put::atom(out, "$gen_call");
            put::tuple(out, 2);
            me.put(out);
            call.reference.put(out);
            put::tuple(out, 5);
            put::atom(out, "call");
            put::atom(out, request.module);
            put::atom(out, request.function);
            out.extend_from_slice(request.arguments);
            me.put(out);
        });
        if *connection.0.gone.borrow() {
            return Err(CallError::Lost);
        }
        result.await.unwrap_or(Err(CallError::Lost))
    }

    fn finish(&self, reference: Term<'_>, result: Result<Vec<u8>, CallError>) {
        let Some(reference) = reference.as_reference() else {
            return;
        };
        if let Some(pending) = self.pending.lock().remove(&reference.words) {
            let _given_up = pending.done.send(result);
        }
    }

    /// The connection is lost, and all calls on it.
    pub(crate) fn disconnected(&self, connection: &Connection) {
        self.pending
            .lock()
            .retain(|_, pending| pending.connection != *connection);
    }
}

impl Process for Calls {
    fn message(&self, _origin: &Origin<'_>, message: Term<'_>) {
        let Some([reference, result]) = message.as_array() else {
            return;
        };
        let result = match result.as_array() {
            Some([label, reason]) if label.is_atom("badrpc") => {
                Err(CallError::BadRpc(reason.as_bytes().to_vec()))
            }
            _ => Ok(result.as_bytes().to_vec()),
        };
        self.finish(reference, result);
    }

    fn down(&self, _origin: &Origin<'_>, reference: Term<'_>, _reason: Term<'_>) {
        self.finish(reference, Err(CallError::NotServed));
    }
}
