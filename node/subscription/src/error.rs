//! What can be wrong with a selector.

/// A selector that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct InvalidSelector {
    /// The name of the fault, an atom in replies. `invalid_stream` is the published one.
    pub reason: &'static str,
    /// What is wrong, for people.
    pub text: String,
}

impl InvalidSelector {
    pub(crate) fn new(reason: &'static str, text: impl Into<String>) -> Self {
        Self {
            reason,
            text: text.into(),
        }
    }
}
