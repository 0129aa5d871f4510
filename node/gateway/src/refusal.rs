//! Every error that a request can be answered with, apart from version conflicts.

use esdb_etf::put;
use esdb_log::Unavailable;
use esdb_store::StoreError;
use esdb_subscription::InvalidSelector;

/// Why a request can never succeed as it is. The text says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// An event of an append is not one.
    #[error("event {number} of the batch: {problem}")]
    InvalidEvent {
        /// Its place in the batch, from 1.
        number: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// An argument has the wrong type or value.
    #[error("{argument}: {problem}")]
    InvalidRequest {
        /// Which argument.
        argument: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The store takes streams only with ids of a format that this one has not.
    #[error(
        "stream id: {why}; this store wants 1 to 32 small letters, a hyphen and 32 hexadecimal digits, \
         or $namespace:name"
    )]
    InvalidStreamId {
        /// What is wrong with it, as reckon_gater 2.2 says: an atom's text.
        why: &'static str,
        /// The raw term.
        id: Vec<u8>,
    },
    /// What a subscription selects makes no sense.
    #[error("selector: {0}")]
    InvalidFilter(InvalidSelector),
    /// The store named in the request is not served here.
    #[error("no store named {0} is served here; list_stores names those that are")]
    UnknownStore(String),
    /// The request is none that this server knows.
    #[error("unknown request {0}")]
    UnknownRequest(String),
    /// The request is larger than the store accepts.
    #[error("{0}")]
    TooLarge(String),
}

impl Refusal {
    /// A refused argument.
    pub(crate) fn argument(argument: &'static str, problem: impl Into<String>) -> Self {
        Refusal::InvalidRequest {
            argument,
            problem: problem.into(),
        }
    }

    /// The atom that stands for it in the reply.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Refusal::InvalidEvent { .. } => "invalid_event",
            Refusal::InvalidRequest { .. } | Refusal::InvalidStreamId { .. } => "invalid_request",
            Refusal::InvalidFilter(_) => "invalid_filter",
            Refusal::UnknownStore(_) => "unknown_store",
            Refusal::UnknownRequest(_) => "unknown_request",
            Refusal::TooLarge(_) => "too_large",
        }
    }
}

/// The reply to a request that can never succeed as it is: `{error, {stream_not_found, {Name, Text}}}`.
///
/// Clients send a request again, for about a minute, unless the error is of one of a few shapes. This
/// is the only one that every version leaves alone and that can carry a reason.
///
/// Those that wait for the answer to a new subscription, 2.1.2 and later, leave
/// `{error, {invalid_filter, Reason}}` alone, too; the others cast.
pub(crate) fn refused(out: &mut Vec<u8>, refusal: &Refusal) {
    if let Refusal::InvalidFilter(invalid) = refusal {
        return dressed(out, refusal.name(), invalid.reason, &invalid.text);
    }
    dressed(
        out,
        "stream_not_found",
        refusal.name(),
        &refusal.to_string(),
    );
}

/// `{error, {Dress, {Name, Text}}}`
pub(crate) fn dressed(out: &mut Vec<u8>, dress: &str, name: &str, text: &str) {
    put::tuple(out, 2);
    put::atom(out, "error");
    put::tuple(out, 2);
    put::atom(out, dress);
    put::tuple(out, 2);
    put::atom(out, name);
    put::binary(out, text.as_bytes());
}

/// The reply `{error, {Name, Text}}` for a condition that may pass. Every client sends the request
/// again after a while, which is what should happen.
pub(crate) fn passing(out: &mut Vec<u8>, name: &str, text: &str) {
    put::tuple(out, 2);
    put::atom(out, "error");
    put::tuple(out, 2);
    put::atom(out, name);
    put::binary(out, text.as_bytes());
}

/// The reply to a request that the log could not take.
pub(crate) fn unavailable(out: &mut Vec<u8>, reason: &Unavailable) {
    let name = match reason {
        Unavailable::DiskFull(_) => "disk_full",
        Unavailable::DiskFailed(_) => "disk_error",
        Unavailable::Overloaded => "overloaded",
        _ => "store_stopped",
    };
    passing(out, name, &reason.to_string());
}

/// The reply to a read that failed. Damage is never dressed as `stream_not_found`, though old
/// clients send such a request again in vain: they take that shape for an empty stream.
pub(crate) fn failed_read(out: &mut Vec<u8>, error: &StoreError) {
    passing(out, "read_failed", &error.to_string());
}

/// The reply `{error, not_found}`, which no client sends its request again for.
pub(crate) fn not_found(out: &mut Vec<u8>) {
    put::tuple(out, 2);
    put::atom(out, "error");
    put::atom(out, "not_found");
}

/// The reply `{error, {subscription_not_found, Name}}`.
pub(crate) fn subscription_not_found(out: &mut Vec<u8>, name: &[u8]) {
    put::tuple(out, 2);
    put::atom(out, "error");
    put::tuple(out, 2);
    put::atom(out, "subscription_not_found");
    put::binary(out, name);
}

/// The reply `{error, {stream_not_found, Stream}}`.
pub(crate) fn stream_not_found(out: &mut Vec<u8>, stream: &[u8]) {
    put::tuple(out, 2);
    put::atom(out, "error");
    put::tuple(out, 2);
    put::atom(out, "stream_not_found");
    put::binary(out, stream);
}
