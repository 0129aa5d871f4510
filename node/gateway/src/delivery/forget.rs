//! Removes subscriptions that have had nobody to deliver to for long, where that is configured.

use super::registry::Subscriptions;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Looks for them again and again, as long as the store is served.
pub(super) async fn run(subscriptions: Weak<Subscriptions>, after: Duration) {
    let period = (after / 4).clamp(Duration::from_millis(100), Duration::from_secs(60));
    loop {
        tokio::time::sleep(period).await;
        let Some(subscriptions) = subscriptions.upgrade() else {
            return;
        };
        subscriptions.remove_absent(after);
    }
}

impl Subscriptions {
    /// From now on removes what has been absent for so long.
    pub(crate) fn forget_after(self: &Arc<Self>, after: Duration) {
        tokio::runtime::Handle::current().spawn(run(Arc::downgrade(self), after));
    }
}
