//! Reads what the kernel has, and hears when that changes: for what is so little that all of it can be
//! read anew, links and addresses. One socket for notifications, one for answers.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use tokio::time::{Instant, sleep_until, timeout};

use crate::fib::message::{self, RawMessage, flag, kind};

/// For one datagram of an answer.
const ANSWER: Duration = Duration::from_secs(2);
/// The largest datagram of a dump.
const DATAGRAM: usize = 64 * 1024;

/// `RTM_GETADDR`, and octets of its `struct ifaddrmsg`.
pub const GET_ADDRESS: u16 = 22;
/// See above.
pub const ADDRESS_HEADER: usize = 8;

/// See the [module](self). In the namespace of the thread that opened it.
pub struct Reader {
    news: TokioSocket,
    dumps: TokioSocket,
    sequence: u32,
    buffer: BytesMut,
    /// Something has changed, and nobody was told yet: when the pause after it ends.
    due: Option<Instant>,
}

impl Reader {
    /// Subscribes to these groups (`RTNLGRP_*`).
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(groups: &[u32]) -> io::Result<Self> {
        let mut news = TokioSocket::new(netlink_sys::protocols::NETLINK_ROUTE)?;
        news.socket_mut().bind_auto()?;
        for group in groups {
            news.socket_ref().add_membership(*group)?;
        }
        let mut dumps = TokioSocket::new(netlink_sys::protocols::NETLINK_ROUTE)?;
        dumps.socket_mut().bind_auto()?;
        // Kernels before 4.20 do not know it: they send more than was asked for, and we filter.
        let _ = dumps.socket_ref().set_netlink_get_strict_chk(true);
        Ok(Self {
            news,
            dumps,
            sequence: 0,
            buffer: BytesMut::with_capacity(DATAGRAM),
            due: None,
        })
    }

    /// Every message of the answer to a request for a dump, whose sequence number is set here.
    ///
    /// # Errors
    /// The kernel's, or a timeout.
    pub async fn dump(
        &mut self,
        mut request: Vec<u8>,
        mut each: impl FnMut(&RawMessage<'_>),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        if let Some(field) = request.get_mut(8..12) {
            field.copy_from_slice(&self.sequence.to_ne_bytes());
        }
        let to = SocketAddr::new(0, 0);
        timeout(ANSWER, self.dumps.send_to(&request, &to)).await??;
        loop {
            self.buffer.clear();
            self.buffer.reserve(DATAGRAM);
            timeout(ANSWER, self.dumps.recv(&mut self.buffer)).await??;
            for answer in message::split(&self.buffer) {
                match answer.kind {
                    // The answer to an earlier question, given up since.
                    _ if answer.sequence != self.sequence => {}
                    kind::DONE | kind::ERROR => {
                        return match message::errno_of(answer.payload) {
                            0 => Ok(()),
                            errno => Err(io::Error::from_raw_os_error(errno)),
                        };
                    }
                    _ => each(&answer),
                }
            }
        }
    }

    /// Until something changes that counts, or may have: lost notifications (ENOBUFS) mean the same. Then
    /// for a pause: one reading after it covers what came meanwhile. Cancel safe: what was heard by a call
    /// that was given up is what the next one tells.
    pub async fn changed(&mut self, counts: impl Fn(&RawMessage<'_>) -> bool, pause: Duration) {
        let due = loop {
            if let Some(due) = self.due {
                break due;
            }
            self.buffer.clear();
            self.buffer.reserve(DATAGRAM);
            let heard = self.news.recv(&mut self.buffer).await;
            if heard.is_err() || message::split(&self.buffer).any(|news| counts(&news)) {
                self.due = Some(Instant::now() + pause);
            }
        };
        sleep_until(due).await;
        self.due = None;
        loop {
            self.buffer.clear();
            self.buffer.reserve(DATAGRAM);
            match self.news.recv(&mut self.buffer).now_or_never() {
                Some(Ok(())) => {}
                Some(Err(_)) | None => return,
            }
        }
    }
}

/// A request for a dump of everything of a kind (`RTM_GET*`), whose header has so many bytes and begins with
/// the address family.
#[must_use]
pub fn all_of(what: u16, header: usize, family: u8) -> Vec<u8> {
    let length = message::HEADER_LEN + header;
    let mut bytes = u32::try_from(length)
        .unwrap_or_default()
        .to_ne_bytes()
        .to_vec();
    bytes.extend(what.to_ne_bytes());
    bytes.extend((flag::REQUEST | flag::DUMP).to_ne_bytes());
    bytes.resize(message::HEADER_LEN, 0);
    bytes.push(family);
    bytes.resize(length, 0);
    bytes
}
