//! Questions to a port mapper.

use super::{
    ALIVE2_REQ, ALIVE2_RESP, ALIVE2_X_RESP, EpmdError, HIDDEN, NAMES_REQ, PORT_PLEASE2_REQ,
    PORT2_RESP, TCP, VERSION,
};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A port mapper has nothing to do but to answer. Of what a broken network swallows, the next attempt
/// is the remedy.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Most bytes of the list of names that are read.
const NAMES_MAX: u64 = 1 << 20;

/// A registration, which lasts as long as the socket.
pub(crate) struct Registration {
    pub(crate) socket: TcpStream,
    pub(crate) creation: u32,
}

async fn within<T>(work: impl Future<Output = Result<T, EpmdError>>) -> Result<T, EpmdError> {
    tokio::time::timeout(TIMEOUT, work)
        .await
        .map_err(|_| EpmdError::Timeout)?
}

async fn ask(epmd: SocketAddr, request: &[u8]) -> Result<TcpStream, EpmdError> {
    let mut socket = TcpStream::connect(epmd).await?;
    let mut packet = (request.len() as u16).to_be_bytes().to_vec();
    packet.extend_from_slice(request);
    socket.write_all(&packet).await?;
    Ok(socket)
}

/// Registers this node as hidden, under `alive` (its name without host), at `port`.
pub(crate) async fn register(
    epmd: SocketAddr,
    alive: &str,
    port: u16,
) -> Result<Registration, EpmdError> {
    let mut request = vec![ALIVE2_REQ];
    request.extend_from_slice(&port.to_be_bytes());
    request.extend_from_slice(&[HIDDEN, TCP]);
    request.extend_from_slice(&VERSION.to_be_bytes());
    request.extend_from_slice(&VERSION.to_be_bytes());
    request.extend_from_slice(&(alive.len() as u16).to_be_bytes());
    request.extend_from_slice(alive.as_bytes());
    request.extend_from_slice(&0u16.to_be_bytes());
    within(async {
        let mut socket = ask(epmd, &request).await?;
        let (tag, result) = (socket.read_u8().await?, socket.read_u8().await?);
        let creation = match tag {
            ALIVE2_X_RESP => socket.read_u32().await?,
            ALIVE2_RESP => u32::from(socket.read_u16().await?),
            _ => return Err(EpmdError::Malformed),
        };
        match result {
            0 => Ok(Registration { socket, creation }),
            result => Err(EpmdError::Taken(result)),
        }
    })
    .await
}

/// The port of the node `alive` on the host of `epmd`.
pub(crate) async fn port(epmd: SocketAddr, alive: &str) -> Result<u16, EpmdError> {
    let mut request = vec![PORT_PLEASE2_REQ];
    request.extend_from_slice(alive.as_bytes());
    within(async {
        let mut socket = ask(epmd, &request).await?;
        if socket.read_u8().await? != PORT2_RESP {
            return Err(EpmdError::Malformed);
        }
        match socket.read_u8().await? {
            0 => Ok(socket.read_u16().await?),
            _ => Err(EpmdError::Unknown),
        }
    })
    .await
}

/// The nodes registered at `epmd`, with their ports.
///
/// # Errors
/// [`EpmdError`].
pub async fn names(epmd: SocketAddr) -> Result<Vec<(String, u16)>, EpmdError> {
    within(async {
        let socket = ask(epmd, &[NAMES_REQ]).await?;
        let mut answer = Vec::new();
        socket.take(NAMES_MAX).read_to_end(&mut answer).await?;
        let text = answer.get(4..).ok_or(EpmdError::Malformed)?;
        let lines = String::from_utf8_lossy(text).into_owned();
        Ok(lines.lines().filter_map(name_line).collect())
    })
    .await
}

/// `name NAME at port PORT`.
fn name_line(line: &str) -> Option<(String, u16)> {
    let (name, port) = line.strip_prefix("name ")?.rsplit_once(" at port ")?;
    Some((name.to_owned(), port.trim().parse().ok()?))
}
