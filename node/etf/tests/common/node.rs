//! A real node as the judge of bytes: see `node.escript` for the protocol.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Ends when it is dropped, as its standard input then does.
pub struct Node {
    child: Child,
    to: Option<ChildStdin>,
    from: ChildStdout,
}

impl Node {
    pub fn start() -> Node {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/node.escript");
        let mut command = Command::new("escript");
        command
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("escript is part of Erlang/OTP");
        let (to, from) = (child.stdin.take(), child.stdout.take().expect("piped"));
        Node { child, to, from }
    }

    fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        let to = self.to.as_mut().expect("open until it is dropped");
        to.write_all(&(request.len() as u32).to_be_bytes())
            .expect("the node reads");
        to.write_all(request)
            .and_then(|()| to.flush())
            .expect("the node reads");
        let mut size = [0; 4];
        self.from.read_exact(&mut size).expect("the node answers");
        let mut answer = vec![0; u32::from_be_bytes(size) as usize];
        self.from.read_exact(&mut answer).expect("the node answers");
        answer
    }

    fn ask_about<T: AsRef<[u8]>>(&mut self, command: u8, terms: &[T]) -> Vec<u8> {
        let mut request = vec![command];
        for term in terms {
            request.extend((term.as_ref().len() as u32).to_be_bytes());
            request.extend(term.as_ref());
        }
        self.ask(&request)
    }

    fn verdicts<T: AsRef<[u8]>>(&mut self, command: u8, terms: &[T]) -> Vec<bool> {
        let verdicts = self.ask_about(command, terms);
        verdicts.into_iter().map(|verdict| verdict == 1).collect()
    }

    /// `erlang:phash2/1` of each of `terms`.
    #[allow(dead_code)]
    pub fn phash2<T: AsRef<[u8]>>(&mut self, terms: &[T]) -> Vec<u32> {
        let hashes = self.ask_about(b'h', terms);
        assert_eq!(hashes.len(), 4 * terms.len());
        let hash = |bytes: &[u8; 4]| u32::from_be_bytes(*bytes);
        hashes.as_chunks().0.iter().map(hash).collect()
    }

    /// For each of `terms`, whether `binary_to_term` takes it.
    #[allow(dead_code)] // not every test file asks
    pub fn takes<T: AsRef<[u8]>>(&mut self, terms: &[T]) -> Vec<bool> {
        let verdicts = self.verdicts(b'd', terms);
        assert_eq!(verdicts.len(), terms.len());
        verdicts
    }

    /// For each two of `terms`, whether they are equal (`=:=`).
    #[allow(dead_code)]
    pub fn equal<T: AsRef<[u8]>>(&mut self, terms: &[T]) -> Vec<bool> {
        let verdicts = self.verdicts(b'e', terms);
        assert_eq!(verdicts.len() * 2, terms.len());
        verdicts
    }

    /// Random terms of every type, in the external format.
    #[allow(dead_code)]
    pub fn generate(&mut self, seed: u32, count: u32) -> Vec<Vec<u8>> {
        let mut request = vec![b'g'];
        request.extend(seed.to_be_bytes());
        request.extend(count.to_be_bytes());
        let answer = self.ask(&request);
        let (mut rest, mut terms) = (answer.as_slice(), Vec::new());
        while let Some((size, after)) = rest.split_first_chunk::<4>() {
            let (term, after) = after.split_at(u32::from_be_bytes(*size) as usize);
            terms.push(term.to_vec());
            rest = after;
        }
        assert_eq!(terms.len(), count as usize);
        terms
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.to = None;
        let _ = self.child.wait();
    }
}
