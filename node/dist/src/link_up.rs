//! From a socket to a connection: dialling, and what becomes of a peer that has shaken hands.

use crate::connection::{Connection, run};
use crate::epmd::client;
use crate::flags;
use crate::handshake::message::Introduction;
use crate::handshake::{self, HandshakeError, Peer};
use crate::node::{Shared, split_name};
use crate::peers::Added;
use crate::process::Origin;
use esdb_etf::Term;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpStream;

pub(crate) fn introduction(shared: &Shared) -> Introduction {
    Introduction {
        flags: flags::OURS,
        creation: shared.local.creation,
        name: shared.local.name.to_string(),
        old: false,
    }
}

/// How long a host may take to accept a connection: what takes longer was swallowed by a broken
/// network, and the next attempt is the remedy.
const CONNECT: Duration = Duration::from_secs(2);

/// Why a node could not be connected with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("{0:?} is no node name")]
    Name(String),
    #[error("its host cannot be found: {0}")]
    Host(#[source] io::Error),
    #[error(transparent)]
    Epmd(#[from] crate::epmd::EpmdError),
    #[error("it cannot be reached: {0}")]
    Connect(#[source] io::Error),
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

/// Connects with the node `name`, unless that has happened already.
pub(crate) async fn dial(shared: &Arc<Shared>, name: &str) -> Result<(), DialError> {
    let limit = shared.config.limits.handshake;
    let (alive, host) = split_name(name).map_err(|_| DialError::Name(name.to_owned()))?;
    if let Some(limit) = shared.peers.full() {
        return Err(HandshakeError::Limit(limit).into());
    }
    let mut epmd = tokio::net::lookup_host((host, shared.config.epmd_port))
        .await
        .map_err(DialError::Host)?
        .collect::<Vec<_>>();
    // Nodes listen on IPv4, unless they are told otherwise.
    epmd.sort_by_key(SocketAddr::is_ipv6);
    let epmd = epmd
        .first()
        .copied()
        .ok_or_else(|| DialError::Host(io::ErrorKind::NotFound.into()))?;
    let address = SocketAddr::new(epmd.ip(), client::port(epmd, alive).await?);
    let mut stream = tokio::time::timeout(limit.min(CONNECT), TcpStream::connect(address))
        .await
        .map_err(|_| HandshakeError::Timeout)?
        .map_err(DialError::Connect)?;
    let Some(mut dialling) = shared.peers.dial(name) else {
        return Ok(());
    };
    let ours = introduction(shared);
    let peer = tokio::select! {
        shaken = tokio::time::timeout(
            limit,
            handshake::connect(&mut stream, &ours, &shared.config.cookie, &shared.peers, name),
        ) => shaken.unwrap_or(Err(HandshakeError::Timeout))?,
        _ = &mut dialling.lost => return Err(HandshakeError::Simultaneous.into()),
    };
    establish(shared, stream, peer, true, dialling.number)?;
    Ok(())
}

/// Serves the connection in a task of its own, unless there are too many, or a better one. `handshake`:
/// its number.
pub(crate) fn establish(
    shared: &Arc<Shared>,
    stream: TcpStream,
    peer: Peer,
    dialled: bool,
    handshake: u64,
) -> Result<(), HandshakeError> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "replies to {} may be late", peer.name);
    }
    let stream = Arc::new(stream);
    let connection = Connection::new(shared, stream.clone(), peer, dialled, handshake);
    // Known before the dialling is forgotten, so that the peer cannot come in between.
    let old = match shared.peers.insert(&connection) {
        Added::Yes => None,
        Added::Instead(old) => Some(old),
        Added::Outdated => return Err(HandshakeError::Simultaneous),
        Added::Full(limit) => return Err(HandshakeError::Limit(limit)),
    };
    let shared = shared.clone();
    tokio::spawn(async move {
        if let Some(old) = old {
            old.close("the peer has made a new connection");
            old.gone().await;
        }
        serve(&shared, &connection, stream).await;
    });
    Ok(())
}

async fn serve(shared: &Arc<Shared>, connection: &Connection, stream: Arc<TcpStream>) {
    let peer = connection.peer();
    tracing::info!(dialled = connection.0.dialled, "{peer} connected");
    shared.pg.connected(shared, connection);
    let reason = match shared.stopping.load(Ordering::Relaxed) {
        true => "this node stops".to_owned(),
        false => run::run(shared, connection, stream).await,
    };
    tracing::info!("{peer} lost: {reason}");
    connection.close(&reason);
    shared.peers.remove(connection);
    shared.pg.disconnected(connection);
    shared.calls.disconnected(connection);
    let origin = Origin {
        connection,
        sender: None,
    };
    for (reference, monitor) in connection.0.watchers.take_all() {
        let process = shared.processes.get(monitor.key);
        if let (Some(process), Ok((reference, _))) = (process, Term::take(&reference)) {
            process.demonitored(&origin, reference);
        }
    }
    connection.0.gone.send_replace(true);
}
