//! One TCP connection from the moment it is up: OpenSent, OpenConfirm, Established, ended.
//!
//! The drawing is in the [module](super). It knows nothing of other connections: whether this one
//! survives a collision is decided above, between [`ConnectionOutput::OpenAccepted`] and
//! [`ConnectionInput::Confirm`], which sends the KEEPALIVE that accepts the peer's OPEN.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::SmallRng;

use super::{Cause, State, TimerKind, TimerTable};
use crate::error::Notification;
use crate::iana::{error_code, fsm_subcode, message_type, refresh_subtype};
use crate::intake::{Heard, Terms};
use crate::message::{Message, Open, RouteRefresh};
use crate::validate::{self, SessionOptions};
use crate::validate::{ExpectedPeer, LocalOpen, Negotiated};
use crate::validate::{RouteUpdate, UpdateContext};
use crate::wire::Frame;

/// Hold time before the peer's OPEN is there (RFC 4271 §8.2.2: "a large value").
const OPEN_HOLD: Duration = Duration::from_secs(240);

/// Who has spoken is not dead because nobody has listened yet: so long is he waited for then.
const UNREAD_HOLD: Duration = Duration::from_secs(1);

/// Who opened the TCP connection; the collision rule asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// This side dialled.
    Local,
    /// The peer dialled.
    Remote,
}

/// What a connection needs to know of the configuration.
#[derive(Clone, Debug)]
pub struct SessionParams {
    /// The OPEN to send.
    pub local: LocalOpen,
    /// What the peer's OPEN must say.
    pub expected: ExpectedPeer,
    /// How UPDATEs are judged; the peer's AS number is that of its OPEN.
    pub updates: UpdateContext,
    /// A keepalive interval that is configured.
    pub keepalive_secs: Option<u16>,
}

/// What can happen to a connection.
#[derive(Clone, Debug)]
pub enum ConnectionInput {
    /// TCP is up; the first input, once.
    Opened,
    /// The peer's OPEN is fine and no other connection is preferred: say so with a KEEPALIVE.
    Confirm,
    /// A message, or bytes that are none.
    Heard(Heard),
    /// End it with this NOTIFICATION.
    Stop(Notification),
    /// End it with what this cause has to say.
    Fail(Cause),
    /// End it without a word, or it has ended by itself.
    Drop(Cause),
    /// The peer's bytes wait that were not given yet.
    Unread,
    /// Time has passed.
    Tick,
}

/// What a connection wants.
#[derive(Clone, Debug)]
pub enum ConnectionOutput {
    /// Send this.
    Send(Message),
    /// The peer's OPEN is fine: decide a collision, then `Confirm`.
    OpenAccepted,
    /// Routes can flow.
    Established,
    /// An UPDATE's routes.
    Routes(RouteUpdate),
    /// The peer asks for all routes of a family again (RFC 2918), or marks the beginning or end of
    /// its own answer (RFC 7313). The family is one of the session's.
    Refresh(RouteRefresh),
    /// Over, the last output. A NOTIFICATION of ours precedes it.
    Ended(Cause),
}

#[derive(Clone, Copy)]
enum Timer {
    Hold,
    Keepalive,
}

impl TimerKind for Timer {
    fn index(self) -> usize {
        self as usize
    }
}

/// How far the two KEEPALIVEs are that make a session of two OPENs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Confirmation {
    /// Neither has been said.
    Open,
    /// The peer's came, ours is held back.
    Theirs,
    /// Ours is sent.
    Ours,
}

/// The machine.
#[derive(Debug)]
pub struct Connection {
    /// `Idle` before `Opened` and when over.
    state: State,
    params: SessionParams,
    sent: Open,
    received: Option<Open>,
    negotiated: Option<Arc<Negotiated>>,
    /// The peer's AS number in them, and what was agreed on, are those of its OPEN once that is there.
    terms: Arc<Terms>,
    confirmation: Confirmation,
    timers: TimerTable<2>,
}

impl Connection {
    /// A connection that has not sent anything.
    #[must_use]
    pub fn new(params: SessionParams) -> Self {
        let sent = params.local.to_open();
        let terms = Arc::new(Terms {
            options: SessionOptions::default(),
            updates: params.updates.clone(),
        });
        Self {
            state: State::Idle,
            params,
            sent,
            received: None,
            negotiated: None,
            terms,
            confirmation: Confirmation::Open,
            timers: TimerTable::default(),
        }
    }

    /// OpenSent, OpenConfirm or Established; Idle when it is over.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// What both OPENs agreed on, from OpenConfirm on.
    #[must_use]
    pub fn negotiated(&self) -> Option<&Arc<Negotiated>> {
        self.negotiated.as_ref()
    }

    /// Our OPEN.
    #[must_use]
    pub fn sent(&self) -> &Open {
        &self.sent
    }

    /// The peer's OPEN, from OpenConfirm on.
    #[must_use]
    pub fn received(&self) -> Option<&Open> {
        self.received.as_ref()
    }

