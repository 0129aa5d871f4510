//! Whatever bytes a peer sends, they are read to their end or to their fault without a panic, and with
//! memory for at most four times their number. `RS_ESDB_MUTATIONS` names another number of them
//! than 100,000.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;
#[path = "../../../tests/recorded/recorded.rs"]
mod recorded;

use allocation_counter::measure;
use common::dice::Dice;
use common::frames::{pid_of, valid_frames};
use common::listener::{Listener, OLD_WORKER};
use common::raw_peer::RawPeer;
use common::{COOKIE, free_port};
use esdb_dist::probe::NODE;
use esdb_dist::{Config, Cookie, Node};
use esdb_etf::put;
use recorded::{mutations, recorded};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Builder;

/// What a connection has at least: room for one read, and its tasks.
const READ_BUFFER: u64 = 128 << 10;

/// Those that were recorded, and those that OTP 25 does not send.
fn frames() -> Vec<Vec<u8>> {
    let recorded = recorded("frames.txt").into_iter().map(|(_, frame)| frame);
    recorded
        .chain(valid_frames(&pid_of(NODE, OLD_WORKER, 1)))
        .collect()
}

/// The messages of each side, in order, each with its length.
fn said(names: &[&str]) -> Vec<u8> {
    let messages = recorded("handshake.txt");
    let message = |name: &&str| {
        let (_, bytes) = messages.iter().find(|(found, _)| found == name).unwrap();
        [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
    };
    names.iter().flat_map(message).collect()
}

const DIALLER: [&str; 2] = ["name", "reply"];
const ACCEPTOR: [&str; 3] = ["status", "challenge", "ack"];

#[test]
fn recorded_frames_are_taken_and_answered() {
    let mut listener = Listener::new(72 << 20);
    for (name, frame) in recorded("frames.txt") {
        listener.probe.frame(&frame).expect(&name);
        let answers = listener.sent().len();
        assert!(!name.contains("_call_") || answers > 0, "{name}: no answer");
    }
}

#[test]
fn prefixes_of_frames() {
    let mut listener = Listener::new(72 << 20);
    for frame in frames() {
        listener.frame(&frame).expect("well-formed");
        for end in 1..frame.len() {
            // The control message alone may be a frame of another sort.
            let _taken = listener.frame(&frame[..end]);
        }
        let more = [&frame[..], &[106]].concat();
        let _taken = listener.frame(&more);
    }
}

#[test]
fn mutations_of_frames() {
    let (frames, mut dice) = (frames(), Dice(0x9E37_79B9_7F4A_7C15));
    let mut listener = Listener::new(72 << 20);
    let (mut taken, count) = (0, mutations());
    for _ in 0..count {
        let mut frame = frames[dice.below(frames.len())].clone();
        dice.mutate(&mut frame);
        taken += usize::from(listener.frame(&frame).is_ok());
    }
    assert!(
        taken > count / 10 && taken < count,
        "{taken} of {count} taken"
    );
}

#[test]
fn bytes_one_at_a_time() {
    let stream: Vec<u8> = frames()
        .iter()
        .flat_map(|frame| [&(frame.len() as u32).to_be_bytes()[..], frame].concat())
        .collect();
    let mut whole = Listener::new(72 << 20);
    whole.probe.receive(&stream).unwrap();
    let mut listener = Listener::new(72 << 20);
    for byte in &stream {
        listener.probe.receive(&[*byte]).unwrap();
    }
    // But for the pids of spawned processes and the like the answers are the same.
    let sizes = |listener: &Listener| listener.sent().iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(&listener), sizes(&whole));
}

#[test]
fn unknown_control_messages() {
    let mut listener = Listener::new(72 << 20);
    for operation in (0..=300).chain([-1, i64::MAX]) {
        for arity in 0..12 {
            let mut frame = vec![112, 131];
            put::tuple(&mut frame, arity + 1);
            put::integer(&mut frame, operation);
            (0..arity).for_each(|_| put::nil(&mut frame));
            let _taken = listener.frame(&frame);
            frame.extend([131, 106]);
            let _taken = listener.frame(&frame);
        }
    }
    for tag in 0..=255 {
        for rest in [&[][..], &[0; 9], &[255; 9]] {
            let frame = [&[112, 131, tag], rest].concat();
            assert!(listener.frame(&frame).is_err(), "{frame:?}");
            let frame = [&[tag, 131, 104, 1, 97, 5], rest].concat();
            assert_eq!(listener.frame(&frame).is_ok(), tag == 112, "{frame:?}");
        }
    }
}

/// Of frames with a message, one each for a worker, a name, a spawned process and nobody.
fn with_message() -> Vec<Vec<u8>> {
    let recorded = recorded("frames.txt");
    let frame = |name| {
        recorded
            .iter()
            .find(|(found, _)| found == name)
            .unwrap()
            .1
            .clone()
    };
    [
        "22_hello",
        "6_rex_hello",
        "29_seq_[monitor]_list",
        "6_nobody_hello",
    ]
    .map(frame)
    .into()
}

