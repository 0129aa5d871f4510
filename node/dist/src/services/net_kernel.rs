//! `net_kernel`: answers `net_adm:ping/1`.

use crate::gen_server::{self, Request};
use crate::process::{Origin, Process};
use esdb_etf::{Term, put};

pub(crate) struct NetKernel;

impl Process for NetKernel {
    fn message(&self, origin: &Origin<'_>, message: Term<'_>) {
        if let Request::Call { from, request } = gen_server::parse(message)
            && let Some([question, _node]) = request.as_array()
            && question.is_atom("is_auth")
        {
            // Whoever can ask has shown the cookie.
            from.to_caller()
                .reply(origin.connection, true, |out| put::atom(out, "yes"));
        }
    }
}