    /// What UPDATEs are read and judged by, from OpenConfirm on.
    #[must_use]
    pub fn terms(&self) -> Option<&Arc<Terms>> {
        self.negotiated.is_some().then_some(&self.terms)
    }

    /// Whether the next tick ends it for the peer's silence.
    #[must_use]
    pub fn expires(&self, now: Instant) -> bool {
        self.timers.get(Timer::Hold).is_some_and(|at| at <= now)
    }

    /// When to tick.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does it wait for `Confirm`?
    #[must_use]
    pub fn awaits_confirmation(&self) -> bool {
        self.state == State::OpenConfirm && self.confirmation != Confirmation::Ours
    }

    /// Takes one input. After `Ended` it returns nothing any more.
    pub fn handle(
        &mut self,
        input: ConnectionInput,
        now: Instant,
        rng: &mut SmallRng,
    ) -> Vec<ConnectionOutput> {
        match input {
            ConnectionInput::Opened if self.state == State::Idle && self.received.is_none() => {
                self.state = State::OpenSent;
                self.timers.set(Timer::Hold, now + OPEN_HOLD);
                vec![ConnectionOutput::Send(Message::Open(self.sent.clone()))]
            }
            _ if self.state == State::Idle => vec![],
            ConnectionInput::Opened => vec![],
            ConnectionInput::Confirm => self.confirm(now, rng),
            ConnectionInput::Heard(heard) => self
                .heard(heard, now)
                .unwrap_or_else(|cause| self.stop(cause)),
            ConnectionInput::Stop(n) => self.stop(Cause::Sent(n)),
            ConnectionInput::Fail(cause) => self.stop(cause),
            ConnectionInput::Drop(cause) => {
                self.end();
                vec![ConnectionOutput::Ended(cause)]
            }
            ConnectionInput::Unread => {
                let wait = now + UNREAD_HOLD;
                if self.timers.get(Timer::Hold).is_some_and(|at| at < wait) {
                    self.timers.set(Timer::Hold, wait);
                }
                vec![]
            }
            ConnectionInput::Tick => self.tick(now, rng),
        }
    }

    fn end(&mut self) {
        self.state = State::Idle;
        self.timers.stop_all();
        // So that a late `Opened` cannot revive it.
        self.received.get_or_insert_with(|| self.sent.clone());
    }

    fn stop(&mut self, cause: Cause) -> Vec<ConnectionOutput> {
        self.end();
        let hardens = self.negotiated.as_ref();
        let hardens = hardens.is_some_and(|negotiated| negotiated.graceful_notification);
        let cause = match cause {
            // Else the peer would keep our routes (RFC 8538 §4).
            Cause::Sent(n) if hardens && n.is_lasting() => Cause::Sent(n.into_hard_reset()),
            Cause::Path(mut path) if hardens => {
                path.words = path.words.into_hard_reset();
                Cause::Path(path)
            }
            cause => cause,
        };
        let words = cause.last_words().map(Message::Notification);
        let words = words.map(ConnectionOutput::Send);
        words
            .into_iter()
            .chain([ConnectionOutput::Ended(cause)])
            .collect()
    }

    /// The message type is judged by the state before the body is looked into: an UPDATE in
    /// OpenSent is a state machine error whatever it contains (RFC 6608).
    fn heard(&mut self, heard: Heard, now: Instant) -> Result<Vec<ConnectionOutput>, Cause> {
        if let Some(kind) = heard.kind() {
            let expected = match self.state {
                State::OpenSent => kind == message_type::OPEN,
                State::OpenConfirm => kind == message_type::KEEPALIVE,
                _ => kind != message_type::OPEN,
            };
            if !expected && kind != message_type::NOTIFICATION {
                return Err(Cause::Sent(unexpected(self.state, kind)));
            }
        }
        match heard {
            Heard::Update(update) => self.update(update?, now),
            Heard::Frame(frame) if frame.kind == message_type::UPDATE => {
                self.update(self.terms.read(&frame)?, now)
            }
            Heard::Frame(frame) => self.frame(frame, now),
            Heard::Malformed(notification) => Err(Cause::Sent(notification)),
        }
    }

    fn update(
        &mut self,
        routes: RouteUpdate,
        now: Instant,
    ) -> Result<Vec<ConnectionOutput>, Cause> {
        self.restart_hold(now);
        Ok(vec![ConnectionOutput::Routes(routes)])
    }

    fn frame(&mut self, frame: Frame, now: Instant) -> Result<Vec<ConnectionOutput>, Cause> {
        match self.terms.decode(frame)? {
            Message::Open(open) => self.open(open, now),
            Message::Keepalive => {
                self.restart_hold(now);
                if self.state == State::Established {
                    return Ok(vec![]);
                }
                if self.confirmation != Confirmation::Ours {
                    self.confirmation = Confirmation::Theirs;
                    return Ok(vec![]);
                }
                self.establish(now);
                Ok(vec![ConnectionOutput::Established])
            }
            // It has its own way.
            Message::Update(_) => Ok(vec![]),
            Message::RouteRefresh(refresh) => {
                let known = self.knows(refresh);
                let output = known.then_some(ConnectionOutput::Refresh(refresh));
                Ok(output.into_iter().collect())
            }
            Message::Notification(notification) => {
                self.end();
                Ok(vec![ConnectionOutput::Ended(Cause::Received(notification))])
            }
        }
    }

