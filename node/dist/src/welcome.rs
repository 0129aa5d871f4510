//! Lets peers in: accepts sockets and shakes hands with whoever dialled.
//!
//! Until a peer has proved that it knows the cookie it may be anybody, so it takes nobody's place: there
//! is a quota of handshakes under way, apart from that of connections.

use crate::half_open::HalfOpen;
use crate::handshake::{self, HandshakeError};
use crate::link_up::{establish, introduction};
use crate::node::Shared;
use crate::throttle::Throttle;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// For ever.
pub(crate) async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let refusals = Arc::new(Refusals::default());
    let quota = shared.config.limits.handshakes;
    let mut handshakes = HalfOpen::new(quota);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let handshake = welcome(shared.clone(), stream, address, refusals.clone());
                    if let Some(address) = handshakes.begin(address, handshake) {
                        refusals.refused(address, None, &HandshakeError::GaveWay(quota));
                    }
                }
                Err(error) => {
                    refusals.cannot_accept(&error);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            _ = handshakes.next() => {}
        }
    }
}

/// Shakes hands with a node that dialled.
async fn welcome(
    shared: Arc<Shared>,
    mut stream: TcpStream,
    address: SocketAddr,
    refusals: Arc<Refusals>,
) {
    let mut name = None;
    let ours = introduction(&shared);
    let shake = handshake::accept(
        &mut stream,
        &ours,
        &shared.config.cookie,
        &shared.peers,
        &mut name,
    );
    let result = tokio::time::timeout(shared.config.limits.handshake, shake)
        .await
        .unwrap_or(Err(HandshakeError::Timeout))
        .and_then(|(peer, arriving)| establish(&shared, stream, peer, false, arriving.handshake));
    if let Err(error) = result {
        refusals.refused(address, name.as_deref(), &error);
    }
}

/// Tells of those who were not let in; a flood of them does not become a flood of log lines.
#[derive(Default)]
struct Refusals {
    lines: Throttle,
}

impl Refusals {
    fn refused(&self, address: SocketAddr, peer: Option<&str>, error: &HandshakeError) {
        if matches!(error, HandshakeError::Simultaneous) {
            tracing::debug!(%address, peer, %error, "refused a connection");
        } else if let Some(untold) = self.untold() {
            tracing::warn!(%address, peer, %error, untold, "refused a connection");
        }
    }

    fn cannot_accept(&self, error: &std::io::Error) {
        if let Some(untold) = self.untold() {
            tracing::warn!(%error, untold, "cannot accept a connection");
        }
    }

    /// If a line may be written: how many before it were not, if any.
    fn untold(&self) -> Option<Option<u64>> {
        let untold = self.lines.pass()?;
        Some(Some(untold).filter(|count| *count > 0))
    }
}
