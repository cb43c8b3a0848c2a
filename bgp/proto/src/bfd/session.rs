//! One session: state variables, timers and their negotiation (RFC 5880 §6.8).
//!
//! **Intervals.** While the session is not up it sends at most once a second (§6.8.3). Another interval
//! than the one in use begins a Poll sequence; one that the peer must know first (longer pauses of ours,
//! more packets of its) is used only when the peer has answered. A change on the way starts the sequence
//! anew, so that an answer to the earlier one is not taken for one to the later.
//!
//! **At once** what is news: after a change of state a packet is sent without waiting for the timer, at
//! most one in [`GAP`]; a poll is answered whatever the timer says, many in one read by one packet.

mod timing;

use std::fmt;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::Discard;
use super::packet::{Diagnostic, Packet, State};

/// §6.8.3: between packets while the session is not up.
const SLOW: Duration = Duration::from_secs(1);
/// Between packets that state changes cause: who can forge them shall not make us send a flood.
const GAP: Duration = Duration::from_millis(10);

/// What a session is configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// bfd.DesiredMinTxInterval while up; never zero.
    pub transmit: Duration,
    /// bfd.RequiredMinRxInterval.
    pub receive: Duration,
    /// bfd.DetectMult; never 0.
    pub multiplier: u8,
    /// Send nothing before the peer has (§6.1).
    pub passive: bool,
    /// Of packets over routers, the lowest TTL that is taken.
    pub minimum_ttl: u8,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            transmit: Duration::from_millis(300),
            receive: Duration::from_millis(300),
            multiplier: 3,
            passive: false,
            minimum_ttl: 254,
        }
    }
}

/// Why a session went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing came for so long (at least the detection time).
    Expired(Duration),
    /// The peer has noticed something: its session is down, with this diagnostic.
    Signalled(Diagnostic),
    /// The peer has begun anew, or is about to: its packets arrive, and it names no failure. Either it says
    /// Down with another discriminator and does not know ours (its program was started again); or it says
    /// that *we* have said Down, which we have not (so FRR takes a session away, also to make another).
    Anew,
    /// The peer has switched BFD off, which says nothing about the way (RFC 5882 §3.2).
    AdminDown,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(silence) => {
                let millis = silence.as_millis();
                write!(f, "{}, {millis} ms without a packet", Diagnostic::EXPIRED)
            }
            Self::Signalled(diagnostic) => {
                write!(f, "{} ({diagnostic})", Diagnostic::NEIGHBOR)
            }
            Self::Anew => f.write_str("the neighbor's BFD has begun anew"),
            Self::AdminDown => f.write_str("the neighbor has switched BFD off"),
        }
    }
}

/// The end of a time in which a session was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Down {
    /// Why.
    pub why: Why,
    /// How long it was up.
    pub up_for: Duration,
    /// C bit of the peer: its BFD does not share the fate of its control plane.
    pub independent: bool,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets sent.
    pub sent: u64,
    /// Packets taken.
    pub received: u64,
    /// Times it came up.
    pub ups: u64,
    /// Times it went down from up, for whatever reason.
    pub downs: u64,
    /// Poll sequences begun.
    pub polls: u64,
}

/// What is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// Between own packets, before jitter; `None`: none are sent.
    pub transmit: Option<Duration>,
    /// Between the peer's packets, as agreed.
    pub receive: Duration,
    /// After so much silence the session is down; `None`: the peer is not known.
    pub detection: Option<Duration>,
}

/// What the peer has said last.
#[derive(Clone, Copy, Debug)]
struct Remote {
    /// 0: nothing was heard for the detection time.
    discriminator: u32,
    state: State,
    diagnostic: Diagnostic,
    multiplier: u8,
    min_rx: Duration,
    desired_tx: Duration,
    demand: bool,
    independent: bool,
    heard: Option<Instant>,
}

impl Remote {
    /// §6.8.1.
    const UNKNOWN: Self = Self {
        discriminator: 0,
        state: State::Down,
        diagnostic: Diagnostic::NONE,
        multiplier: 0,
        min_rx: Duration::from_micros(1),
        desired_tx: Duration::ZERO,
        demand: false,
        independent: false,
        heard: None,
    };
}

/// A Poll sequence (§6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Poll {
    No,
    /// P is set until F comes; `again`: something has changed meanwhile.
    Asking {
        again: bool,
    },
}

