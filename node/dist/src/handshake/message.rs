//! The messages of the handshake: two bytes of length, then a tag and fields.
//!
//! Source: "Distribution Handshake", ERTS User's Guide; `dist_util.erl` of OTP 25.

use super::HandshakeError;
use crate::flags;
use std::future::Future;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Most bytes of a message: the longest is that with a name, of 255 bytes at most.
const MAX: u16 = 512;

/// An MD5 digest.
pub(crate) type Digest = [u8; 16];

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Introduction {
    pub(crate) flags: u64,
    pub(crate) creation: u32,
    pub(crate) name: String,
    /// It came in the form of before OTP 23: half of the flags and the creation follow later.
    pub(crate) old: bool,
}

pub(crate) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let len = stream.read_u16().await?;
    if len > MAX {
        let text = format!("a handshake message of {len} bytes; at most {MAX} are accepted");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    // Grows with what comes, whatever the length says.
    let mut message = Vec::new();
    match stream.take(len.into()).read_to_end(&mut message).await? {
        read if read < usize::from(len) => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(message),
    }
}

pub(crate) fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    message: &[u8],
) -> impl Future<Output = io::Result<()>> {
    let mut packet = (message.len() as u16).to_be_bytes().to_vec();
    packet.extend_from_slice(message);
    async move { stream.write_all(&packet).await }
}

fn malformed(what: &'static str) -> HandshakeError {
    HandshakeError::Malformed(what)
}

/// Splits the first `N` bytes off.
fn take<const N: usize>(bytes: &mut &[u8], what: &'static str) -> Result<[u8; N], HandshakeError> {
    let (taken, rest) = bytes.split_first_chunk().ok_or_else(|| malformed(what))?;
    *bytes = rest;
    Ok(*taken)
}

/// `N`, the name message of version 6, or `n`, that of version 5.
pub(crate) fn parse_name(message: &[u8]) -> Result<Introduction, HandshakeError> {
    let what = "name";
    match message.split_first() {
        Some((b'N', mut rest)) => {
            let flags = u64::from_be_bytes(take(&mut rest, what)?);
            let creation = u32::from_be_bytes(take(&mut rest, what)?);
            let name = sized_name(rest)?;
            Ok(Introduction {
                flags,
                creation,
                name,
                old: false,
            })
        }
        Some((b'n', mut rest)) => {
            let [_, _] = take(&mut rest, what)?;
            let flags = u64::from(u32::from_be_bytes(take(&mut rest, what)?));
            Ok(Introduction {
                flags,
                creation: 0,
                name: node_name(rest)?,
                old: true,
            })
        }
        _ => Err(malformed(what)),
    }
}

fn sized_name(mut rest: &[u8]) -> Result<String, HandshakeError> {
    let len = u16::from_be_bytes(take(&mut rest, "name")?);
    // Bytes after the name are left to later versions.
    node_name(
        rest.get(..usize::from(len))
            .ok_or_else(|| malformed("name"))?,
    )
}

fn node_name(name: &[u8]) -> Result<String, HandshakeError> {
    let name = std::str::from_utf8(name).map_err(|_| malformed("name"))?;
    match name.split_once('@') {
        Some((alive, host))
            if !alive.is_empty()
                && !host.is_empty()
                && name.len() <= 255
                && !name.chars().any(char::is_control) =>
        {
            Ok(name.to_owned())
        }
        _ => Err(malformed("name")),
    }
}

pub(crate) fn name(introduction: &Introduction) -> Vec<u8> {
    let mut out = vec![b'N'];
    out.extend_from_slice(&introduction.flags.to_be_bytes());
    out.extend_from_slice(&introduction.creation.to_be_bytes());
    out.extend_from_slice(&(introduction.name.len() as u16).to_be_bytes());
    out.extend_from_slice(introduction.name.as_bytes());
    out
}

/// `c`: the other half of the flags, and the creation, after an old name message.
pub(crate) fn parse_complement(message: &[u8]) -> Result<(u64, u32), HandshakeError> {
    match message.split_first() {
        Some((b'c', mut rest)) => {
            let high = u32::from_be_bytes(take(&mut rest, "complement")?);
            let creation = u32::from_be_bytes(take(&mut rest, "complement")?);
            Ok((u64::from(high) << 32, creation))
        }
        _ => Err(malformed("complement")),
    }
}

pub(crate) fn status(status: &str) -> Vec<u8> {
    [b"s", status.as_bytes()].concat()
}

pub(crate) fn parse_status(message: &[u8]) -> Result<&str, HandshakeError> {
    match message.split_first() {
        Some((b's', status)) => std::str::from_utf8(status).map_err(|_| malformed("status")),
        _ => Err(malformed("status")),
    }
}

pub(crate) fn challenge(ours: &Introduction, challenge: u32) -> Vec<u8> {
    let mut out = vec![b'N'];
    out.extend_from_slice(&ours.flags.to_be_bytes());
    out.extend_from_slice(&challenge.to_be_bytes());
    out.extend_from_slice(&ours.creation.to_be_bytes());
    out.extend_from_slice(&(ours.name.len() as u16).to_be_bytes());
    out.extend_from_slice(ours.name.as_bytes());
    out
}

pub(crate) fn parse_challenge(message: &[u8]) -> Result<(Introduction, u32), HandshakeError> {
    match message.split_first() {
        Some((b'N', mut rest)) => {
            let flags = u64::from_be_bytes(take(&mut rest, "challenge")?);
            let challenge = u32::from_be_bytes(take(&mut rest, "challenge")?);
            let creation = u32::from_be_bytes(take(&mut rest, "challenge")?);
            let name = sized_name(rest)?;
            Ok((
                Introduction {
                    flags,
                    creation,
                    name,
                    old: false,
                },
                challenge,
            ))
        }
        Some((b'n', _)) => Err(HandshakeError::Flags {
            missing: flags::HANDSHAKE_23,
        }),
        _ => Err(malformed("challenge")),
    }
}

pub(crate) fn reply(challenge: u32, digest: &Digest) -> Vec<u8> {
    [&b"r"[..], &challenge.to_be_bytes(), digest].concat()
}

pub(crate) fn parse_reply(message: &[u8]) -> Result<(u32, Digest), HandshakeError> {
    match message.split_first() {
        Some((b'r', mut rest)) => {
            let challenge = u32::from_be_bytes(take(&mut rest, "challenge reply")?);
            Ok((challenge, take(&mut rest, "challenge reply")?))
        }
        _ => Err(malformed("challenge reply")),
    }
}

pub(crate) fn ack(digest: &Digest) -> Vec<u8> {
    [&b"a"[..], digest].concat()
}

pub(crate) fn parse_ack(message: &[u8]) -> Result<Digest, HandshakeError> {
    match message.split_first() {
        Some((b'a', mut rest)) => take(&mut rest, "challenge acknowledgement"),
        _ => Err(malformed("challenge acknowledgement")),
    }
}
