//! A plain netlink socket: many messages to one send, the answers read until the last one's.
//!
//! No async runtime and no thread: a CNI plugin asks a handful of questions and exits, and starting
//! a runtime would cost more than asking them. Only the last message of a batch asks for an
//! acknowledgement; errors of the others come unasked.
//!
//! Of the kernel's answers only the few attributes that are needed are read, by hand: a newer kernel
//! that adds attributes cannot make an answer unreadable.

mod link;
mod nexthop;

use std::io;
use std::thread::sleep;
use std::time::Duration;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use rustix::net::sockopt;

use crate::jitter::jitter;

pub(crate) use link::parse_link;
pub use link::{Ipv4Conf, Ipv6Conf, Link};
pub(crate) use nexthop::Nexthops;

/// The kernel answers within the send, but for dumps; this only bounds what must not happen.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How often a list that changed while it was read is asked for again. Pods come and go in bursts, but
/// a list is read in a fraction of a millisecond.
const DUMPS_MAX: u32 = 12;
/// A dump's pieces are at most this long (`NLMSG_GOODSIZE` up to 32 KiB).
const RECEIVE_BYTES: usize = 64 * 1024;

const HEADER_LEN: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const NLA_TYPE_MASK: u16 = 0x3fff;
const ATTRIBUTE_LEN: usize = 4;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A step that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetlinkError {
    /// What was being done.
    pub step: String,
    /// The kernel's `errno`, positive.
    pub errno: i32,
    /// The kernel's own words, where it has some.
    pub kernel: Option<String>,
}

impl std::fmt::Display for NetlinkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cause = io::Error::from_raw_os_error(self.errno);
        write!(f, "cannot {}: {cause}", self.step)?;
        match &self.kernel {
            Some(words) => write!(f, ": {words}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NetlinkError {}

/// One message of a batch.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it does, to follow "cannot".
    pub name: String,
    /// The message.
    pub message: RouteNetlinkMessage,
    /// `NLM_F_*` besides `REQUEST` and `ACK`.
    pub flags: u16,
}

impl Step {
    /// A message with its purpose.
    pub fn new(name: impl Into<String>, message: RouteNetlinkMessage, flags: u16) -> Self {
        Self {
            name: name.into(),
            message,
            flags,
        }
    }

    fn asks(&self) -> bool {
        matches!(
            self.message,
            RouteNetlinkMessage::GetLink(_)
                | RouteNetlinkMessage::GetRoute(_)
                | RouteNetlinkMessage::GetNeighbour(_)
        )
    }

    /// The question for one link, by name.
    #[must_use]
    pub fn get_link(name: &str) -> Self {
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]),
        ];
        let purpose = format!("look up interface {name}");
        Self::new(purpose, RouteNetlinkMessage::GetLink(link), 0)
    }
}

