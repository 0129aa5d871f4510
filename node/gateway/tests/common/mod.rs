//! Reading a request, with a limit on the memory for it. The fuzz target uses it, too.

use allocation_counter::measure;
use esdb_etf::Term;
use esdb_gateway::probe::{Understood, understand};

/// Memory beyond four times the bytes of the request: for what is nested (see `Term::check_keys`),
/// for the names in a list, for texts.
const WORKSPACE: u64 = 1 << 20;

/// Reads `bytes` as a request of both generations of clients. The errors of both are terms.
pub fn ask(bytes: &[u8]) -> Option<[Understood; 2]> {
    let term = Term::parse(bytes).ok()?;
    Some([true, false].map(|old| {
        let mut understood = Understood::Other;
        let used = measure(|| understood = understand(old, term));
        let len = bytes.len() as u64;
        let most = 4 * len + WORKSPACE.min(1024 + 64 * len);
        assert!(
            used.bytes_max <= most,
            "{} bytes for a request of {len}: {:?}",
            used.bytes_max,
            bytes.get(..200)
        );
        if let Understood::Refused(reply) = &understood {
            let error = Term::parse(reply).ok().and_then(Term::as_array);
            assert!(error.is_some_and(|[error, _]| error.is_atom("error")));
        }
        understood
    }))
}
