//! `rex`: the server of `rpc` of before OTP 23, which newer nodes still have.
//!
//! Source: `rpc.erl` of OTP 25.

use super::exports::{Applied, Exports, Mfa};
use crate::gen_server::{self, Request};
use crate::process::{Origin, Process};
use esdb_etf::{Term, put};
use std::sync::Arc;

pub(crate) struct Rex(pub(crate) Arc<Exports>);

/// `{Label, M, F, Args, GroupLeader}`.
fn mfa<'a>(request: Term<'a>, labels: &[&str]) -> Option<Mfa<'a>> {
    let [label, module, function, arguments, _leader] = request.as_array()?;
    let known = labels.iter().any(|known| label.is_atom(known));
    known.then_some(Mfa {
        module,
        function,
        arguments,
    })
}

impl Process for Rex {
    fn message(&self, origin: &Origin<'_>, message: Term<'_>) {
        match gen_server::parse(message) {
            Request::Call { from, request } => {
                if let Some(mfa) = mfa(request, &["call", "block_call"]) {
                    let applied = self.0.apply(mfa);
                    from.to_caller()
                        .reply(origin.connection, true, |out| put(out, mfa, &applied));
                }
            }
            Request::Cast { request } => {
                if let Some(mfa) = mfa(request, &["cast", "block_cast"]) {
                    self.0.apply(mfa);
                }
            }
            Request::Other(_) => {}
        }
    }
}

/// The result, or `{badrpc, {'EXIT', {Reason, Stack}}}`.
fn put(out: &mut Vec<u8>, mfa: Mfa<'_>, applied: &Applied) {
    let reason = match applied {
        Applied::Value(value) => return out.extend_from_slice(value),
        Applied::Undef => "undef",
        Applied::Badarg => "badarg",
    };
    put::tuple(out, 2);
    put::atom(out, "badrpc");
    put::tuple(out, 2);
    put::atom(out, "EXIT");
    put::tuple(out, 2);
    put::atom(out, reason);
    mfa.put_stack(out);
}
