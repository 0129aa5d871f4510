//! Keeps a connection with a node: dials it, and again whenever the connection is lost.

use crate::handshake::HandshakeError;
use crate::link_up::{DialError, dial};
use crate::node::Shared;
use std::sync::Arc;
use std::time::Duration;

const FIRST_DELAY: Duration = Duration::from_millis(100);
/// Short, so that clients go on soon after a broken network is whole again.
const LAST_DELAY: Duration = Duration::from_secs(2);

/// For ever.
pub(crate) async fn keep(shared: Arc<Shared>, name: String) {
    let (mut delay, mut told) = (FIRST_DELAY, String::new());
    loop {
        if shared.peers.get(&name).is_some() {
            (delay, told) = (FIRST_DELAY, String::new());
            until(&shared, || shared.peers.get(&name).is_none()).await;
            // A peer that has hung up may dial at once, and if both dial at the same time, OTP 25 loses
            // one of its own callers now and then.
        } else if let Err(error) = dial(&shared, &name).await
            // The peer has dialled, too, and wins: nothing to tell of.
            && !matches!(error, DialError::Handshake(HandshakeError::Simultaneous))
        {
            let error = error.to_string();
            // Each reason once, not every few seconds.
            if error != told {
                tracing::warn!(peer = name, error, "cannot connect yet; trying again");
                told = error;
            }
        }
        let connected = until(&shared, || shared.peers.get(&name).is_some());
        if tokio::time::timeout(delay, connected).await.is_err() {
            delay = (delay * 2).min(LAST_DELAY);
        }
    }
}

/// Waits for something that changes with the connections.
async fn until(shared: &Shared, holds: impl Fn() -> bool) {
    let mut changed = shared.peers.changed.subscribe();
    while !holds() && changed.changed().await.is_ok() {}
}