/// A netlink route socket in the namespace in which it was opened.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// If the kernel gives none.
    pub fn open() -> Result<Self, NetlinkError> {
        let open = || -> io::Result<Socket> {
            let socket = Socket::new(NETLINK_ROUTE)?;
            // Both are only for better error texts: kernels that lack them do without.
            let _ = socket.set_ext_ack(true);
            let _ = socket.set_cap_ack(true);
            sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(ANSWER_WAIT))?;
            Ok(socket)
        };
        open()
            .map(|socket| Self {
                socket,
                sequence: 0,
            })
            .map_err(|error| transport("open a netlink socket", &error))
    }

    /// Sends all steps at once and reads until the last one is answered. The answers' bodies come
    /// back in order. The kernel does not stop at a failed message: the caller takes back the others.
    ///
    /// # Errors
    /// The first step that failed.
    pub fn run(&mut self, steps: Vec<Step>) -> Result<Vec<Vec<u8>>, NetlinkError> {
        // A question's answer is its acknowledgement: asking for both would be one more to receive.
        let asks = steps.last().is_some_and(Step::asks);
        self.exchange(steps, if asks { 0 } else { NLM_F_ACK })
    }

    /// All answers to one question. A list that changed while the kernel wrote it (`NLM_F_DUMP_INTR`)
    /// can lack what was there all the time, so that it is asked for again.
    ///
    /// # Errors
    /// If the kernel refuses it, the dump breaks off, or the list does not hold still.
    pub fn dump(&mut self, step: Step) -> Result<Vec<Vec<u8>>, NetlinkError> {
        let Step {
            name,
            message,
            flags,
        } = step;
        self.steadily(&name, |netlink| {
            let step = Step::new(name.as_str(), message.clone(), flags);
            netlink.exchange(vec![step], NLM_F_DUMP)
        })
    }

    /// The same, for a message that netlink-packet-route has no word for.
    ///
    /// # Errors
    /// As [`Netlink::dump`].
    fn dump_raw(
        &mut self,
        name: &str,
        kind: u16,
        body: &[u8],
    ) -> Result<Vec<Vec<u8>>, NetlinkError> {
        self.steadily(name, |netlink| {
            netlink.sequence = netlink.sequence.wrapping_add(1);
            let first = netlink.sequence;
            let flags = NLM_F_REQUEST | NLM_F_DUMP;
            let bytes = message(kind, flags, first, body);
            netlink.converse(&[name.to_owned()], first, &bytes, false)
        })
    }

    /// Asks until the list holds still.
    fn steadily(
        &mut self,
        name: &str,
        mut ask: impl FnMut(&mut Self) -> Result<Vec<Vec<u8>>, NetlinkError>,
    ) -> Result<Vec<Vec<u8>>, NetlinkError> {
        for attempt in 1..=DUMPS_MAX {
            match ask(self) {
                Err(error) if error.errno == libc::EINTR => {}
                outcome => return outcome,
            }
            sleep(Duration::from_micros(300 * u64::from(attempt)).mul_f64(jitter()));
        }
        Err(NetlinkError {
            step: name.to_owned(),
            errno: libc::EINTR,
            kernel: Some(format!("it changed during each of {DUMPS_MAX} attempts")),
        })
    }

    /// The link of that name, if there is one.
    ///
    /// # Errors
    /// Anything but "no such device".
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, NetlinkError> {
        match self.run(vec![Step::get_link(name)]) {
            Ok(answers) => Ok(answers.first().and_then(|body| parse_link(body))),
            Err(error) if error.errno == libc::ENODEV => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn exchange(
        &mut self,
        steps: Vec<Step>,
        last_flags: u16,
    ) -> Result<Vec<Vec<u8>>, NetlinkError> {
        let names: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
        let first = self.sequence.wrapping_add(1);
        let bytes = self.emit(steps, last_flags);
        self.converse(&names, first, &bytes, last_flags == 0)
    }

    /// Sends what has the sequence numbers from `first` to the last one given out, and reads.
    fn converse(
        &mut self,
        names: &[String],
        first: u32,
        bytes: &[u8],
        ends_with_answer: bool,
    ) -> Result<Vec<Vec<u8>>, NetlinkError> {
        let last_name = names.last().map_or("send nothing", String::as_str);
        self.socket
            .send(bytes, 0)
            .map_err(|error| transport(last_name, &error))?;
        let mut answers = Answers {
            names,
            first,
            last: self.sequence,
            ends_with_answer,
            bodies: Vec::new(),
            failure: None,
            interrupted: false,
        };
        let mut buffer = Vec::with_capacity(RECEIVE_BYTES);
        loop {
            buffer.clear();
            match self.socket.recv(&mut buffer, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(transport(last_name, &error)),
            }
            if answers.take(&buffer) {
                return answers.outcome();
            }
        }
    }

    fn emit(&mut self, steps: Vec<Step>, last_flags: u16) -> Vec<u8> {
        let count = steps.len();
        let mut bytes = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let mut message = NetlinkMessage::from(step.message);
            message.header.sequence_number = self.sequence;
            message.header.flags = NLM_F_REQUEST | step.flags;
            if at + 1 == count {
                message.header.flags |= last_flags;
            }
            message.finalize();
            let start = bytes.len();
            let end = start + message.buffer_len();
            // NLMSG_ALIGN: the next message begins at a multiple of four.
            bytes.resize(end.next_multiple_of(4), 0);
            message.serialize(&mut bytes[start..end]);
            debug_assert!(matches!(message.payload, NetlinkPayload::InnerMessage(_)));
        }
        bytes
    }
}

