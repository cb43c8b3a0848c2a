//! Why a session is not up: kept for `status` after the moment has passed.

use std::fmt;
use std::time::Instant;

use crate::bfd;
use crate::error::Notification;
use crate::iana::{cease_subcode, error_code, open_subcode};
use crate::speaker::{CloseCause, ConnectError};
use crate::validate::OpenError;

/// The kinds of reasons, so that an operator (and a script) sees at a glance whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CauseClass {
    /// Nobody listens on the peer's port, or not for us.
    Refused,
    /// No route, or the link is down.
    Unreachable,
    /// No answer to the TCP connect, or TCP gave up (a wrong MD5 key looks like this too).
    TimedOut,
    /// The peer's OPEN, or its answer to ours, says that the AS numbers do not fit.
    WrongAs,
    /// The OPENs have no address family in common.
    NoCommonFamily,
    /// The peer has no TCP MD5 key, or another one.
    Md5,
    /// Two connections crossed and this one had to go (RFC 4271 §6.8).
    Collision,
    /// No message came within the hold time.
    HoldExpired,
    /// The peer took nothing for the send hold time (RFC 9687).
    SendHoldExpired,
    /// Cease: more prefixes than are allowed.
    MaxPrefixes,
    /// Cease: shut down by an operator, on either side.
    AdminShutdown,
    /// Cease: the peer is not configured any more.
    Deconfigured,
    /// Cease: reset by an operator, on either side.
    AdminReset,
    /// Cease: the connection is not wanted; not configured, shut down, or one too many.
    Rejected,
    /// Cease: the configuration was changed.
    ConfigChange,
    /// Cease: too little memory, or too many connections.
    OutOfResources,
    /// Cease: a hard reset, which ends graceful restart, too (RFC 8538), for no reason that has a
    /// class of its own.
    HardReset,
    /// Cease: BFD saw the path fail (RFC 9384).
    BfdDown,
    /// This side ended it with a NOTIFICATION.
    NotificationSent,
    /// The peer ended it with a NOTIFICATION.
    NotificationReceived,
    /// The peer closed or reset the connection without a word.
    ClosedByPeer,
    /// The peer came with a new connection while graceful restart was negotiated.
    Restarted,
    /// Stopped on this side.
    Stopped,
    /// Something else that the operating system said.
    Other,
}

impl CauseClass {
    /// Stable lower-case word for scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed-out",
            Self::WrongAs => "wrong-as",
            Self::NoCommonFamily => "no-common-family",
            Self::Md5 => "md5",
            Self::Collision => "collision",
            Self::HoldExpired => "hold-expired",
            Self::SendHoldExpired => "send-hold-expired",
            Self::MaxPrefixes => "max-prefixes",
            Self::AdminShutdown => "admin-shutdown",
            Self::Deconfigured => "deconfigured",
            Self::AdminReset => "admin-reset",
            Self::Rejected => "rejected",
            Self::ConfigChange => "config-change",
            Self::OutOfResources => "out-of-resources",
            Self::HardReset => "hard-reset",
            Self::BfdDown => "bfd-down",
            Self::NotificationSent => "notification-sent",
            Self::NotificationReceived => "notification-received",
            Self::ClosedByPeer => "closed-by-peer",
            Self::Restarted => "restarted",
            Self::Stopped => "stopped",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for CauseClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the last connection or attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// When.
    pub at: Instant,
    /// Which kind.
    pub class: CauseClass,
    /// For people; the peer's bytes in it are escaped.
    pub text: String,
}

impl fmt::Display for LastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.class)
    }
}

/// Why one connection ended, as the machines see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// This NOTIFICATION was sent.
    Sent(Notification),
    /// The peer's OPEN was refused, with a NOTIFICATION.
    Refused(OpenError),
    /// This NOTIFICATION came. It is never answered (RFC 4271 §6).
    Received(Notification),
    /// The transport went away.
    Closed(CloseCause),
    /// A dial failed.
    Connect(ConnectError),
    /// A dial had not succeeded by the next ConnectRetry.
    DialTimeout,
    /// The peer's new connection replaced this one (RFC 4724 §4.2).
    Replaced,
    /// Stopped here without a NOTIFICATION, so that peers keep our routes.
    Stopped,
    /// BFD says that the way to the peer is gone.
    Path(PathDown),
}

/// Why BFD ended a session: nothing comes from the peer any more, or nothing gets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathDown {
    /// What BFD said.
    pub down: bfd::Down,
    /// What is said to the peer (RFC 9384), most likely in vain.
    pub words: Notification,
}

impl PathDown {
    /// Cease/BFD Down.
    #[must_use]
    pub fn new(down: bfd::Down) -> Self {
        let words = Notification::cease(cease_subcode::BFD_DOWN);
        Self { down, words }
    }
}

impl From<Notification> for Cause {
    fn from(notification: Notification) -> Self {
        Self::Sent(notification)
    }
}

impl From<OpenError> for Cause {
    fn from(error: OpenError) -> Self {
        Self::Refused(error)
    }
}

impl Cause {
    /// May the session come back soon, so that the peer's routes are worth keeping (RFC 4724
    /// §4.2)? A NOTIFICATION in either direction says no, unless both sides have agreed that only a
    /// Hard Reset does (`graceful_notification`, RFC 8538 §4).
    ///
    /// A departure from RFC 8538 §4, which counts an expired hold time as a restart: who has said
    /// nothing for so long is most likely not forwarding either, and a node with two routers shall
    /// use the other one now, not when the restart time is over.
    #[must_use]
    pub fn may_be_restart(&self, graceful_notification: bool) -> bool {
        match self {
            Self::Closed(_) | Self::Replaced => true,
            Self::Sent(_) if self.is_silence() => false,
            Self::Sent(n) | Self::Received(n) => graceful_notification && !n.is_hard_reset(),
            _ => false,
        }
    }

