//! A node that takes a peer's bytes without a socket, with a limit on the memory for them.

use super::echo::Echo;
use allocation_counter::measure;
use esdb_dist::probe::Probe;
use esdb_etf::Term;

/// Memory beyond four times the bytes that came: tables that grow, the text of a reason.
const SLACK: u64 = 4 << 10;

/// Number of the first recorded pid; the two others follow.
pub const OLD_WORKER: u32 = 100;

pub struct Listener {
    pub probe: Probe,
}

impl Listener {
    /// With the processes that the recorded frames are for: two workers and a scope.
    pub fn new(frame_bytes: usize) -> Listener {
        let probe = Probe::new(frame_bytes).unwrap();
        let node = probe.node();
        // The recorded pids are above those of the node's own processes.
        let mut pids = std::iter::repeat_with(|| node.spawn(Echo::new().0));
        let echo = pids.find(|pid| pid.id == OLD_WORKER).unwrap();
        node.spawn(Echo::new().0);
        node.register("echo", &echo);
        node.pg_join("reckon_gater_pg", "group", std::slice::from_ref(&echo));
        Listener { probe }
    }

    /// One frame. Whatever it holds, memory stays in proportion to it, and what is sent are frames.
    pub fn frame(&mut self, frame: &[u8]) -> Result<(), String> {
        let mut result = Ok(());
        let used = measure(|| result = self.probe.frame(frame));
        let most = 4 * (frame.len() as u64 + 4) + SLACK;
        assert!(
            used.bytes_max <= most,
            "{} bytes for {frame:?}",
            used.bytes_max
        );
        self.sent();
        self.probe.forget();
        result
    }

    /// The frames that were sent, each checked.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        let sent = self.probe.sent();
        let (mut rest, mut frames) = (sent.as_slice(), Vec::new());
        while let Some((len, after)) = rest.split_first_chunk() {
            let (frame, after) = after.split_at(u32::from_be_bytes(*len) as usize);
            rest = after;
            if frame.is_empty() {
                continue;
            }
            let (control, message) = Term::take(frame.strip_prefix(&[112, 131]).unwrap()).unwrap();
            assert!(control.as_tuple().unwrap().len() >= 3, "{frame:?}");
            assert!(
                message.is_empty() || Term::parse_external(message).is_ok(),
                "{frame:?}"
            );
            frames.push(frame.to_vec());
        }
        assert_eq!(rest, []);
        frames
    }

    /// One side of a handshake; true: the side that dials.
    pub fn shake(&self, dials: bool, said: &[u8]) -> Result<String, String> {
        let mut result = Ok(String::new());
        let used = measure(|| {
            result = match dials {
                true => self.probe.accept(said),
                false => self.probe.connect(said),
            }
        });
        let most = 4 * said.len() as u64 + SLACK;
        assert!(
            used.bytes_max <= most,
            "{} bytes for {said:?}",
            used.bytes_max
        );
        result
    }
}
