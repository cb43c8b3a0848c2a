//! Peers on plain sockets: all that they know of BGP is here.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::common::{Namespace, SOON, wait};

const DAEMON: &str = "10.0.0.1:179";
const SPEAK: Duration = Duration::from_millis(500);
const UPDATE: u8 = 2;
const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;

pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap();
    [&[0xff; 16], &length.to_be_bytes()[..], &[kind], body].concat()
}

pub(crate) fn keepalive() -> Vec<u8> {
    message(KEEPALIVE, &[])
}

fn open(last: u8) -> Vec<u8> {
    let asn = u16::from(last) + 65_000;
    let [high, low] = asn.to_be_bytes();
    let head = [4, high, low, 0, 90, 10, 0, 0, last];
    // Multiprotocol: IPv4 unicast. Four-octet AS.
    let capabilities = [1, 4, 0, 1, 0, 1, 65, 4, 0, 0, high, low];
    message(1, &[&head[..], &[14, 2, 12], &capabilities].concat())
}

/// An UPDATE: /24s from `first` on (20.0.0.0 and upwards), of an origin AS.
pub(crate) fn routes(last: u8, first: u32, count: u32, origin: u32) -> Vec<u8> {
    let mut body = vec![0, 0];
    let asn = u32::from(last) + 65_000;
    let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 10, 2, 2];
    attributes.extend(asn.to_be_bytes());
    attributes.extend(origin.to_be_bytes());
    attributes.extend([0x40, 3, 4, 10, 0, 0, last]);
    body.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
    body.extend(attributes);
    for number in first..first + count {
        let [a, b, c, _] = (0x1400_0000 + (number << 8)).to_be_bytes();
        body.extend([24, a, b, c]);
    }
    message(UPDATE, &body)
}

/// A connection from 10.0.0.`last`, in the peers' namespace; `None`: nobody answers.
pub(crate) fn connect(namespace: &Namespace, last: u8) -> Option<TcpStream> {
    namespace.run(move || async move {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let own = SocketAddr::from(([10, 0, 0, last], 0));
        socket.bind(&own.into()).unwrap();
        let to: SocketAddr = DAEMON.parse().unwrap();
        let connected = socket.connect_timeout(&to.into(), Duration::from_secs(2));
        connected.ok().map(|()| TcpStream::from(socket))
    })
}

/// An established session.
pub(crate) fn establish(namespace: &Namespace, last: u8) -> TcpStream {
    wait("a session", || {
        let mut stream = connect(namespace, last)?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(&open(last)).ok()?;
        let mut bytes = Vec::new();
        for wanted in [1, KEEPALIVE] {
            if next(&mut stream, &mut bytes)?.0 != wanted {
                return None;
            }
        }
        stream.write_all(&keepalive()).ok()?;
        Some(stream)
    })
}

/// The next message; `None`: the connection is over, or nothing came in time.
pub(crate) fn next(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    loop {
        if let Some(header) = bytes.first_chunk::<19>() {
            let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
            let kind = header[18];
            if bytes.len() >= length {
                let rest = bytes.split_off(length);
                let whole = std::mem::replace(bytes, rest);
                return Some((kind, whole[19..].to_vec()));
            }
        }
        let mut chunk = [0; 8192];
        match stream.read(&mut chunk) {
            Ok(0) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) if error.kind() == ErrorKind::TimedOut => return None,
            Err(_) => return None,
        }
    }
}

/// A session that does nothing but live, with a hold time of 3 s.
pub(crate) struct Bystander {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Result<Duration, String>>,
}

impl Bystander {
    pub(crate) fn new(namespace: &Namespace, last: u8) -> Self {
        let mut stream = establish(namespace, last);
        stream.set_read_timeout(Some(SPEAK)).unwrap();
        let end = Arc::new(AtomicBool::new(false));
        let flag = end.clone();
        let thread = std::thread::spawn(move || {
            let (mut bytes, mut spoken) = (Vec::new(), Instant::now());
            let (mut heard, mut longest) = (Instant::now(), Duration::ZERO);
            while !flag.load(Ordering::Relaxed) {
                let message = next(&mut stream, &mut bytes);
                if let Some((NOTIFICATION, body)) = &message {
                    return Err(format!("NOTIFICATION {body:?}"));
                }
                if message.is_some() {
                    longest = longest.max(heard.elapsed());
                    heard = Instant::now();
                }
                if spoken.elapsed() >= SPEAK {
                    let sent = stream.write_all(&keepalive());
                    sent.map_err(|error| error.to_string())?;
                    spoken = Instant::now();
                }
            }
            Ok(longest.max(heard.elapsed()))
        });
        Self { end, thread }
    }

    /// It has lived on, and never waited as long as its hold time.
    pub(crate) fn was_heard_in_time(self) {
        self.end.store(true, Ordering::Relaxed);
        let longest = self.thread.join().unwrap().expect("the session lives on");
        assert!(longest < Duration::from_secs(3), "silence for {longest:?}");
    }
}

/// Reads on a thread of its own, so many bytes at most each 50 ms, until the given origin AS is that
/// of so many prefixes. What it has then: prefixes by origin AS.
pub(crate) fn read_until(
    mut stream: TcpStream,
    portion: usize,
    origin: u32,
    count: usize,
) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        let deadline = Instant::now() + SOON * 4;
        let mut state = std::collections::BTreeMap::<Vec<u8>, u32>::new();
        let (mut bytes, mut spoken) = (Vec::new(), Instant::now());
        let mut chunk = vec![0; portion];
        let mut total = 0;
        stream.set_read_timeout(Some(SPEAK)).unwrap();
        while state.values().filter(|known| **known == origin).count() < count {
            assert!(Instant::now() < deadline, "{} prefixes", state.len());
            std::thread::sleep(Duration::from_millis(50));
            if let Ok(read) = stream.read(&mut chunk) {
                assert!(read > 0, "the session was closed");
                total += read;
                bytes.extend_from_slice(&chunk[..read]);
            }
            take(&mut bytes, &mut state);
            if spoken.elapsed() >= SPEAK {
                stream.write_all(&keepalive()).unwrap();
                spoken = Instant::now();
            }
        }
        total
    })
}

fn take(bytes: &mut Vec<u8>, state: &mut std::collections::BTreeMap<Vec<u8>, u32>) {
    while let Some(header) = bytes.first_chunk::<19>() {
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        if bytes.len() < length {
            return;
        }
        let rest = bytes.split_off(length);
        let whole = std::mem::replace(bytes, rest);
        let body = &whole[19..];
        if whole[18] != UPDATE || body.len() < 5 {
            continue;
        }
        let withdrawn = usize::from(u16::from_be_bytes([body[0], body[1]]));
        for gone in body[2..2 + withdrawn].chunks(4) {
            state.remove(gone);
        }
        let attributes = &body[2 + withdrawn..];
        let long = usize::from(u16::from_be_bytes([attributes[0], attributes[1]]));
        let (attributes, nlri) = attributes[2..].split_at(long);
        // The origin AS is the last of AS_PATH, the second attribute: ORIGIN has four octets.
        if let Some(path) = attributes.get(4..) {
            let end = 3 + usize::from(path[2]);
            let origin = u32::from_be_bytes(path[end - 4..end].try_into().unwrap());
            for prefix in nlri.chunks(4) {
                state.insert(prefix.to_vec(), origin);
            }
        }
    }
}