    /// Nothing has come from the peer for the hold time, or the way to it is gone.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Sent(n) => n.code == error_code::HOLD_TIMER_EXPIRED,
            Self::Path(_) => true,
            _ => false,
        }
    }

    /// The NOTIFICATION that is said before the end.
    #[must_use]
    pub fn last_words(&self) -> Option<Notification> {
        match self {
            Self::Sent(n) => Some(n.clone()),
            Self::Refused(error) => Some(error.notification()),
            Self::Path(path) => Some(path.words.clone()),
            _ => None,
        }
    }

    /// An error for which the next dial is delayed by the growing back-off, rather than a
    /// peer that is not there or a crossing of connections.
    #[must_use]
    pub fn is_error(&self) -> bool {
        match self {
            Self::Sent(n) | Self::Received(n) => !is_collision(n),
            Self::Refused(_) | Self::Closed(_) | Self::Path(_) => true,
            _ => false,
        }
    }

    /// For status and log.
    #[must_use]
    pub fn describe(&self, at: Instant) -> LastError {
        let (class, text) = match self {
            Self::Sent(n) => (
                class_of(n, CauseClass::NotificationSent),
                format!("sent {n}"),
            ),
            Self::Refused(error) => {
                let n = error.notification();
                (
                    class_of(&n, CauseClass::NotificationSent),
                    format!("sent {n}: {error}"),
                )
            }
            Self::Received(n) => {
                let wanted = n.wanted_families();
                let hint = match wanted.is_empty() {
                    true => String::new(),
                    false => format!(": the peer wants {}", crate::iana::list(&wanted)),
                };
                (
                    class_of(n, CauseClass::NotificationReceived),
                    format!("received {n}{hint}"),
                )
            }
            Self::Closed(CloseCause::Eof) => (
                CauseClass::ClosedByPeer,
                "the peer closed the connection".to_owned(),
            ),
            Self::Closed(CloseCause::Reset) => (
                CauseClass::ClosedByPeer,
                "the peer reset the connection".to_owned(),
            ),
            Self::Closed(CloseCause::TimedOut) => {
                (CauseClass::TimedOut, "the connection timed out".to_owned())
            }
            Self::Closed(CloseCause::Other(text)) | Self::Connect(ConnectError::Other(text)) => {
                (CauseClass::Other, text.clone())
            }
            Self::Connect(ConnectError::Refused) => {
                (CauseClass::Refused, "connection refused".to_owned())
            }
            Self::Connect(ConnectError::Unreachable) => {
                (CauseClass::Unreachable, "no route to the peer".to_owned())
            }
            Self::Connect(ConnectError::TimedOut) | Self::DialTimeout => (
                CauseClass::TimedOut,
                "no answer to the connection attempt".to_owned(),
            ),
            Self::Connect(ConnectError::Silent(text)) => (CauseClass::TimedOut, text.clone()),
            Self::Connect(ConnectError::Md5(text)) => (CauseClass::Md5, text.clone()),
            Self::Replaced => (
                CauseClass::Restarted,
                "the peer came back with a new connection".to_owned(),
            ),
            Self::Stopped => (CauseClass::Stopped, "stopped".to_owned()),
            Self::Path(path) => (CauseClass::BfdDown, format!("BFD: {}", path.down)),
        };
        LastError { at, class, text }
    }
}

fn is_collision(n: &Notification) -> bool {
    n.code == error_code::CEASE && n.subcode == cease_subcode::COLLISION_RESOLUTION
}

fn class_of(n: &Notification, otherwise: CauseClass) -> CauseClass {
    if let Some(reason) = n.encapsulated() {
        return class_of(&reason, CauseClass::HardReset);
    }
    match (n.code, n.subcode) {
        (error_code::OPEN, open_subcode::BAD_PEER_AS) => CauseClass::WrongAs,
        (error_code::HOLD_TIMER_EXPIRED, _) => CauseClass::HoldExpired,
        (error_code::SEND_HOLD_TIMER_EXPIRED, _) => CauseClass::SendHoldExpired,
        (error_code::CEASE, subcode) => class_of_cease(subcode).unwrap_or(otherwise),
        _ if !n.wanted_families().is_empty() => CauseClass::NoCommonFamily,
        _ => otherwise,
    }
}

/// RFC 4486 §4, RFC 8538 §3, RFC 9384 §3.
fn class_of_cease(subcode: u8) -> Option<CauseClass> {
    Some(match subcode {
        cease_subcode::MAXIMUM_PREFIXES => CauseClass::MaxPrefixes,
        cease_subcode::ADMINISTRATIVE_SHUTDOWN => CauseClass::AdminShutdown,
        cease_subcode::PEER_DECONFIGURED => CauseClass::Deconfigured,
        cease_subcode::ADMINISTRATIVE_RESET => CauseClass::AdminReset,
        cease_subcode::CONNECTION_REJECTED => CauseClass::Rejected,
        cease_subcode::OTHER_CONFIGURATION_CHANGE => CauseClass::ConfigChange,
        cease_subcode::COLLISION_RESOLUTION => CauseClass::Collision,
        cease_subcode::OUT_OF_RESOURCES => CauseClass::OutOfResources,
        cease_subcode::HARD_RESET => CauseClass::HardReset,
        cease_subcode::BFD_DOWN => CauseClass::BfdDown,
        _ => return None,
    })
}
