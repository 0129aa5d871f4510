//! The side that was dialled.

use super::message::{self, Introduction};
use super::{HandshakeError, Peer, check, check_flags, digest, random};
use crate::config::Cookie;
use crate::peers::{Arriving, Claim, Peers};
use tokio::io::{AsyncRead, AsyncWrite};

/// Shakes hands with whoever dialled. `name` tells, for the log, who it claims to be. The note that the
/// peer is arriving is to be kept until its connection is added.
pub(crate) async fn accept<'p, S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    ours: &Introduction,
    cookie: &Cookie,
    peers: &'p Peers,
    name: &mut Option<String>,
) -> Result<(Peer, Arriving<'p>), HandshakeError> {
    let mut peer = message::parse_name(&message::read(stream).await?)?;
    *name = Some(peer.name.clone());
    // The upper flags of an old message are not known yet; the mandatory ones are all lower.
    if let Err(error) = check_flags(&peer) {
        message::write(stream, &message::status("not_allowed")).await?;
        return Err(error);
    }
    let (claim, number) = peers.claim(&peer.name);
    let status = match &claim {
        _ if peer.name == ours.name => "not_allowed",
        Claim::Free => "ok",
        Claim::Yield => "ok_simultaneous",
        Claim::Insist => "nok",
        Claim::Connected => "alive",
        Claim::Full(_) => "not_allowed",
    };
    message::write(stream, &message::status(status)).await?;
    if let Claim::Full(limit) = claim {
        return Err(HandshakeError::Limit(limit));
    }
    match status {
        "nok" => return Err(HandshakeError::Simultaneous),
        "not_allowed" => return Err(HandshakeError::Name(peer.name)),
        // The peer says whether it has lost the connection that we still hold.
        "alive" => match message::parse_status(&message::read(stream).await?)? {
            "true" => {}
            other => return Err(HandshakeError::Refused(other.to_owned())),
        },
        _ => {}
    }
    let challenge = random() as u32;
    message::write(stream, &message::challenge(ours, challenge)).await?;
    if peer.old {
        let (high, creation) = message::parse_complement(&message::read(stream).await?)?;
        peer.flags |= high;
        peer.creation = creation;
    }
    let (theirs, claimed) = message::parse_reply(&message::read(stream).await?)?;
    check(cookie, challenge, &claimed)?;
    let arriving = peers.arrives(&peer.name, number);
    message::write(stream, &message::ack(&digest(cookie, theirs))).await?;
    let flags = check_flags(&peer)?;
    let peer = Peer {
        name: peer.name,
        creation: peer.creation,
        flags,
    };
    Ok((peer, arriving))
}
