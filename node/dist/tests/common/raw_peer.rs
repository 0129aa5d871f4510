//! A peer made by hand, for what a BEAM node does not do of itself.

use super::COOKIE;
use esdb_etf::{Pid, put};
use md5::{Digest, Md5};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Flags of a BEAM node of OTP 25, without the header for atoms and the fragments.
pub const FLAGS: u64 = 0x000d_0747_df95 & !0x2000 & !0x80_0000 | 0x0107_0f94;

pub struct RawPeer {
    pub stream: TcpStream,
    pub name: String,
    pub creation: u32,
    /// Sends each byte by itself.
    pub byte_by_byte: bool,
}

impl RawPeer {
    pub async fn reach(port: u16, name: &str) -> RawPeer {
        RawPeer::on(TcpStream::connect(("127.0.0.1", port)).await.unwrap(), name)
    }

    pub fn on(stream: TcpStream, name: &str) -> RawPeer {
        stream.set_nodelay(true).unwrap();
        RawPeer {
            stream,
            name: name.to_owned(),
            creation: 77,
            byte_by_byte: false,
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let size = if self.byte_by_byte {
            1
        } else {
            bytes.len().max(1)
        };
        for part in bytes.chunks(size) {
            self.stream.write_all(part).await?;
        }
        Ok(())
    }

    pub async fn packet(&mut self, message: &[u8]) {
        let mut packet = (message.len() as u16).to_be_bytes().to_vec();
        packet.extend_from_slice(message);
        self.send(&packet).await.unwrap();
    }

    pub async fn answer(&mut self) -> Vec<u8> {
        let len = self.stream.read_u16().await.unwrap();
        let mut message = vec![0; usize::from(len)];
        self.stream.read_exact(&mut message).await.unwrap();
        message
    }

    /// The name message of version 6.
    pub fn hello(&self) -> Vec<u8> {
        let mut hello = vec![b'N'];
        hello.extend_from_slice(&FLAGS.to_be_bytes());
        hello.extend_from_slice(&self.creation.to_be_bytes());
        hello.extend_from_slice(&(self.name.len() as u16).to_be_bytes());
        hello.extend_from_slice(self.name.as_bytes());
        hello
    }

    /// The name message of version 5.
    pub fn old_hello(&self) -> Vec<u8> {
        let mut hello = vec![b'n', 0, 5];
        hello.extend_from_slice(&(FLAGS as u32).to_be_bytes());
        hello.extend_from_slice(self.name.as_bytes());
        hello
    }

    /// Shakes hands to the end; returns the status that was given.
    pub async fn shake(&mut self, hello: &[u8]) -> String {
        self.packet(hello).await;
        let status = self.answer().await;
        if status == b"salive" {
            self.packet(b"strue").await;
        }
        self.prove(hello[0] == b'n').await;
        String::from_utf8(status[1..].to_vec()).unwrap()
    }

    /// Shakes hands from the status on; `old`: as a node of version 5.
    pub async fn prove(&mut self, old: bool) {
        let challenge = self.answer().await;
        if old {
            let mut complement = vec![b'c'];
            complement.extend_from_slice(&((FLAGS >> 32) as u32).to_be_bytes());
            complement.extend_from_slice(&self.creation.to_be_bytes());
            self.packet(&complement).await;
        }
        assert_eq!(challenge[0], b'N');
        let theirs = u32::from_be_bytes(challenge[9..13].try_into().unwrap());
        let digest = |n: u32| Md5::digest(format!("{COOKIE}{n}"));
        self.packet(&[&b"r"[..], &42u32.to_be_bytes(), &digest(theirs)].concat())
            .await;
        assert_eq!(self.answer().await, [&b"a"[..], &digest(42)].concat());
    }

    /// Shakes hands with a node that has dialled, after its name message, to the end.
    pub async fn welcome(&mut self, status: &[u8]) {
        self.packet(status).await;
        let mut challenge = vec![b'N'];
        challenge.extend_from_slice(&FLAGS.to_be_bytes());
        challenge.extend_from_slice(&42u32.to_be_bytes());
        challenge.extend_from_slice(&self.creation.to_be_bytes());
        challenge.extend_from_slice(&(self.name.len() as u16).to_be_bytes());
        challenge.extend_from_slice(self.name.as_bytes());
        self.packet(&challenge).await;
        let reply = self.answer().await;
        let theirs = u32::from_be_bytes(reply[1..5].try_into().unwrap());
        let digest = Md5::digest(format!("{COOKIE}{theirs}"));
        self.packet(&[&b"a"[..], &digest].concat()).await;
    }

    pub async fn frame(&mut self, frame: &[u8]) {
        let mut packet = (frame.len() as u32).to_be_bytes().to_vec();
        packet.extend_from_slice(frame);
        // The other side may have hung up already.
        let _written = self.send(&packet).await;
    }

    fn pid(&self) -> Pid {
        Pid {
            node: Arc::from(self.name.as_str()),
            id: 51,
            serial: 0,
            creation: self.creation,
        }
    }

    /// A frame to the process `echo`, up to the message.
    fn to_echo(&self) -> Vec<u8> {
        let mut frame = vec![112, 131];
        put::tuple(&mut frame, 4);
        put::integer(&mut frame, 6);
        self.pid().put(&mut frame);
        put::atom(&mut frame, "");
        put::atom(&mut frame, "echo");
        frame.push(131);
        frame
    }

    /// Sends the process `echo` a bare atom.
    pub async fn say(&mut self, atom: &str) {
        let mut frame = self.to_echo();
        put::atom(&mut frame, atom);
        self.frame(&frame).await;
    }

    /// Whether the process `echo` answers on this connection; otherwise it has been closed.
    pub async fn is_answered(&mut self) -> bool {
        let from = self.pid();
        let mut call = self.to_echo();
        put::tuple(&mut call, 3);
        put::atom(&mut call, "$gen_call");
        put::tuple(&mut call, 2);
        from.put(&mut call);
        put::integer(&mut call, 4711);
        put::atom(&mut call, "the_answer");
        self.frame(&call).await;
        loop {
            match self.next_frame().await {
                None => return false,
                Some(frame) if frame.ends_with(b"the_answer") => return true,
                Some(_) => {}
            }
        }
    }

    /// The next frame that is no tick; none if the other side has hung up.
    pub async fn next_frame(&mut self) -> Option<Vec<u8>> {
        loop {
            let len = self.stream.read_u32().await.ok()?;
            let mut frame = vec![0; len as usize];
            self.stream.read_exact(&mut frame).await.ok()?;
            if !frame.is_empty() {
                return Some(frame);
            }
        }
    }
}