/// See the [module](self).
#[derive(Debug)]
pub struct Session {
    profile: Profile,
    discriminator: u32,
    state: State,
    diagnostic: Diagnostic,
    since: Instant,
    remote: Remote,
    timing: Timing,
    poll: Poll,
    final_due: Option<Instant>,
    counts: Counts,
    rng: SmallRng,
}

#[derive(Clone, Copy, Debug)]
struct Timing {
    /// In use.
    transmit: Duration,
    /// In use for the detection time.
    receive: Duration,
    last_sent: Option<Instant>,
    next: Option<Instant>,
    expires: Option<Instant>,
}

impl Session {
    /// Down; the first packet is due at once, unless it is passive. `discriminator` is never 0 and no
    /// other session's.
    #[must_use]
    pub fn new(profile: Profile, discriminator: u32, seed: u64, now: Instant) -> Self {
        let mut session = Self {
            profile,
            discriminator,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            since: now,
            remote: Remote::UNKNOWN,
            timing: Timing {
                transmit: profile.transmit.max(SLOW),
                receive: profile.receive,
                last_sent: None,
                next: None,
                expires: None,
            },
            poll: Poll::No,
            final_due: None,
            counts: Counts::default(),
            rng: SmallRng::seed_from_u64(seed),
        };
        session.schedule(now, true);
        session
    }

    /// Now.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// When it entered the state.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Its own.
    #[must_use]
    pub fn discriminator(&self) -> u32 {
        self.discriminator
    }

    /// The peer's; 0: unknown.
    #[must_use]
    pub fn remote_discriminator(&self) -> u32 {
        self.remote.discriminator
    }

    /// The peer's state, as it said last.
    #[must_use]
    pub fn remote_state(&self) -> State {
        self.remote.state
    }

    /// Own diagnostic, and the peer's.
    #[must_use]
    pub fn diagnostics(&self) -> (Diagnostic, Diagnostic) {
        (self.diagnostic, self.remote.diagnostic)
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What it is configured with.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// What is in use.
    #[must_use]
    pub fn intervals(&self) -> Intervals {
        let known = self.remote.discriminator != 0;
        Intervals {
            transmit: self.interval(),
            receive: self.timing.receive.max(self.remote.desired_tx),
            detection: known.then(|| self.detection_time()),
        }
    }

    /// Whether the peer was heard within the detection time.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.remote.discriminator != 0
    }

