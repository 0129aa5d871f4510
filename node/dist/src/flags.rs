//! Capability flags of the handshake, by the names of the ERTS User's Guide ("Distribution
//! Protocol").

const EXTENDED_REFERENCES: u64 = 1 << 2;
const DIST_MONITOR: u64 = 1 << 3;
const FUN_TAGS: u64 = 1 << 4;
const DIST_MONITOR_NAME: u64 = 1 << 5;
const NEW_FUN_TAGS: u64 = 1 << 7;
const EXTENDED_PIDS_PORTS: u64 = 1 << 8;
const EXPORT_PTR_TAG: u64 = 1 << 9;
const BIT_BINARIES: u64 = 1 << 10;
const NEW_FLOATS: u64 = 1 << 11;
const UTF8_ATOMS: u64 = 1 << 16;
const MAP_TAG: u64 = 1 << 17;
const BIG_CREATION: u64 = 1 << 18;
const SEND_SENDER: u64 = 1 << 19;
/// Version 6 of the handshake.
pub(crate) const HANDSHAKE_23: u64 = 1 << 24;
const UNLINK_ID: u64 = 1 << 25;
/// "All that OTP 25 demands": bit 26, as `dist.hrl` has it; the guide prints bit 36.
const MANDATORY_25_DIGEST: u64 = 1 << 26;
const SPAWN: u64 = 1 << 32;
const V4_NC: u64 = 1 << 34;
const ALIAS: u64 = 1 << 35;

/// What OTP 25 demands of every peer, and so do we.
pub(crate) const MANDATORY: u64 = EXTENDED_REFERENCES
    | FUN_TAGS
    | NEW_FUN_TAGS
    | EXTENDED_PIDS_PORTS
    | EXPORT_PTR_TAG
    | BIT_BINARIES
    | NEW_FLOATS
    | UTF8_ATOMS
    | MAP_TAG
    | BIG_CREATION
    | HANDSHAKE_23;

/// What this node can do.
///
/// Left out on purpose: PUBLISHED (the node is hidden), DIST_HDR_ATOM_CACHE and FRAGMENTS (each
/// frame then holds one whole message in plain terms), NAME_ME (the node has a name),
/// EXIT_PAYLOAD (exit reasons then stand in the control message, one form instead of two; the
/// payload forms are understood all the same).
pub(crate) const OURS: u64 = MANDATORY
    | DIST_MONITOR
    | DIST_MONITOR_NAME
    | SEND_SENDER
    | UNLINK_ID
    | MANDATORY_25_DIGEST
    | SPAWN
    | V4_NC
    | ALIAS;

/// The flags that a peer stands for: the digest flag alone stands for all mandatory ones.
pub(crate) fn expand(flags: u64) -> u64 {
    match flags & MANDATORY_25_DIGEST {
        0 => flags,
        _ => flags | MANDATORY,
    }
}
