//! Keeps a connection with a node: dials it, and again whenever the connection is lost.

use crate::link_up::dial;
use crate::node::Shared;
use std::sync::Arc;
use std::time::Duration;

const FIRST_DELAY: Duration = Duration::from_millis(100);
/// Short, so that clients go on soon after a broken network is whole again.
const LAST_DELAY: Duration = Duration::from_secs(2);

/// For ever.
pub(crate) async fn keep(shared: Arc<Shared>, name: String) {
    let mut changed = shared.peers.changed.subscribe();
    let (mut delay, mut told) = (FIRST_DELAY, String::new());
    loop {
        changed.mark_unchanged();
        if shared.peers.get(&name).is_some() {
            (delay, told) = (FIRST_DELAY, String::new());
            let _node_ended = changed.changed().await;
            continue;
        }
        if let Err(error) = dial(&shared, &name).await {
            let error = error.to_string();
            // Each reason once, not every few seconds.
            if error != told {
                tracing::warn!(peer = name, error, "cannot connect yet; trying again");
                told = error;
            }
        }
        let up = async {
            let mut changed = shared.peers.changed.subscribe();
            while shared.peers.get(&name).is_none() && changed.changed().await.is_ok() {}
        };
        let _dialled_by_the_peer = tokio::time::timeout(delay, up).await;
        delay = (delay * 2).min(LAST_DELAY);
    }
}