    /// When [`Session::tick`] or [`Session::poll_transmit`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let Timing { next, expires, .. } = self.timing;
        [self.final_due, next, expires].into_iter().flatten().min()
    }

    /// A packet that is for this session (§6.8.6, from where the session is known).
    ///
    /// # Errors
    /// It is to be dropped.
    pub fn receive(&mut self, packet: &Packet, now: Instant) -> Result<Option<Down>, Discard> {
        if packet.authenticated {
            return Err(Discard::Authentication);
        }
        if self.state == State::AdminDown {
            return Err(Discard::AdminDown);
        }
        self.counts.received += 1;
        let before = std::mem::replace(
            &mut self.remote,
            Remote {
                discriminator: packet.my_discriminator,
                state: packet.state,
                diagnostic: packet.diagnostic,
                multiplier: packet.multiplier,
                min_rx: micros(packet.required_rx_micros),
                desired_tx: micros(packet.desired_tx_micros),
                demand: packet.demand,
                independent: packet.independent,
                heard: Some(now),
            },
        );
        if packet.final_ {
            self.answered();
        }
        if before.min_rx != self.remote.min_rx
            || before.demand != self.remote.demand
            // In demand mode it is silence only while the peer is up, too.
            || before.state != self.remote.state
            || before.discriminator == 0
        {
            self.schedule(now, false);
        }
        let to = self.next_state(packet.state);
        let other = before.discriminator != packet.my_discriminator;
        let unknown = other && packet.your_discriminator == 0;
        let why = match (packet.state, packet.diagnostic) {
            (State::AdminDown, _) => Why::AdminDown,
            (_, Diagnostic::NONE | Diagnostic::ADMIN_DOWN) if unknown => Why::Anew,
            (_, Diagnostic::NEIGHBOR) => Why::Anew,
            (_, diagnostic) => Why::Signalled(diagnostic),
        };
        let down = to.and_then(|to| self.enter(to, Diagnostic::NEIGHBOR, why, now));
        if packet.poll {
            self.final_due.get_or_insert(now);
        }
        self.timing.expires = Some(now + self.detection_time());
        Ok(down)
    }

    fn next_state(&self, said: State) -> Option<State> {
        match (self.state, said) {
            (State::AdminDown, _) | (State::Down, State::Up | State::AdminDown) => None,
            (_, State::AdminDown) => Some(State::Down),
            (State::Down, State::Down) => Some(State::Init),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => Some(State::Up),
            (State::Init, State::Down) | (State::Up, State::Init | State::Up) => None,
            (State::Up, State::Down) => Some(State::Down),
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Option<Down> {
        self.timing.expires.take_if(|at| *at <= now)?;
        let silence = self.remote.heard.map(|heard| now - heard);
        let why = Why::Expired(silence.unwrap_or_default());
        let changes = matches!(self.state, State::Init | State::Up);
        let down = changes
            .then(|| self.enter(State::Down, Diagnostic::EXPIRED, why, now))
            .flatten();
        // §6.8.1; what it has asked for is forgotten, too, or one that said 0 would never be spoken to.
        let Remote {
            state, diagnostic, ..
        } = self.remote;
        self.remote = Remote {
            state,
            diagnostic,
            ..Remote::UNKNOWN
        };
        // The peer may still hear us: it shall know.
        self.schedule(now, changes);
        down
    }

    /// A packet that is due.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Packet> {
        let answer = self.final_due.take().is_some();
        if !answer {
            self.timing.next.take_if(|at| *at <= now)?;
            self.timing.last_sent = Some(now);
            self.schedule(now, false);
        }
        Some(self.packet(!answer && self.poll != Poll::No, answer))
    }

    /// A packet out of turn: for the last words of a program that ends.
    pub fn now(&mut self) -> Packet {
        self.packet(false, false)
    }

    fn packet(&mut self, poll: bool, final_: bool) -> Packet {
        self.counts.sent += 1;
        let (desired, required) = self.wanted();
        Packet {
            diagnostic: self.diagnostic,
            state: self.state,
            poll,
            final_,
            independent: false,
            authenticated: false,
            demand: false,
            multiplier: self.profile.multiplier,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_tx_micros: to_micros(desired),
            required_rx_micros: to_micros(required),
            required_echo_rx_micros: 0,
        }
    }

    /// Other times from now on; while up, after a Poll sequence.
    pub fn set_profile(&mut self, profile: Profile, now: Instant) {
        let before = self.wanted();
        let passive = self.profile.passive;
        self.profile = profile;
        if self.wanted() != before {
            self.renegotiate();
        }
        self.schedule(now, passive && !profile.passive);
    }

    /// Switched off: says so until it is dropped, as often as it spoke before (it says that it will speak
    /// once a second, but is not heard to the end then). Returns for how long that should be.
    pub fn switch_off(&mut self, now: Instant) -> Duration {
        let told = u32::from(self.profile.multiplier) * self.interval().unwrap_or(SLOW);
        if self.state != State::AdminDown {
            self.enter(
                State::AdminDown,
                Diagnostic::ADMIN_DOWN,
                Why::AdminDown,
                now,
            );
        }
        told
    }

    fn enter(&mut self, to: State, diagnostic: Diagnostic, why: Why, now: Instant) -> Option<Down> {
        let from = std::mem::replace(&mut self.state, to);
        let up_for = now.saturating_duration_since(self.since);
        self.since = now;
        self.poll = Poll::No;
        self.diagnostic = match to {
            State::Init | State::Up => Diagnostic::NONE,
            State::AdminDown | State::Down => diagnostic,
        };
        if to == State::Up {
            self.counts.ups += 1;
            // From once a second to what is configured.
            self.renegotiate();
        } else if to != State::AdminDown {
            (self.timing.transmit, self.timing.receive) = self.wanted();
        }
        self.schedule(now, true);
        (from == State::Up).then(|| {
            self.counts.downs += 1;
            Down {
                why,
                up_for,
                independent: self.remote.independent,
            }
        })
    }
}

fn micros(micros: u32) -> Duration {
    Duration::from_micros(micros.into())
}

fn to_micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
