//! What each control message of a peer does.

use super::watchers::Monitor;
use super::{Connection, PASS_THROUGH, control as op};
use crate::gen_server;
use crate::node::Shared;
use crate::process::Origin;
use crate::services::spawn;
use esdb_etf::{Error, Term, VERSION, put};

/// Why a peer's frame closes the connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of type {0}, which was not agreed on")]
    Type(u8),
    #[error("malformed control message: {0}")]
    Control(#[source] Error),
    #[error("malformed message: {0}")]
    Message(#[source] Error),
    #[error("control message {operation:?} with unexpected fields")]
    Fields { operation: Option<u64> },
}

/// One control message and the message that follows it.
pub(crate) struct Frame<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
    control: Term<'a>,
    rest: &'a [u8],
}

/// Acts on one frame, which is not a tick.
pub(crate) fn frame(
    shared: &Shared,
    connection: &Connection,
    bytes: &[u8],
) -> Result<(), FrameError> {
    let rest = match bytes {
        [PASS_THROUGH, VERSION, rest @ ..] => rest,
        [PASS_THROUGH, other, ..] => return Err(FrameError::Control(Error::Version(*other))),
        [PASS_THROUGH] => return Err(FrameError::Control(Error::Truncated { at: 1 })),
        [other, ..] => return Err(FrameError::Type(*other)),
        [] => return Ok(()),
    };
    let (control, rest) = Term::take(rest).map_err(FrameError::Control)?;
    Frame {
        shared,
        connection,
        control,
        rest,
    }
    .act()
}

/// A frame of `len` bytes, of which `head` is the begin, exceeds `limit`. If it is a call of a process
/// that can say so, the caller learns it from that and the frame is passed over.
///
/// # Errors
/// Otherwise, why the connection must be closed.
pub(crate) fn too_large(
    shared: &Shared,
    connection: &Connection,
    head: &[u8],
    len: usize,
    limit: usize,
) -> Result<(), String> {
    let answered = || {
        let rest = head.strip_prefix(&[PASS_THROUGH, VERSION])?;
        let (control, rest) = Term::take(rest).ok()?;
        let elements: Vec<Term<'_>> = control.as_tuple()?.collect();
        let to = match (control.as_tuple()?.next()?.as_u64()?, elements.as_slice()) {
            (op::SEND | op::SEND_SENDER, [_, _, to]) => *to,
            (op::REG_SEND, [_, _, _, name]) => *name,
            _ => return None,
        };
        let process = shared.processes.get(shared.processes.find(to)?)?;
        let origin = Origin {
            connection,
            sender: None,
        };
        let from = gen_server::caller_of(rest)?;
        process.too_large(&origin, from, len, limit).then_some(())
    };
    answered().ok_or_else(|| format!("a frame of {len} bytes; at most {limit} are accepted"))
}

impl<'a> Frame<'a> {
    fn act(&self) -> Result<(), FrameError> {
        match self.operation() {
            Some(op::SEND) => self.fields().and_then(|[_, _, to]| self.send(None, to)),
            Some(op::SEND_TT) => self.fields().and_then(|[_, _, to, _]| self.send(None, to)),
            Some(op::SEND_SENDER) => self
                .fields()
                .and_then(|[_, from, to]| self.send(Some(from), to)),
            Some(op::SEND_SENDER_TT) => self
                .fields()
                .and_then(|[_, from, to, _]| self.send(Some(from), to)),
            Some(op::REG_SEND) => self
                .fields()
                .and_then(|[_, from, _, name]| self.send(Some(from), name)),
            Some(op::REG_SEND_TT) => self
                .fields()
                .and_then(|[_, from, _, name, _]| self.send(Some(from), name)),
            // This node makes no aliases, so whom an alias meant is gone.
            Some(op::ALIAS_SEND) => self.fields().and_then(|[_, _, _]| self.message().map(drop)),
            Some(op::ALIAS_SEND_TT) => self
                .fields()
                .and_then(|[_, _, _, _]| self.message().map(drop)),
            Some(op::SPAWN_REQUEST) => {
                let [_, request, from, _, mfa, options] = self.fields()?;
                self.spawn(request, from, mfa, options)
            }
            Some(op::SPAWN_REQUEST_TT) => {
                let [_, request, from, _, mfa, options, _] = self.fields()?;
                self.spawn(request, from, mfa, options)
            }
            _ => self.signal(),
        }
    }

    fn signal(&self) -> Result<(), FrameError> {
        match self.operation() {
            Some(op::MONITOR_P) => self
                .fields()
                .map(|[_, from, to, r]| self.monitor(from, to, r)),
            Some(op::DEMONITOR_P) => self.fields().map(|[_, _, _, r]| self.demonitor(r)),
            Some(op::MONITOR_P_EXIT) => self
                .fields()
                .map(|[_, _, to, reference, reason]| self.down(to, reference, reason)),
            Some(op::PAYLOAD_MONITOR_P_EXIT) => {
                let [_, _, to, reference] = self.fields()?;
                self.message()
                    .map(|reason| self.down(to, reference, reason))
            }
            Some(op::LINK) => self.fields().map(|[_, from, to]| self.link(from, to)),
            Some(op::UNLINK) => self.fields().map(|[_, from, to]| self.unlink(from, to)),
            Some(op::UNLINK_ID) => self.fields().map(|[_, id, from, to]| {
                self.unlink(from, to);
                self.connection.frame(true, |out| {
                    op::unlink_ack(out, id.as_bytes(), to.as_bytes(), from.as_bytes());
                });
            }),
            // A process of this node outlives the processes it is linked with; it forgets the link.
            Some(op::EXIT) => self.fields().map(|[_, from, to, _]| self.unlink(from, to)),
            Some(op::EXIT_TT) => self
                .fields()
                .map(|[_, from, to, _, _]| self.unlink(from, to)),
            Some(op::PAYLOAD_EXIT) => {
                let [_, from, to] = self.fields()?;
                self.message().map(|_| self.unlink(from, to))
            }
            Some(op::PAYLOAD_EXIT_TT) => {
                let [_, from, to, _] = self.fields()?;
                self.message().map(|_| self.unlink(from, to))
            }
            operation => self.without_effect(operation),
        }
    }

