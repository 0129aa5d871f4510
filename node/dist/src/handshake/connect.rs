//! The side that dials.

use super::message::{self, Introduction};
use super::{HandshakeError, Peer, check, check_flags, digest, random};
use crate::config::Cookie;
use crate::peers::Peers;
use std::io::ErrorKind;
use tokio::io::{AsyncRead, AsyncWrite};

/// Shakes hands with the node `name`, which was dialled.
pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    ours: &Introduction,
    cookie: &Cookie,
    peers: &Peers,
    name: &str,
) -> Result<Peer, HandshakeError> {
    message::write(stream, &message::name(ours)).await?;
    match message::parse_status(&message::read(stream).await?)? {
        "ok" | "ok_simultaneous" => {}
        "nok" => return Err(HandshakeError::Simultaneous),
        // It holds a connection, which it has made itself while we dialled: that one counts.
        "alive" if peers.holds(name) => {
            message::write(stream, &message::status("false")).await?;
            return Err(HandshakeError::Simultaneous);
        }
        // It holds a connection that we have lost: ours is the one that counts.
        "alive" => message::write(stream, &message::status("true")).await?,
        other => return Err(HandshakeError::Refused(other.to_owned())),
    }
    let (peer, theirs) = message::parse_challenge(&message::read(stream).await?)?;
    if peer.name != name {
        return Err(HandshakeError::Name(peer.name));
    }
    let flags = check_flags(&peer)?;
    let challenge = random() as u32;
    message::write(stream, &message::reply(challenge, &digest(cookie, theirs))).await?;
    // A peer that does not like the digest hangs up without a word.
    let ack = message::read(stream)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => HandshakeError::Cookie,
            _ => HandshakeError::Io(error),
        })?;
    check(cookie, challenge, &message::parse_ack(&ack)?)?;
    Ok(Peer {
        name: peer.name,
        creation: peer.creation,
        flags,
    })
}
