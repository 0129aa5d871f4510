//! SPAWN_REQUEST, for the sake of `erpc` and `rpc`: both spawn `erpc:execute_call/4` or
//! `erpc:execute_cast/3` on the other node, and read the result from the exit reason of the process.
//!
//! Nothing is spawned here: the function runs at once, and the process that the peer hears of has
//! ended before the peer knows it. Source: `erpc.erl` of OTP 25.

use super::exports::{Applied, Mfa};
use crate::connection::{Connection, control};
use crate::node::Shared;
use esdb_etf::{Term, put};

/// Flags of SPAWN_REPLY.
const LINKED: u8 = 1;
const MONITORED: u8 = 2;

/// A SPAWN_REQUEST.
pub(crate) struct Spawn<'a> {
    /// The reference that names the request and, if asked for, the monitor.
    pub(crate) request: Term<'a>,
    /// Who asks.
    pub(crate) from: Term<'a>,
    /// `{Module, Function, Arity}`.
    pub(crate) mfa: Term<'a>,
    /// `monitor`, `link`, `{reply, When}` and others, which do not matter here.
    pub(crate) options: Term<'a>,
    /// The list of arguments.
    pub(crate) arguments: Term<'a>,
}

/// What the options ask for.
struct Options {
    flags: u8,
    /// `reply`: both `yes`, success only, error only or `no`.
    tell_success: bool,
    tell_error: bool,
}

/// What is to be done.
enum Task<'a> {
    Call { result: Term<'a>, mfa: Mfa<'a> },
    Cast { mfa: Mfa<'a> },
}

pub(crate) fn serve(shared: &Shared, connection: &Connection, spawn: &Spawn<'_>) {
    let Some(options) = options(spawn.options) else {
        return refuse(connection, spawn, "badopt");
    };
    match task(spawn) {
        None if options.tell_error => refuse(connection, spawn, "notsup"),
        None => {}
        Some(Task::Cast { mfa }) => {
            shared.exports.apply(mfa);
            let mut normal = Vec::new();
            put::atom(&mut normal, "normal");
            ended(shared, connection, spawn, &options, &normal);
        }
        Some(Task::Call { result, mfa }) => {
            let mut reason = Vec::new();
            put_outcome(&mut reason, result, mfa, &shared.exports.apply(mfa));
            ended(shared, connection, spawn, &options, &reason);
        }
    }
}

fn options(options: Term<'_>) -> Option<Options> {
    let mut parsed = Options {
        flags: 0,
        tell_success: true,
        tell_error: true,
    };
    for option in options.as_proper_list()? {
        let (name, value) = match option.as_array() {
            Some([name, value]) => (name, Some(value)),
            None => (option, None),
        };
        if name.is_atom("link") {
            parsed.flags |= LINKED;
        } else if name.is_atom("monitor") {
            parsed.flags |= MONITORED;
        } else if name.is_atom("reply")
            && let Some(value) = value
        {
            parsed.tell_success = value.is_atom("yes") || value.is_atom("success_only");
            parsed.tell_error = value.is_atom("yes") || value.is_atom("error_only");
        }
    }
    // Who links or monitors must hear of the process, or could never be told of its end.
    parsed.tell_success |= parsed.flags != 0;
    parsed.tell_error |= parsed.flags != 0;
    Some(parsed)
}

fn task<'a>(spawn: &Spawn<'a>) -> Option<Task<'a>> {
    let [module, function, _arity] = spawn.mfa.as_array()?;
    if !module.is_atom("erpc") {
        return None;
    }
    let arguments: Vec<Term<'a>> = spawn.arguments.as_proper_list()?.take(5).collect();
    match (function.as_atom()?.text().as_ref(), arguments.as_slice()) {
        ("execute_call", &[result, module, function, arguments]) => Some(Task::Call {
            result,
            mfa: Mfa {
                module,
                function,
                arguments,
            },
        }),
        ("execute_cast", &[module, function, arguments]) => Some(Task::Cast {
            mfa: Mfa {
                module,
                function,
                arguments,
            },
        }),
        _ => None,
    }
}

/// The exit reason that `erpc` understands: `{Res, return, Value}` or `{Res, error, Reason, Stack}`.
fn put_outcome(out: &mut Vec<u8>, result: Term<'_>, mfa: Mfa<'_>, applied: &Applied) {
    let reason = match applied {
        Applied::Value(value) => {
            put::tuple(out, 3);
            out.extend_from_slice(result.as_bytes());
            put::atom(out, "return");
            return out.extend_from_slice(value);
        }
        Applied::Undef => "undef",
        Applied::Badarg => "badarg",
    };
    put::tuple(out, 4);
    out.extend_from_slice(result.as_bytes());
    put::atom(out, "error");
    put::atom(out, reason);
    mfa.put_stack(out);
}

fn refuse(connection: &Connection, spawn: &Spawn<'_>, reason: &str) {
    connection.frame(true, |out| {
        control::spawn_reply(
            out,
            spawn.request.as_bytes(),
            spawn.from.as_bytes(),
            0,
            |out| {
                put::atom(out, reason);
            },
        );
    });
}

/// Tells that a process was made, and that it has ended.
fn ended(
    shared: &Shared,
    connection: &Connection,
    spawn: &Spawn<'_>,
    options: &Options,
    reason: &[u8],
) {
    let (request, from) = (spawn.request.as_bytes(), spawn.from.as_bytes());
    let mut pid = Vec::new();
    shared.processes.new_pid().put(&mut pid);
    if options.tell_success {
        connection.frame(options.flags == 0, |out| {
            control::spawn_reply(out, request, from, options.flags, |out| {
                out.extend_from_slice(&pid);
            });
        });
    }
    if options.flags & LINKED != 0 {
        connection.frame(true, |out| control::exit(out, &pid, from, reason));
    }
    if options.flags & MONITORED != 0 {
        connection.frame(true, |out| {
            control::monitor_exit(out, &pid, from, request, reason)
        });
    }
}