    /// Messages that are understood and need nothing done: no process of this node ends because a
    /// peer wants it to, nor has it a group leader, nor does this node spawn or unlink remotely.
    fn without_effect(&self, operation: Option<u64>) -> Result<(), FrameError> {
        match operation {
            Some(op::EXIT2) => self.fields().map(|[_, _, _, _]| ()),
            Some(op::EXIT2_TT) => self.fields().map(|[_, _, _, _, _]| ()),
            Some(op::PAYLOAD_EXIT2) => self.fields().and_then(|[_, _, _]| self.message().map(drop)),
            Some(op::PAYLOAD_EXIT2_TT) => self
                .fields()
                .and_then(|[_, _, _, _]| self.message().map(drop)),
            Some(op::UNLINK_ID_ACK) => self.fields().map(|[_, _, _, _]| ()),
            Some(op::GROUP_LEADER) => self.fields().map(|[_, _, _]| ()),
            Some(op::NODE_LINK) => self.fields().map(|[_]| ()),
            Some(op::SPAWN_REPLY) => self.fields().map(|[_, _, _, _, _]| ()),
            Some(op::SPAWN_REPLY_TT) => self.fields().map(|[_, _, _, _, _, _]| ()),
            operation => Err(FrameError::Fields { operation }),
        }
    }

    fn operation(&self) -> Option<u64> {
        self.control.as_tuple()?.next()?.as_u64()
    }

    fn fields<const N: usize>(&self) -> Result<[Term<'a>; N], FrameError> {
        let operation = self.operation();
        self.control
            .as_array()
            .ok_or(FrameError::Fields { operation })
    }

    fn message(&self) -> Result<Term<'a>, FrameError> {
        Term::parse_external(self.rest).map_err(FrameError::Message)
    }

    fn origin(&self, sender: Option<Term<'a>>) -> Origin<'a> {
        Origin {
            connection: self.connection,
            sender: sender.map(Term::as_bytes),
        }
    }

    /// To a pid or a registered name; a message to nobody is dropped.
    fn send(&self, from: Option<Term<'a>>, to: Term<'a>) -> Result<(), FrameError> {
        let message = self.message()?;
        let process = self
            .shared
            .processes
            .find(to)
            .and_then(|k| self.shared.processes.get(k));
        if let Some(process) = process {
            process.message(&self.origin(from), message);
        }
        Ok(())
    }

    fn monitor(&self, from: Term<'a>, to: Term<'a>, reference: Term<'a>) {
        let watchers = &self.connection.0.watchers;
        if let Some(key) = self.shared.processes.find(to) {
            let (watcher, target) = (from.as_bytes().into(), to.as_bytes().into());
            watchers.monitor(
                reference.as_bytes(),
                Monitor {
                    watcher,
                    target,
                    key,
                },
            );
            // Asked after the monitor is in place: a process that ends now tells it, too, and
            // whoever takes the monitor out is the one who tells.
            if self.shared.processes.get(key).is_some()
                || watchers.demonitor(reference.as_bytes()).is_none()
            {
                return;
            }
        }
        let mut noproc = Vec::new();
        put::atom(&mut noproc, "noproc");
        self.connection.frame(true, |out| {
            op::monitor_exit(
                out,
                to.as_bytes(),
                from.as_bytes(),
                reference.as_bytes(),
                &noproc,
            );
        });
    }

    fn demonitor(&self, reference: Term<'a>) {
        let taken = self.connection.0.watchers.demonitor(reference.as_bytes());
        if let Some(process) = taken.and_then(|m| self.shared.processes.get(m.key)) {
            process.demonitored(&self.origin(None), reference);
        }
    }

    fn down(&self, to: Term<'a>, reference: Term<'a>, reason: Term<'a>) {
        let process = self
            .shared
            .processes
            .find(to)
            .and_then(|k| self.shared.processes.get(k));
        if let Some(process) = process {
            process.down(&self.origin(None), reference, reason);
        }
    }

    fn link(&self, from: Term<'a>, to: Term<'a>) {
        let watchers = &self.connection.0.watchers;
        if let Some(key) = self.shared.processes.find(to) {
            watchers.link(from.as_bytes(), key);
            if self.shared.processes.get(key).is_some() || !watchers.unlink(from.as_bytes(), key) {
                return;
            }
        }
        let mut noproc = Vec::new();
        put::atom(&mut noproc, "noproc");
        self.connection.frame(true, |out| {
            op::exit(out, to.as_bytes(), from.as_bytes(), &noproc);
        });
    }

    fn unlink(&self, from: Term<'a>, to: Term<'a>) {
        if let Some(key) = self.shared.processes.find(to) {
            self.connection.0.watchers.unlink(from.as_bytes(), key);
        }
    }

    fn spawn(
        &self,
        request: Term<'a>,
        from: Term<'a>,
        mfa: Term<'a>,
        options: Term<'a>,
    ) -> Result<(), FrameError> {
        let arguments = self.message()?;
        spawn::serve(
            self.shared,
            self.connection,
            &spawn::Spawn {
                request,
                from,
                mfa,
                options,
                arguments,
            },
        );
        Ok(())
    }
}
