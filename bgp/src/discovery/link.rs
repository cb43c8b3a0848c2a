//! The task of one link: sends what is due, reads what comes, says who is there.

use std::io;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use rcni_bgp_proto::discovery::{self, Link, Send, Verdict};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until};
use tracing::{debug, warn};

use super::socket::{LinkSocket, Packet};
use rcni_control::jitter::{jitter, random};

/// Messages that are read at a time.
const BATCH: usize = 64;
/// After so many at once: whoever floods the link is read from so often, and the kernel drops the rest.
const BREATH: Duration = Duration::from_millis(100);
/// After a socket could not be had, or has failed.
const PAUSE: Duration = Duration::from_secs(5);
/// What was dropped is told so often.
const TOLD_APART: Duration = Duration::from_secs(2);
/// When nothing is due.
const LONG: Duration = Duration::from_secs(3600);

/// What the link is, for its task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Its link-local address, if it is up and has one.
    pub address: Option<Ipv6Addr>,
    /// How often its carrier came or went.
    pub carrier_changes: u32,
    /// Its Ethernet address.
    pub link_layer: Option<[u8; 6]>,
    /// The neighbour with whom there is a session, or that may be restarting.
    pub established: Option<Ipv6Addr>,
}

/// What the task has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who is there.
    pub verdict: Verdict,
    /// Why advertisements can neither be sent nor read.
    pub trouble: Option<String>,
    /// Forged and malformed messages.
    pub dropped: u64,
    /// The last one of them.
    pub last_dropped: Option<String>,
}

/// The link's index, and what is seen there.
pub type News = (u32, Seen);

impl Default for Seen {
    fn default() -> Self {
        Self {
            verdict: Verdict::Waiting,
            trouble: None,
            dropped: 0,
            last_dropped: None,
        }
    }
}

/// One link with its socket.
pub struct Watched {
    name: String,
    index: u32,
    own: watch::Receiver<Own>,
    out: mpsc::Sender<News>,
    link: Link,
    seen: Seen,
    /// What was said last, and when.
    told: Option<(Seen, Instant)>,
}

impl Watched {
    /// Not begun.
    #[must_use]
    pub fn new(
        name: String,
        index: u32,
        own: watch::Receiver<Own>,
        out: mpsc::Sender<News>,
    ) -> Self {
        Self {
            name,
            index,
            own,
            out,
            link: Link::new(random()),
            seen: Seen::default(),
            told: None,
        }
    }

    /// Ends when nobody wants it any more.
    pub async fn run(mut self) {
        loop {
            let error = match LinkSocket::open(&self.name, self.index) {
                Ok(socket) => match self.watch(&socket).await {
                    Ok(()) => return,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            debug!(link = self.name, %error, "no router advertisements for now");
            self.seen.trouble = Some(explain(&error));
            if self.tell().await.is_err() {
                return;
            }
            sleep(jitter(PAUSE)).await;
        }
    }

    /// `Ok`: nobody wants it any more.
    async fn watch(&mut self, socket: &LinkSocket) -> io::Result<()> {
        let mut rest: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let own = *self.own.borrow_and_update();
            self.link.set_own(own.address, own.carrier_changes, now);
            self.link.set_established(own.established);
            self.send(socket, own, now);
            if self.tell().await.is_err() {
                return Ok(());
            }
            rest = rest.filter(|until| *until > now);
            let next = self.link.next_timeout(now).unwrap_or(now + LONG);
            let untold = self.told.as_ref().map(|(_, at)| *at + TOLD_APART);
            let untold = untold.filter(|_| self.is_behind());
            let wake = [Some(next), rest, untold].into_iter().flatten().min();
            tokio::select! {
                packets = socket.receive(BATCH), if rest.is_none() => {
                    let packets = packets?;
                    if packets.len() >= BATCH {
                        rest = Some(Instant::now() + BREATH);
                    }
                    self.hear(&packets);
                }
                changed = self.own.changed() => if changed.is_err() {
                    return Ok(());
                },
                () = sleep_until(wake.unwrap_or(next).into()) => {}
            }
        }
    }

    fn send(&mut self, socket: &LinkSocket, own: Own, now: Instant) {
        while let Some(what) = self.link.due(now) {
            let bytes = match what {
                Send::Advertisement => discovery::advertisement(own.link_layer),
                Send::Solicitation => discovery::solicitation(own.link_layer),
            };
            match socket.send(what, &bytes) {
                Ok(()) => self.seen.trouble = None,
                // A full queue, or a link that has just gone down: the next one comes anyway.
                Err(error) => {
                    debug!(link = self.name, %error, ?what, "not sent");
                    if !is_passing(&error) {
                        self.seen.trouble = Some(explain(&error));
                    }
                }
            }
        }
    }

    fn hear(&mut self, packets: &[Packet]) {
        let now = Instant::now();
        for packet in packets {
            match discovery::parse(packet.source, packet.hop_limit, &packet.bytes) {
                Ok(message) => self.link.hear(packet.source, message, now),
                Err(malformed) => {
                    self.seen.dropped += 1;
                    self.seen.last_dropped = Some(format!("{malformed}, from {}", packet.source));
                    if self.seen.dropped == 1 {
                        warn!(
                            link = self.name,
                            from = %packet.source,
                            "dropped a router advertisement or solicitation: {malformed}; further ones \
                             are only counted"
                        );
                    }
                }
            }
        }
    }

    fn is_behind(&self) -> bool {
        self.told
            .as_ref()
            .is_none_or(|(told, _)| *told != self.seen)
    }

    /// `Err`: nobody hears it.
    async fn tell(&mut self) -> Result<(), ()> {
        let now = Instant::now();
        self.seen.verdict = self.link.verdict(now);
        let is_news = match &self.told {
            None => true,
            Some((told, at)) => {
                let count = *told != self.seen && at.elapsed() >= TOLD_APART;
                (&told.verdict, &told.trouble) != (&self.seen.verdict, &self.seen.trouble) || count
            }
        };
        if !is_news {
            return Ok(());
        }
        self.told = Some((self.seen.clone(), now));
        let news = (self.index, self.seen.clone());
        self.out.send(news).await.map_err(drop)
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EAGAIN
                | libc::ENOBUFS
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EADDRNOTAVAIL
                | libc::ENODEV
                | libc::ENXIO
        )
    )
}

fn explain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => format!(
            "router advertisements are not permitted ({error}): run as root or with CAP_NET_RAW, and let \
             ICMPv6 types 133 and 134 through the host's firewall"
        ),
        _ => format!("router advertisements cannot be sent or read: {error}"),
    }
}