    /// Others are ignored: families (RFC 2918 §4), subtypes (RFC 7313 §5).
    fn knows(&self, refresh: RouteRefresh) -> bool {
        let subtype = match refresh.subtype {
            refresh_subtype::REQUEST => true,
            refresh_subtype::BEGIN | refresh_subtype::END => {
                self.terms.options.enhanced_route_refresh
            }
            _ => false,
        };
        subtype && self.terms.options.families.contains(&refresh.family)
    }

    fn open(&mut self, open: Open, now: Instant) -> Result<Vec<ConnectionOutput>, Cause> {
        validate::open(&open, &self.params.expected)?;
        let offer = self.params.local.offer;
        validate::roles(offer.role, offer.role_strict, &open)?;
        let negotiated = validate::negotiate(&self.sent, &open)?;
        self.terms = Arc::new(Terms {
            options: negotiated.options.clone(),
            updates: UpdateContext {
                peer_asn: open.asn(),
                ..self.params.updates.clone()
            },
        });
        self.received = Some(open);
        self.negotiated = Some(Arc::new(negotiated));
        self.state = State::OpenConfirm;
        // With a hold time of 0 nothing bounds this state but what bounds OpenSent.
        self.timers.set(Timer::Hold, now + OPEN_HOLD);
        self.restart_hold(now);
        Ok(vec![ConnectionOutput::OpenAccepted])
    }

    fn confirm(&mut self, now: Instant, rng: &mut SmallRng) -> Vec<ConnectionOutput> {
        if !self.awaits_confirmation() {
            return vec![];
        }
        self.schedule_keepalive(now, rng);
        let before = std::mem::replace(&mut self.confirmation, Confirmation::Ours);
        let ours = ConnectionOutput::Send(Message::Keepalive);
        if before == Confirmation::Theirs {
            self.establish(now);
            return vec![ours, ConnectionOutput::Established];
        }
        vec![ours]
    }

    fn establish(&mut self, now: Instant) {
        self.state = State::Established;
        self.timers.stop(Timer::Hold);
        self.restart_hold(now);
    }

    fn restart_hold(&mut self, now: Instant) {
        if let Some(secs) = self
            .negotiated
            .as_ref()
            .map(|n| n.hold_time_secs)
            .filter(|s| *s > 0)
        {
            self.timers
                .set(Timer::Hold, now + Duration::from_secs(u64::from(secs)));
        }
    }

    /// With jitter (RFC 4271 §10), never more than one a second (§4.4).
    fn schedule_keepalive(&mut self, now: Instant, rng: &mut SmallRng) {
        if let Some(secs) = self
            .negotiated
            .as_ref()
            .map(|n| n.keepalive_secs_within(self.params.keepalive_secs))
            .filter(|s| *s > 0)
        {
            let interval =
                Duration::from_secs(u64::from(secs)).mul_f64(rng.random_range(0.75..1.0));
            self.timers
                .set(Timer::Keepalive, now + interval.max(Duration::from_secs(1)));
        }
    }

    /// Another keepalive interval is configured. What is due already stays so.
    pub fn set_keepalive(&mut self, secs: Option<u16>, now: Instant, rng: &mut SmallRng) {
        if std::mem::replace(&mut self.params.keepalive_secs, secs) == secs {
            return;
        }
        if let Some(due) = self.timers.get(Timer::Keepalive) {
            self.schedule_keepalive(now, rng);
            let next = self.timers.get(Timer::Keepalive);
            self.timers
                .set(Timer::Keepalive, next.map_or(due, |next| next.min(due)));
        }
    }

    fn tick(&mut self, now: Instant, rng: &mut SmallRng) -> Vec<ConnectionOutput> {
        if self.timers.take_due(Timer::Hold, now) {
            return self.stop(Cause::Sent(Notification::hold_timer_expired()));
        }
        if self.timers.take_due(Timer::Keepalive, now) {
            self.schedule_keepalive(now, rng);
            return vec![ConnectionOutput::Send(Message::Keepalive)];
        }
        vec![]
    }
}

/// RFC 6608 §3: the subcode names the state, the data is the type of the unexpected message.
fn unexpected(state: State, kind: u8) -> Notification {
    let subcode = match state {
        State::OpenSent => fsm_subcode::OPEN_SENT,
        State::OpenConfirm => fsm_subcode::OPEN_CONFIRM,
        State::Established => fsm_subcode::ESTABLISHED,
        _ => fsm_subcode::UNSPECIFIED,
    };
    Notification::new(error_code::FSM, subcode, vec![kind])
}
