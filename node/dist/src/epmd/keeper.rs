//! Keeps this node registered, whatever happens to the port mapper.

use super::EpmdError;
use super::client::{self, Registration};
use super::server::Server;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// How long a port mapper that went away has to come back, before this node serves in its place.
const GRACE: Duration = Duration::from_secs(5);
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LAST_DELAY: Duration = Duration::from_secs(5);
/// How often a node asks at its start: its former self may still be registered.
const ATTEMPTS: usize = 5;

/// Registration and, if there was no port mapper, our own.
pub(crate) struct Keeper {
    epmd: SocketAddr,
    alive: String,
    port: u16,
    registration: Registration,
    server: Option<Server>,
}

impl Keeper {
    /// Registers the node `alive`, which listens on `port`, at the port mapper of this host; if
    /// none answers, serves one.
    pub(crate) async fn start(epmd_port: u16, alive: &str, port: u16) -> Result<Keeper, EpmdError> {
        let epmd = SocketAddr::from((Ipv4Addr::LOCALHOST, epmd_port));
        let mut server = None;
        let mut attempt = 1;
        loop {
            match client::register(epmd, alive, port).await {
                Ok(registration) => {
                    let alive = alive.to_owned();
                    return Ok(Keeper {
                        epmd,
                        alive,
                        port,
                        registration,
                        server,
                    });
                }
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(EpmdError::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                    server = serve(epmd);
                }
                Err(_) => tokio::time::sleep(FIRST_DELAY).await,
            }
            attempt += 1;
        }
    }

    /// Which start of the node it is.
    pub(crate) fn creation(&self) -> u32 {
        self.registration.creation
    }

    /// Registers the node again whenever the port mapper goes away. The creation stays the one of
    /// the first registration: peers know the node's processes by it.
    pub(crate) async fn keep(mut self) {
        let mut ignored = [0; 64];
        loop {
            while let Ok(1..) = self.registration.socket.read(&mut ignored).await {}
            tracing::warn!(port = self.epmd.port(), "lost the port mapper (EPMD)");
            self.again().await;
            tracing::info!(
                port = self.epmd.port(),
                "registered at the port mapper (EPMD) again"
            );
        }
    }

    async fn again(&mut self) {
        let (lost, mut delay) = (Instant::now(), FIRST_DELAY);
        loop {
            match client::register(self.epmd, &self.alive, self.port).await {
                Ok(registration) => {
                    self.registration = registration;
                    return;
                }
                Err(EpmdError::Io(error))
                    if error.kind() == ErrorKind::ConnectionRefused
                        && lost.elapsed() > GRACE
                        && self.server.is_none() =>
                {
                    self.server = serve(self.epmd);
                }
                Err(error) => tracing::debug!(%error, "not registered yet"),
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(if lost.elapsed() < GRACE {
                FIRST_DELAY * 5
            } else {
                LAST_DELAY
            });
        }
    }
}

/// Our own port mapper, unless somebody else was faster.
fn serve(epmd: SocketAddr) -> Option<Server> {
    match Server::start(epmd.port()) {
        Ok(server) => {
            tracing::info!(
                port = epmd.port(),
                "no port mapper (EPMD) runs here; serving one"
            );
            Some(server)
        }
        Err(error) => {
            tracing::debug!(port = epmd.port(), %error, "cannot serve a port mapper (EPMD)");
            None
        }
    }
}
