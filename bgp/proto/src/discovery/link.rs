//! One link: when to advertise and to solicit, and who else is there.
//!
//! ```text
//!  nobody heard            --> Waiting
//!  one router              --> Neighbor: it stays so when it falls silent; its session says if it lives
//!  two, no session         --> Several: a link has one neighbour, and which of them is not for us to guess
//!  two, a session with one --> Neighbor, with the others beside it, also while that one may be
//!                              restarting and its routes are kept for it; not when the link was down and the
//!                              others alone were heard since, for the time of [`ASKED`]
//! ```
//!
//! Who has not been heard for [`PRESENT`] does not count any more beside another: a router that was
//! exchanged for another is forgotten then. While two are there both are solicited, so that a slow
//! advertiser does not pass for one that has gone.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::message::Message;

/// Who was heard within this is there.
pub const PRESENT: Duration = Duration::from_secs(30);
/// Who has a session is asked for so long after the link was down, before another counts in its place: a cable
/// has another router at its end, and the session with the one before is still to expire.
const ASKED: Duration = Duration::from_secs(10);
/// From one advertisement to the next at most (`MaxRtrAdvInterval`, RFC 4861 §6.2.1); three quarters of it
/// at least, which is the most that `MinRtrAdvInterval` may be.
const INTERVAL: Duration = Duration::from_secs(10);
/// From one to the next at least, whoever asks. §10 has 3 s for what is sent to all; a link with one
/// neighbour is not the network that this is meant for.
const APART: Duration = Duration::from_secs(1);
/// So many come quickly after the link has come up (`MAX_INITIAL_RTR_ADVERTISEMENTS`).
const FIRST: u32 = 3;
/// From one of these to the next at most, and from one of the first solicitations to the next.
const QUICK: Duration = Duration::from_secs(2);
/// An answer waits for so long at most (`MAX_RA_DELAY_TIME`).
const ANSWER: Duration = Duration::from_millis(500);
/// Routers of a link that are remembered.
const REMEMBERED: usize = 8;

/// What is to be sent to all of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Send {
    /// To all nodes, `ff02::1`.
    Advertisement,
    /// To all routers, `ff02::2`.
    Solicitation,
}

/// Who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody was heard.
    Waiting,
    /// This one; and others, if there is a session with it.
    Neighbor(Ipv6Addr, Vec<Ipv6Addr>),
    /// These, and a session with none.
    Several(Vec<Ipv6Addr>),
}