/// Nested a million levels deep, or of a million elements.
#[test]
fn deep_and_wide_terms() {
    let mut listener = Listener::new(72 << 20);
    for frame in with_message() {
        let version = frame.iter().rposition(|byte| *byte == 131).unwrap() + 1;
        for (open, close) in [
            (&[104, 1][..], &[][..]),
            (&[108, 0, 0, 0, 1], &[106]),
            (&[108, 0, 0, 0, 1, 97, 1], &[]),
            (&[116, 0, 0, 0, 1, 97, 1], &[]),
            (&[116, 0, 0, 0, 2, 97, 1, 97, 1], &[97, 2]),
        ] {
            let deep = [
                &frame[..version],
                &open.repeat(1_000_000),
                &[106],
                &close.repeat(1_000_000),
            ];
            let _taken = listener.frame(&deep.concat());
        }
        let wide = [&frame[..version], &[105, 0, 15, 66, 64], &[106; 1_000_000]].concat();
        let _taken = listener.frame(&wide);
    }
}

/// A call of a function that is not there is told which one it was.
#[test]
fn arguments_of_any_size() {
    let mut listener = Listener::new(72 << 20);
    let (long, mut taken) = ([&[108, 0, 0, 255, 255], &[106; 65_536][..]].concat(), 0);
    for frame in frames() {
        // Empty lists of arguments become long ones, and so does what only looks like one.
        for at in (0..frame.len()).filter(|at| frame[*at] == 106) {
            let changed = [&frame[..at], &long, &frame[at + 1..]].concat();
            taken += usize::from(listener.frame(&changed).is_ok());
        }
    }
    assert!(taken > 20, "{taken} taken");
}

#[test]
fn frames_beyond_the_limit() {
    let limit = 1 << 20;
    let mut listener = Listener::new(limit);
    for frame in with_message() {
        let version = frame.iter().rposition(|byte| *byte == 131).unwrap() + 1;
        for filler in [[106; 4], [104, 1, 104, 1], [255; 4]] {
            let wide = [
                &frame[..version],
                &[105, 0, 15, 66, 64],
                &filler.repeat(limit / 3),
            ]
            .concat();
            let _taken = listener.frame(&wide);
        }
    }
    for claimed in [limit as u32 + 1, 16 << 20, (16 << 20) + 1, u32::MAX] {
        let mut listener = Listener::new(limit);
        let head = [
            &claimed.to_be_bytes()[..],
            &[112, 131, 105, 255, 255, 255, 255],
        ]
        .concat();
        let used = allocation_counter::measure(|| drop(listener.probe.receive(&head)));
        assert!(
            used.bytes_max < 1 << 10,
            "{} bytes for {claimed}",
            used.bytes_max
        );
    }
}

/// Of a frame of 64 MiB, as the length says, so much comes that buffers have just grown.
#[test]
fn frames_that_do_not_end() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut config = Config::new("node@127.0.0.1", Cookie::new(COOKIE));
    (config.register, config.listen_port) = (false, free_port());
    let port = config.listen_port;
    let _node = runtime.block_on(Node::start(config)).unwrap();
    for sent in [100 << 10, (256 << 10) + 1, (1 << 20) + 1, (4 << 20) + 1] {
        let mut peer = runtime.block_on(async {
            let mut peer = RawPeer::reach(port, "peer@127.0.0.1").await;
            let hello = peer.hello();
            peer.shake(&hello).await;
            peer
        });
        let chunk = vec![106; 64 << 10];
        let used = measure(|| {
            runtime.block_on(async {
                let stream = &mut peer.stream;
                stream
                    .write_all(&(64u32 << 20).to_be_bytes())
                    .await
                    .unwrap();
                for at in (0..sent).step_by(chunk.len()) {
                    let rest = &chunk[..chunk.len().min(sent - at)];
                    stream.write_all(rest).await.unwrap();
                }
                // The node sees the end only behind everything else.
                stream.shutdown().await.unwrap();
                while peer.next_frame().await.is_some() {}
            });
        });
        let most = 4 * sent as u64 + READ_BUFFER;
        assert!(used.bytes_max <= most, "{} of {sent}", used.bytes_max);
    }
}

#[test]
fn recorded_handshakes_are_followed_to_the_digest() {
    let listener = Listener::new(1 << 20);
    // Of another challenge than ours, which nobody can foresee.
    let differ = Err("the cookies differ".to_owned());
    assert_eq!(listener.shake(true, &said(&DIALLER)), differ);
    let named = Err("the node calls itself acceptor@127.0.0.1".to_owned());
    assert_eq!(listener.shake(false, &said(&ACCEPTOR)), named);
}

#[test]
fn prefixes_and_mutations_of_handshakes() {
    let listener = Listener::new(1 << 20);
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for (dials, names) in [(true, &DIALLER[..]), (false, &ACCEPTOR)] {
        // The acceptor under the name that was dialled.
        let said = said(names);
        for end in 0..said.len() {
            assert!(listener.shake(dials, &said[..end]).is_err());
        }
        for _ in 0..mutations() / 2 {
            let mut said = said.clone();
            dice.mutate(&mut said);
            assert!(listener.shake(dials, &said).is_err());
        }
    }
}

#[test]
fn handshake_messages_whose_length_lies() {
    let listener = Listener::new(1 << 20);
    for dials in [true, false] {
        for len in [1, 255, 256, 1000, 32_767, 65_535u16] {
            for said in [&b"N"[..], b"s", b"sok", b"", b"n"] {
                let said = [&len.to_be_bytes(), said].concat();
                assert!(listener.shake(dials, &said).is_err());
                let whole = [&said[..2], &vec![said[said.len() - 1]; usize::from(len)]].concat();
                assert!(listener.shake(dials, &whole).is_err());
            }
        }
    }
}
