//! Calls whose caller still waits.
//!
//! `gen_server:call` monitors the worker before it sends and takes the monitor back when it has its
//! answer or has given up. A call that is given up before it entered a batch is dropped.

use esdb_log::Cancel;
use parking_lot::Mutex;
use std::collections::HashMap;

/// The calls in progress at one worker, by the reference that the caller monitors it with.
#[derive(Default)]
pub(crate) struct Calls {
    waiting: Mutex<HashMap<Box<[u8]>, Cancel>>,
}

impl Calls {
    /// A call with the monitor `reference` begins.
    pub(crate) fn begin(&self, reference: &[u8]) -> Cancel {
        let cancel = Cancel::default();
        self.waiting.lock().insert(reference.into(), cancel.clone());
        cancel
    }

    /// The caller took its monitor back.
    pub(crate) fn end(&self, reference: &[u8]) {
        if let Some(cancel) = self.waiting.lock().remove(reference) {
            cancel.cancel();
        }
    }
}
