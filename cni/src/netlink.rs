//! A plain netlink socket: many messages to one send, the answers read until the last one's.
//!
//! No async runtime and no thread: a CNI plugin asks a handful of questions and exits, and starting
//! a runtime would cost more than asking them. Only the last message of a batch asks for an
//! acknowledgement; errors of the others come unasked.
//!
//! Of the kernel's answers only the few attributes that are needed are read, by hand: a newer kernel
//! that adds attributes cannot make an answer unreadable.

mod answers;
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

use answers::Answers;
pub(crate) use answers::{attributes_of, read_u32};
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

fn transport(step: &str, error: &io::Error) -> NetlinkError {
    NetlinkError {
        step: step.to_owned(),
        errno: error.raw_os_error().unwrap_or(libc::EIO),
        kernel: None,
    }
}

#[cfg(test)]
mod tests {
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
}