impl Verdict {
    /// Whom to have a session with.
    #[must_use]
    pub fn neighbor(&self) -> Option<Ipv6Addr> {
        match self {
            Self::Neighbor(address, _) => Some(*address),
            Self::Waiting | Self::Several(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Router {
    address: Ipv6Addr,
    /// `None`: not since the link was down.
    heard: Option<Instant>,
    /// When it was remembered: of two that are silent the later one counts.
    number: u64,
}

/// What is sent, and when next.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    next: Instant,
    last: Option<Instant>,
    /// Quick ones that are left.
    quick: u32,
}

impl Schedule {
    fn new(now: Instant) -> Self {
        Self {
            next: now,
            last: None,
            quick: FIRST,
        }
    }

    /// Not later than this, and not too soon after the last one.
    fn hurry(&mut self, at: Instant) {
        let soonest = self.last.map_or(at, |last| at.max(last + APART));
        self.next = self.next.min(soonest);
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Link {
    /// While the link is up and has an address.
    up: Option<(Schedule, Schedule)>,
    own: Option<Ipv6Addr>,
    carrier_changes: u32,
    /// Since when the link has been up without a break.
    since: Option<Instant>,
    routers: Vec<Router>,
    established: Option<Ipv6Addr>,
    numbers: u64,
    rng: SmallRng,
}

impl Link {
    /// A link that is not up. The same seed and inputs give the same outputs.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            up: None,
            own: None,
            carrier_changes: 0,
            since: None,
            routers: Vec::new(),
            established: None,
            numbers: 0,
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    /// The link is up with this own address, or (`None`) is not. Who was there before may not be any more,
    /// also where it was down too shortly to be seen so: its carrier has changed so often.
    pub fn set_own(&mut self, own: Option<Ipv6Addr>, carrier_changes: u32, now: Instant) {
        let flapped = self.carrier_changes != carrier_changes;
        if self.own == own && !flapped {
            return;
        }
        if self.own.is_none() || own.is_none() || flapped {
            self.since = own.map(|_| now);
            for router in &mut self.routers {
                router.heard = None;
            }
        }
        (self.own, self.carrier_changes) = (own, carrier_changes);
        self.up = own.map(|_| (Schedule::new(now), Schedule::new(now)));
    }

    /// With whom there is a session, or was: it may be restarting, and its routes are kept for it.
    pub fn set_established(&mut self, established: Option<Ipv6Addr>) {
        self.established = established;
    }

    /// A message that is [fine](super::parse).
    pub fn hear(&mut self, from: Ipv6Addr, message: Message, now: Instant) {
        if Some(from) == self.own {
            return;
        }
        let news = matches!(message, Message::Advertisement { .. }) && self.remember(from, now);
        if news || message == Message::Solicitation {
            let wait = self.rng.random_range(Duration::ZERO..ANSWER);
            if let Some((advertise, _)) = &mut self.up {
                advertise.hurry(now + wait);
            }
        }
    }

    /// True: it was not there before.
    fn remember(&mut self, from: Ipv6Addr, now: Instant) -> bool {
        let known = self
            .routers
            .iter_mut()
            .find(|router| router.address == from);
        if let Some(known) = known {
            let is_news = !is_present(known, now);
            known.heard = Some(now);
            return is_news;
        }
        if self.routers.len() >= REMEMBERED {
            let established = self.established;
            let routers = self.routers.iter().enumerate();
            let others = routers.filter(|(_, router)| Some(router.address) != established);
            let oldest = others.min_by_key(|(_, router)| (router.heard, router.number));
            if let Some(oldest) = oldest.map(|(index, _)| index) {
                self.routers.remove(oldest);
            }
        }
        self.numbers += 1;
        self.routers.push(Router {
            address: from,
            heard: Some(now),
            number: self.numbers,
        });
        true
    }

    /// Who is there.
    #[must_use]
    pub fn verdict(&self, now: Instant) -> Verdict {
        let routers = self.routers.iter();
        let present = routers.filter(|router| is_present(router, now));
        let mut present: Vec<Ipv6Addr> = present.map(|router| router.address).collect();
        present.sort_unstable();
        let established = self.established.filter(|_| !self.was_exchanged(now));
        if let Some(established) = established {
            present.retain(|address| *address != established);
            return Verdict::Neighbor(established, present);
        }
        match present[..] {
            [] => {
                let last = self.routers.iter();
                let last = last.max_by_key(|router| (router.heard, router.number));
                last.map_or(Verdict::Waiting, |last| {
                    Verdict::Neighbor(last.address, Vec::new())
                })
            }
            [one] => Verdict::Neighbor(one, Vec::new()),
            _ => Verdict::Several(present),
        }
    }

    /// Whether the one with the session has not been heard since the link was down, and another has.
    fn was_exchanged(&self, now: Instant) -> bool {
        let is_unheard = |router: &&Router| router.heard.is_none();
        let routers = self.routers.iter();
        let mut with_session = routers.filter(|router| Some(router.address) == self.established);
        let asked = self.since.is_some_and(|since| since + ASKED <= now);
        let others = self.routers.iter().any(|router| is_present(router, now));
        asked && others && with_session.any(|router| is_unheard(&router))
    }

    /// What is due, once.
    pub fn due(&mut self, now: Instant) -> Option<Send> {
        let lonely = match self.verdict(now) {
            Verdict::Waiting | Verdict::Several(_) => true,
            Verdict::Neighbor(_, others) => {
                // Whoever was there before the link was down may not be any more.
                !others.is_empty() || self.routers.iter().all(|router| router.heard.is_none())
            }
        };
        let rng = &mut self.rng;
        let (advertise, solicit) = self.up.as_mut()?;
        for (schedule, send) in [
            (&mut *solicit, Send::Solicitation),
            (&mut *advertise, Send::Advertisement),
        ] {
            if schedule.next > now {
                continue;
            }
            let longest = if schedule.quick > 0 { QUICK } else { INTERVAL };
            schedule.quick = schedule.quick.saturating_sub(1);
            schedule.next = now + longest.mul_f64(rng.random_range(0.75..1.0));
            // Once somebody is there nobody need be asked.
            if send == Send::Advertisement || lonely {
                schedule.last = Some(now);
                return Some(send);
            }
        }
        None
    }

    /// When to look at [`Link::due`] and [`Link::verdict`] again.
    #[must_use]
    pub fn next_timeout(&self, now: Instant) -> Option<Instant> {
        let sends = self.up.map(|(a, b)| a.next.min(b.next));
        let leaves = self.routers.iter().filter_map(|router| router.heard);
        let leaves = leaves.map(|heard| heard + PRESENT).filter(|at| *at > now);
        let asked = self.since.map(|since| since + ASKED);
        let asked = asked.filter(|at| *at > now);
        sends.into_iter().chain(leaves).chain(asked).min()
    }
}

fn is_present(router: &Router, now: Instant) -> bool {
    let heard = router.heard;
    heard.is_some_and(|heard| now.saturating_duration_since(heard) < PRESENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv6Addr = address(0x11);
    const RA: Message = Message::Advertisement { lifetime_secs: 0 };

    const fn address(last: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last)
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// All that is sent until then, with the time.
    fn run(link: &mut Link, now: &mut Instant, until: Duration) -> Vec<(Duration, Send)> {
        let begin = *now;
        let mut sent = Vec::new();
        loop {
            while let Some(send) = link.due(*now) {
                sent.push((*now - begin, send));
            }
            match link.next_timeout(*now) {
                Some(next) if next <= begin + until => *now = next.max(*now),
                _ => break,
            }
        }
        *now = begin + until;
        sent
    }

    fn of(sent: &[(Duration, Send)], kind: Send) -> Vec<Duration> {
        let sent = sent.iter().filter(|(_, send)| *send == kind);
        sent.map(|(at, _)| *at).collect()
    }

    #[test]
    fn quick_at_first_and_every_ten_seconds_then() {
        for seed in 0..20 {
            let (mut link, mut now) = (Link::new(seed), Instant::now());
            assert!(run(&mut link, &mut now, secs(60)).is_empty(), "not up");
            link.set_own(Some(OWN), 2, now);
            let sent = run(&mut link, &mut now, secs(300));
            let advertised = of(&sent, Send::Advertisement);
            assert_eq!(advertised[0], Duration::ZERO);
            assert!(advertised[3] <= secs(6), "{advertised:?}");
            for pair in advertised[3..].windows(2) {
                let apart = pair[1] - pair[0];
                assert!((Duration::from_millis(7500)..=secs(10)).contains(&apart));
            }
            assert!(of(&sent, Send::Solicitation).len() >= 30, "nobody is there");
            link.hear(address(1), RA, now);
            let sent = run(&mut link, &mut now, secs(300));
            assert!(of(&sent, Send::Solicitation).is_empty());
            assert!(of(&sent, Send::Advertisement)[0] <= APART, "the new one");
        }
    }

    #[test]
    fn a_crowd_that_asks_is_answered_once_a_second() {
        let (mut link, mut now) = (Link::new(1), Instant::now());
        link.set_own(Some(OWN), 2, now);
        run(&mut link, &mut now, secs(60));
        let mut sent = Vec::new();
        let begin = now;
        for asker in 0..10_000 {
            link.hear(address(asker), Message::Solicitation, now);
            now += Duration::from_millis(1);
            while let Some(send) = link.due(now) {
                sent.push((now - begin, send));
            }
        }
        let advertised = of(&sent, Send::Advertisement);
        assert!((7..=10).contains(&advertised.len()), "{advertised:?}");
        assert_eq!(link.verdict(now), Verdict::Waiting, "hosts are no routers");
    }

    #[test]
    fn two_routers_are_refused_until_one_falls_silent() {
        let (mut link, mut now) = (Link::new(1), Instant::now());
        let (a, b) = (address(1), address(2));
        link.set_own(Some(OWN), 2, now);
        link.hear(OWN, RA, now);
        assert_eq!(link.verdict(now), Verdict::Waiting, "oneself");
        link.hear(a, RA, now);
        let only = |address| Verdict::Neighbor(address, Vec::new());
        assert_eq!(link.verdict(now), only(a));
        now += secs(10);
        link.hear(b, RA, now);
        assert_eq!(link.verdict(now), Verdict::Several(vec![a, b]));
        let sent = run(&mut link, &mut now, secs(19));
        assert!(!of(&sent, Send::Solicitation).is_empty(), "both are asked");
        assert_eq!(link.verdict(now), Verdict::Several(vec![a, b]));
        now += secs(2);
        assert_eq!(link.verdict(now), only(b));
        // Alone and silent it stays.
        now += secs(3600);
        assert_eq!(link.verdict(now), only(b));
    }

    #[test]
    fn a_session_is_kept_and_the_other_one_named() {
        let (mut link, mut now) = (Link::new(1), Instant::now());
        let (a, b) = (address(1), address(2));
        link.set_own(Some(OWN), 2, now);
        link.hear(b, RA, now);
        link.set_established(Some(b));
        now += secs(100);
        link.hear(a, RA, now);
        assert_eq!(link.verdict(now), Verdict::Neighbor(b, vec![a]));
        // Its session ends: it has not been heard for long, and the other one is there.
        link.set_established(None);
        assert_eq!(link.verdict(now), Verdict::Neighbor(a, vec![]));
        link.hear(b, RA, now);
        assert_eq!(link.verdict(now), Verdict::Several(vec![a, b]));
    }

    #[test]
    fn another_router_after_the_link_was_down_is_no_second_one() {
        let (mut link, mut now) = (Link::new(1), Instant::now());
        link.set_own(Some(OWN), 2, now);
        link.hear(address(1), RA, now);
        now += secs(1);
        link.set_own(None, 2, now);
        assert_eq!(link.verdict(now).neighbor(), Some(address(1)), "a flap");
        link.set_own(Some(OWN), 2, now);
        link.hear(address(2), RA, now);
        assert_eq!(link.verdict(now).neighbor(), Some(address(2)));
        // It was down between two looks at it.
        link.set_own(Some(OWN), 4, now);
        assert_eq!(link.verdict(now).neighbor(), Some(address(2)));
        link.hear(address(3), RA, now);
        assert_eq!(link.verdict(now).neighbor(), Some(address(3)));
    }

    #[test]
    fn a_session_does_not_keep_a_router_that_is_not_at_the_other_end_any_more() {
        let (a, b) = (address(1), address(2));
        for answers in [false, true] {
            let (mut link, mut now) = (Link::new(1), Instant::now());
            link.set_own(Some(OWN), 2, now);
            link.hear(a, RA, now);
            link.set_established(Some(a));
            now += secs(60);
            link.set_own(Some(OWN), 4, now);
            let sent = run(&mut link, &mut now, secs(60));
            assert!(!of(&sent, Send::Solicitation).is_empty(), "who is there?");
            // Nobody else: it may be slow to advertise itself.
            assert_eq!(link.verdict(now), Verdict::Neighbor(a, vec![]));
            // The carrier is there before the link is said to be up.
            link.set_own(None, 6, now);
            link.set_own(Some(OWN), 6, now);
            now += secs(1);
            link.hear(b, RA, now);
            assert_eq!(link.verdict(now), Verdict::Neighbor(a, vec![b]));
            let sent = run(&mut link, &mut now, secs(8));
            assert!(!of(&sent, Send::Solicitation).is_empty(), "it is asked");
            if answers {
                link.hear(a, RA, now);
            }
            let before = now;
            run(&mut link, &mut now, secs(2));
            assert!(
                link.next_timeout(before) <= Some(now),
                "it is looked at again"
            );
            let (who, others) = if answers { (a, vec![b]) } else { (b, vec![]) };
            assert_eq!(link.verdict(now), Verdict::Neighbor(who, others));
        }
    }

    #[test]
    fn a_flood_of_routers_takes_no_memory_and_no_session() {
        let (mut link, now) = (Link::new(1), Instant::now());
        link.set_own(Some(OWN), 2, now);
        link.hear(address(1), RA, now);
        link.set_established(Some(address(1)));
        for stranger in 2..5000 {
            link.hear(address(stranger), RA, now);
        }
        assert_eq!(link.routers.len(), REMEMBERED);
        let Verdict::Neighbor(neighbor, others) = link.verdict(now) else {
            panic!("{:?}", link.verdict(now));
        };
        assert_eq!((neighbor, others.len()), (address(1), REMEMBERED - 1));
    }
}