/// The reading side of one exchange.
struct Answers<'a> {
    names: &'a [String],
    first: u32,
    last: u32,
    /// The last message is a question without acknowledgement.
    ends_with_answer: bool,
    bodies: Vec<Vec<u8>>,
    failure: Option<NetlinkError>,
    interrupted: bool,
}

impl Answers<'_> {
    /// Takes one datagram; true once the last message has its answer.
    fn take(&mut self, datagram: &[u8]) -> bool {
        let mut rest = datagram;
        while let Some((header, body, next)) = split_message(rest) {
            rest = next;
            // A multicast of the kernel's, or the rest of a dump that was given up.
            if header.sequence.wrapping_sub(self.first) > self.last.wrapping_sub(self.first) {
                continue;
            }
            self.interrupted |= header.flags & NLM_F_DUMP_INTR != 0 && header.kind != NLMSG_ERROR;
            match header.kind {
                NLMSG_ERROR => {
                    self.fail(&header, body);
                    if header.sequence == self.last {
                        return true;
                    }
                }
                NLMSG_DONE if header.sequence == self.last => {
                    // A dump that breaks off says why at its end.
                    self.fail(&header, body);
                    return true;
                }
                NLMSG_DONE => {}
                _ => {
                    self.bodies.push(body.to_vec());
                    if self.ends_with_answer && header.sequence == self.last {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Notes the first failure, if this is one.
    fn fail(&mut self, header: &MessageHeader, body: &[u8]) {
        let errno = read_i32(body, 0).unwrap_or(0).saturating_neg();
        if errno > 0 && self.failure.is_none() {
            self.failure = Some(NetlinkError {
                step: self.name_of(header.sequence),
                errno,
                kernel: kernel_words(header.flags, body),
            });
        }
    }

    fn outcome(self) -> Result<Vec<Vec<u8>>, NetlinkError> {
        match self.failure {
            Some(failure) => Err(failure),
            None if self.interrupted => Err(NetlinkError {
                step: self.name_of(self.last),
                errno: libc::EINTR,
                kernel: None,
            }),
            None => Ok(self.bodies),
        }
    }

    fn name_of(&self, sequence: u32) -> String {
        let at = sequence.wrapping_sub(self.first) as usize;
        self.names.get(at).cloned().unwrap_or_default()
    }
}

/// A message by hand; `body` is a multiple of four long.
fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER_LEN + body.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

struct MessageHeader {
    kind: u16,
    flags: u16,
    sequence: u32,
}

fn split_message(bytes: &[u8]) -> Option<(MessageHeader, &[u8], &[u8])> {
    let length = usize::try_from(read_u32(bytes, 0)?).ok()?;
    if length < HEADER_LEN {
        return None;
    }
    let header = MessageHeader {
        kind: read_u16(bytes, 4)?,
        flags: read_u16(bytes, 6)?,
        sequence: read_u32(bytes, 8)?,
    };
    let body = bytes.get(HEADER_LEN..length)?;
    let next = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    Some((header, body, next))
}

/// `NLMSGERR_ATTR_MSG`, which follows the echoed header.
fn kernel_words(flags: u16, body: &[u8]) -> Option<String> {
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let attributes = body.get(4 + HEADER_LEN..)?;
    attributes_of(attributes)
        .find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)
        .map(|(_, value)| text(value))
}

/// The attributes (kind, value) of a message body, behind its fixed header; ends where they stop
/// making sense.
pub(crate) fn attributes_of(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(read_u16(bytes, 0)?);
        let kind = read_u16(bytes, 2)? & NLA_TYPE_MASK;
        let value = bytes.get(ATTRIBUTE_LEN..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&value[..end.unwrap_or(value.len())]).into_owned()
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_ne_bytes(bytes))
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_ne_bytes(bytes))
}

fn read_i32(bytes: &[u8], at: usize) -> Option<i32> {
    read_u32(bytes, at).map(u32::cast_signed)
}

fn transport(step: &str, error: &io::Error) -> NetlinkError {
    NetlinkError {
        step: step.to_owned(),
        errno: error.raw_os_error().unwrap_or(libc::EIO),
        kernel: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn loopback_is_found_and_nonsense_is_not() {
        let mut netlink = Netlink::open().expect("netlink socket");
        let lo = netlink.link("lo").expect("answer").expect("lo exists");
        assert_eq!((lo.name.as_str(), lo.index), ("lo", 1));
        assert!(lo.mtu > 0);
        assert_eq!(netlink.link("no-such-link").expect("answer"), None);
    }

    #[test]
    fn a_failed_message_in_the_middle_is_named() {
        let mut netlink = Netlink::open().expect("netlink socket");
        let steps = ["lo", "no-such-link", "lo"].map(Step::get_link).to_vec();
        let error = netlink.run(steps).expect_err("one of them is missing");
        assert_eq!(error.errno, libc::ENODEV);
        assert_eq!(error.step, "look up interface no-such-link");
    }

    /// A message of a dump's: header and four bytes.
    fn piece(kind: u16, flags: u16, sequence: u32) -> Vec<u8> {
        let mut bytes = 20_u32.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn a_list_that_changed_meanwhile_is_not_taken() {
        let names = ["list the links".to_owned()];
        let read = |pieces: &[Vec<u8>]| {
            let mut answers = Answers {
                names: &names,
                first: 5,
                last: 5,
                ends_with_answer: false,
                bodies: Vec::new(),
                failure: None,
                interrupted: false,
            };
            assert!(answers.take(&pieces.concat()), "it ends");
            answers.outcome().map(|bodies| bodies.len())
        };
        let (part, done) = (16, NLMSG_DONE);
        assert_eq!(read(&[piece(part, 2, 5), piece(done, 2, 5)]), Ok(1));
        for torn in [
            [piece(part, 2 | NLM_F_DUMP_INTR, 5), piece(done, 2, 5)],
            [piece(part, 2, 5), piece(done, 2 | NLM_F_DUMP_INTR, 5)],
        ] {
            let error = read(&torn).expect_err("interrupted");
            assert_eq!(error.errno, libc::EINTR);
            assert_eq!(error.step, "list the links");
        }
        let mut broken = piece(done, 2, 5);
        broken[16..20].copy_from_slice(&(-libc::ENOBUFS).to_ne_bytes());
        let error = read(&[piece(part, 2, 5), broken]).expect_err("broken off");
        assert_eq!(error.errno, libc::ENOBUFS);
        // Neither what belongs to an older question nor what nobody asked for.
        let strange = [
            piece(part, NLM_F_DUMP_INTR, 4),
            piece(part, NLM_F_DUMP_INTR, 0),
            piece(done, 2, 4),
            piece(done, 2, 5),
        ];
        assert_eq!(read(&strange), Ok(0));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let names = ["a".to_owned()];
            let mut answers = Answers {
                names: &names, first: 1, last: 1, ends_with_answer: true, bodies: Vec::new(),
                failure: None, interrupted: false,
            };
            answers.take(&bytes);
            let _ = parse_link(&bytes);
        }
    }
}
