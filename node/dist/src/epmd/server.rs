//! A port mapper of our own, for hosts on which none runs: as much of it as nodes need to register
//! and to find each other.

use super::{
    ALIVE2_REQ, ALIVE2_RESP, ALIVE2_X_RESP, NAMES_REQ, PORT_PLEASE2_REQ, PORT2_RESP, VERSION,
};
use crate::half_open::HalfOpen;
use crate::handshake::random;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Most connections at once that have asked something, as many as descriptors that a port mapper
/// normally has.
const CONNECTIONS: usize = 1_000;
/// Most connections at once that have not asked yet.
const ASKING: usize = 256;
/// Most connections that wait to be accepted. Whoever comes beyond waits a second for the next attempt.
const BACKLOG: i32 = 1_024;
/// Longest time until a client has asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// A registered node, as ALIVE2_REQ tells and PORT2_RESP repeats.
struct Entry {
    port: u16,
    /// Type, protocol, highest and lowest version.
    kind: [u8; 6],
    extra: Vec<u8>,
}

type Names = Arc<Mutex<BTreeMap<Vec<u8>, Entry>>>;

/// The port mapper; it ends when this is dropped.
pub(crate) struct Server {
    _tasks: JoinSet<()>,
}

impl Server {
    /// Serves `port` on all addresses.
    pub(crate) fn start(port: u16) -> io::Result<Server> {
        let mut tasks = JoinSet::new();
        let (names, permits) = (Names::default(), Arc::new(Semaphore::new(CONNECTIONS)));
        let v4 = listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
        tasks.spawn(accept(v4, port, names.clone(), permits.clone()));
        // A host without IPv6 is served without it.
        if let Ok(v6) = listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
            tasks.spawn(accept(v6, port, names, permits));
        }
        Ok(Server { _tasks: tasks })
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        None,
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

async fn accept(listener: TcpListener, own_port: u16, names: Names, permits: Arc<Semaphore>) {
    let mut asking = HalfOpen::new(ASKING);
    let mut asked = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    asking.begin(address, request(stream));
                }
                // Out of descriptors, most likely: some will be given back.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            request = asking.next() => {
                let permit = permits.clone().try_acquire_owned();
                if let (Some(Ok((stream, request))), Ok(permit)) = (request, permit) {
                    let names = names.clone();
                    asked.spawn(async move {
                        let _hung_up = answer(stream, &request, own_port, &names).await;
                        drop(permit);
                    });
                }
            }
            Some(_) = asked.join_next() => {}
        }
    }
}

/// What the client asks.
async fn request(mut stream: TcpStream) -> io::Result<(TcpStream, Vec<u8>)> {
    let request = tokio::time::timeout(PATIENCE, async {
        let len = stream.read_u16().await?;
        let mut request = vec![0; usize::from(len)];
        stream.read_exact(&mut request).await?;
        io::Result::Ok(request)
    })
    .await??;
    Ok((stream, request))
}

async fn answer(
    mut stream: TcpStream,
    request: &[u8],
    own_port: u16,
    names: &Names,
) -> io::Result<()> {
    match request.split_first() {
        Some((&ALIVE2_REQ, fields)) if is_local(&stream) => alive(stream, fields, names).await,
        Some((&PORT_PLEASE2_REQ, name)) => {
            let answer = port_answer(name, names);
            stream.write_all(&answer).await
        }
        Some((&NAMES_REQ, [])) => {
            let answer = names_answer(own_port, names);
            stream.write_all(&answer).await
        }
        _ => Ok(()),
    }
}

/// Only nodes of this host may register.
fn is_local(stream: &TcpStream) -> bool {
    let canonical = |address: io::Result<SocketAddr>| address.map(|a| a.ip().to_canonical()).ok();
    let peer: Option<IpAddr> = canonical(stream.peer_addr());
    peer.is_some_and(|peer| peer.is_loopback() || Some(peer) == canonical(stream.local_addr()))
}

/// Registers the node for as long as it keeps its socket open.
async fn alive(mut stream: TcpStream, fields: &[u8], names: &Names) -> io::Result<()> {
    let Some((name, entry)) = parse_alive(fields) else {
        return Ok(());
    };
    let [_, _, high @ .., _, _] = entry.kind;
    let free = {
        let mut names = names.lock();
        let free = !names.contains_key(&name);
        if free {
            names.insert(name.clone(), entry);
        }
        free
    };
    // Taken out again however this function ends.
    let _registered = free.then(|| Registered {
        name,
        names: names.clone(),
    });
    // Creations below 4 were those of nodes of before OTP 23.
    let creation = (random() as u32).max(4);
    let result = u8::from(!free);
    let mut answer = Vec::new();
    if u16::from_be_bytes(high) >= VERSION {
        answer.extend_from_slice(&[ALIVE2_X_RESP, result]);
        answer.extend_from_slice(&creation.to_be_bytes());
    } else {
        answer.extend_from_slice(&[ALIVE2_RESP, result]);
        answer.extend_from_slice(&(creation as u16 % 3 + 1).to_be_bytes());
    }
    stream.write_all(&answer).await?;
    let mut ignored = [0; 64];
    while free && stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

struct Registered {
    name: Vec<u8>,
    names: Names,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.names.lock().remove(&self.name);
    }
}

fn parse_alive(fields: &[u8]) -> Option<(Vec<u8>, Entry)> {
    let (port, rest) = fields.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let (name, rest) = sized(rest)?;
    let (extra, _) = sized(rest)?;
    let name_is_good = (1..=255).contains(&name.len()) && !name.contains(&b'\n');
    name_is_good.then(|| {
        (
            name.to_vec(),
            Entry {
                port: u16::from_be_bytes(*port),
                kind: *kind,
                extra: extra.to_vec(),
            },
        )
    })
}

fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

fn port_answer(name: &[u8], names: &Names) -> Vec<u8> {
    let names = names.lock();
    let Some(entry) = names.get(name) else {
        return vec![PORT2_RESP, 1];
    };
    let mut answer = vec![PORT2_RESP, 0];
    answer.extend_from_slice(&entry.port.to_be_bytes());
    answer.extend_from_slice(&entry.kind);
    for field in [name, &entry.extra] {
        answer.extend_from_slice(&(field.len() as u16).to_be_bytes());
        answer.extend_from_slice(field);
    }
    answer
}

fn names_answer(own_port: u16, names: &Names) -> Vec<u8> {
    let mut answer = u32::from(own_port).to_be_bytes().to_vec();
    for (name, entry) in names.lock().iter() {
        answer.extend_from_slice(b"name ");
        answer.extend_from_slice(name);
        answer.extend_from_slice(format!(" at port {}\n", entry.port).as_bytes());
    }
    answer
}
