//! The thread: waits for packets, timers and wishes, whichever comes first.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcni_bgp_proto::bfd::{Hop, Hops, Key, News, SessionId, Sessions, Transmit, Wanted};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::receive::Receivers;
use super::send::Sender;
use super::watching::Shared;
use super::{Report, Reported, Totals, Wish};

/// The last words are said so often, so far apart: one may be lost.
const FAREWELLS: usize = 3;
const APART: Duration = Duration::from_millis(20);
/// Packets that are sent before it is looked what has come.
const SENT: usize = 512;

/// Until it is told to end.
pub(super) fn run(shared: Arc<Shared>, wakes: UnixDatagram, seed: u64) {
    Thread::new(shared, wakes, seed).run();
}

struct Watched {
    wish: Wish,
    sender: Sender,
}

impl Watched {
    fn send(&mut self, packet: &Transmit) {
        let (wish, sender) = (&self.wish, &mut self.sender);
        sender.send(wish, packet.hop, &packet.octets);
    }
}

struct Thread {
    shared: Arc<Shared>,
    wakes: UnixDatagram,
    sessions: Sessions,
    /// Also of those that say that they are switched off.
    watched: BTreeMap<SessionId, Watched>,
    receivers: Receivers,
    /// Over the bound: each begins when another has ended.
    surplus: BTreeMap<SessionId, Wish>,
    totals: Totals,
}

impl Thread {
    fn new(shared: Arc<Shared>, wakes: UnixDatagram, seed: u64) -> Self {
        Self {
            shared,
            wakes,
            sessions: Sessions::new(seed),
            watched: BTreeMap::new(),
            receivers: Receivers::default(),
            surplus: BTreeMap::new(),
            totals: Totals::default(),
        }
    }

    fn run(mut self) {
        loop {
            let inbox = self.shared.take();
            let now = Instant::now();
            for (id, wish) in inbox.wishes {
                self.wish(id, wish, now);
            }
            // Before timers: who has spoken is not dead because we have not listened.
            self.receivers.read(&mut self.sessions);
            self.transmit();
            self.tell();
            for question in inbox.questions {
                // Whoever asked may have given up.
                let _ = question.send(self.report());
            }
            if inbox.ended {
                self.farewell();
                return;
            }
            self.wait();
        }
    }

    fn wish(&mut self, id: SessionId, wish: Option<Wish>, now: Instant) {
        let Some(wish) = wish else {
            self.surplus.remove(&id);
            self.sessions.remove(id, now);
            if let Some((next, wish)) = self.surplus.pop_first() {
                self.begin(next, wish, now);
            }
            return;
        };
        if let Some(watched) = self.watched.get_mut(&id) {
            watched.wish = wish;
            self.sessions.change(id, wish.profile, wish.over, now);
            return;
        }
        self.begin(id, wish, now);
    }

    fn begin(&mut self, id: SessionId, wish: Wish, now: Instant) {
        let key = Key {
            peer: wish.peer,
            interface: wish.interface,
        };
        let (hops, over, profile) = (wish.hops, wish.over, wish.profile);
        let wanted = Wanted {
            key,
            hops,
            over,
            profile,
        };
        if !self.sessions.add(id, wanted, now) {
            self.surplus.insert(id, wish);
            return;
        }
        let ipv4 = wish.peer.is_ipv4();
        let (Hops::Only(first) | Hops::First(first)) = hops;
        self.receivers.want(ipv4, first);
        if matches!(hops, Hops::First(_)) {
            self.receivers.want(ipv4, Hop::Single);
            self.receivers.want(ipv4, Hop::Multi);
        }
        let sender = Sender::new(&wish);
        self.watched.insert(id, Watched { wish, sender });
    }

    fn transmit(&mut self) {
        for _ in 0..SENT {
            let Some(packet) = self.sessions.poll_transmit(Instant::now()) else {
                break;
            };
            if let Some(watched) = self.watched.get_mut(&packet.id) {
                watched.send(&packet);
                self.totals.sent += 1;
            }
        }
        let sessions = &self.sessions;
        if self.watched.len() > sessions.len() {
            self.watched.retain(|id, _| sessions.contains(*id));
        }
    }

    fn tell(&mut self) {
        while let Some(event) = self.sessions.poll_event() {
            self.totals.downs += u64::from(matches!(event.news, News::Down(_)));
            self.shared.tell(event.id, event.news);
        }
    }

    fn report(&self) -> Report {
        let sessions = self.sessions.status().map(|(id, status)| {
            let sender = self.watched.get(&id).map(|watched| &watched.sender);
            let reported = Reported {
                status,
                unsent: sender.map_or(0, Sender::unsent),
                trouble: sender.and_then(Sender::trouble),
            };
            (id, reported)
        });
        Report {
            sessions: sessions.collect(),
            discards: self.sessions.discards(),
            totals: Totals {
                received: self.sessions.received(),
                ..self.totals
            },
            troubles: self.receivers.troubles(),
            surplus: u64::try_from(self.surplus.len()).unwrap_or(u64::MAX),
        }
    }

    fn farewell(&mut self) {
        self.sessions.stop(Instant::now());
        for turn in 0..FAREWELLS {
            if turn > 0 {
                std::thread::sleep(APART);
            }
            for packet in self.sessions.farewell() {
                if let Some(watched) = self.watched.get_mut(&packet.id) {
                    watched.send(&packet);
                }
            }
        }
    }

    /// Until there is something to do.
    fn wait(&mut self) {
        let now = Instant::now();
        let due = [self.sessions.next_timeout(), self.receivers.retry(now)];
        let due = due.into_iter().flatten().min();
        let left = due.map(|due| due.saturating_duration_since(now));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut all = vec![PollFd::new(&self.wakes, PollFlags::IN)];
        let sockets = self.receivers.sockets();
        all.extend(sockets.map(|socket| PollFd::new(socket, PollFlags::IN)));
        // Interrupted, or anything else: it is looked again.
        let _ = poll(&mut all, left.as_ref());
        let mut byte = [0; 1];
        while self.wakes.recv(&mut byte).is_ok() {}
    }
}
