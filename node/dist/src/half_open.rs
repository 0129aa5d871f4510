//! Connections of peers that have not said yet who they are or what they want.
//!
//! There is a quota of them. When it is used up, a newcomer takes the place of the oldest one of the
//! address that has most. What is honest says what it wants within milliseconds, so what gives way is
//! what says nothing; and whoever comes with many from one address is in his own way only.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use tokio::task::{AbortHandle, JoinSet};

/// What is under way with each of them; ended when this is dropped.
pub(crate) struct HalfOpen<T> {
    quota: usize,
    tasks: JoinSet<T>,
    /// The oldest first.
    begun: Vec<(SocketAddr, AbortHandle)>,
}

impl<T: Send + 'static> HalfOpen<T> {
    /// At most `quota` at once, which is at least 1.
    pub(crate) fn new(quota: usize) -> Self {
        HalfOpen {
            quota: quota.max(1),
            tasks: JoinSet::new(),
            begun: Vec::new(),
        }
    }

    /// Begins `work` with the peer at `address`. Returns whose work was ended for it, if any was.
    pub(crate) fn begin(
        &mut self,
        address: SocketAddr,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<SocketAddr> {
        let ended = (self.begun.len() >= self.quota).then(|| self.end_one());
        let task = self.tasks.spawn(work);
        self.begun.push((address, task));
        ended.flatten()
    }

    /// The next result; waits for ever if nothing is under way.
    pub(crate) async fn next(&mut self) -> Option<T> {
        let (id, result) = match self.tasks.join_next_with_id().await {
            Some(Ok((id, result))) => (id, Some(result)),
            Some(Err(error)) => (error.id(), None),
            None => return std::future::pending().await,
        };
        self.begun.retain(|(_, task)| task.id() != id);
        result
    }

    fn end_one(&mut self) -> Option<SocketAddr> {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (address, _) in &self.begun {
            *counts.entry(address.ip()).or_default() += 1;
        }
        let most = counts.values().max();
        let is_chosen =
            |(address, _): &(SocketAddr, AbortHandle)| counts.get(&address.ip()) == most;
        let oldest = self.begun.iter().position(is_chosen)?;
        let (address, task) = self.begun.remove(oldest);
        task.abort();
        (!task.is_finished()).then_some(address)
    }
}
