//! What is said for the log.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use super::api::PeerId;
use super::limits::LimitNews;
use crate::bfd;
use crate::error::Notification;
use crate::fsm::{LastError, State};
use crate::iana::Family;
use crate::wire::Prefix;

/// A line for the log: printable, with peers' bytes escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// Which peer, if it concerns one; of one that a range has not admitted, the range.
    pub peer: Option<PeerId>,
    /// The peer's name.
    pub name: Option<String>,
    /// What.
    pub kind: EventKind,
}

/// Kinds of [`Event`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A peer's session state changed.
    StateChange {
        /// Before.
        from: State,
        /// Now.
        to: State,
        /// Why, if it was a step back.
        cause: Option<LastError>,
    },
    /// This side ended a connection with this NOTIFICATION.
    NotificationSent(Notification),
    /// The peer ended a connection with this NOTIFICATION.
    NotificationReceived(Notification),
    /// The peer announces what is originated here, see
    /// [`Conflict`](super::Conflict).
    Conflict {
        /// One of the prefixes.
        prefix: Prefix,
        /// How many further ones have the same path.
        more: usize,
        /// The path.
        as_path: String,
    },
    /// A malformed attribute was discarded or its routes were treated as withdrawn (RFC 7606).
    UpdateProblem(String),
    /// The peer's initial routes of this family are complete.
    EndOfRib {
        /// Which.
        family: Family,
        /// Routes that it has told in this session.
        received: usize,
        /// Of these, rejected or unusable.
        rejected: usize,
    },
    /// The peer announces nearly too much, or too much.
    Limit(LimitNews),
    /// The session has ended in a way from which it may come back soon (RFC 4724 §4.2, RFC 8538 §4):
    /// this many routes are kept as stale.
    StaleKept {
        /// Routes kept.
        routes: usize,
        /// How long at most, in seconds.
        secs: u64,
    },
    /// The peer has not come back in time: this many of its routes are kept as long-lived stale, the
    /// last resort (RFC 9494 §4.2), but for those that must not be.
    LongLivedKept {
        /// Of which family.
        family: Family,
        /// Routes.
        routes: usize,
        /// How long at most, in seconds.
        secs: u64,
    },
    /// This many stale routes were removed.
    StaleFlushed(usize),
    /// A peer has told a family again between its marks (RFC 7313), or has not come to an end with
    /// it in time.
    Refreshed {
        /// Which family.
        family: Family,
        /// Routes that did not come again and are gone.
        gone: usize,
        /// The second mark came.
        complete: bool,
    },
    /// BFD has something to say of the way to the peer.
    Bfd(bfd::News),
    /// A connection from an address that no peer has, or before `Start`.
    Refused(SocketAddr),
    /// The Loc-RIB is complete.
    Synced {
        /// Names of the peers that had not sent End-of-RIB when the wait ended.
        missing: Vec<String>,
    },
    /// In use again after a drain: everything is announced as ever.
    Returned {
        /// Names of the peers that had not sent End-of-RIB when the wait ended.
        missing: Vec<String>,
        /// What was learned is in the kernel, as far as that takes it.
        installed: bool,
    },
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateChange {
                from,
                to,
                cause: None,
            } => write!(f, "{from} -> {to}"),
            Self::StateChange {
                from,
                to,
                cause: Some(cause),
            } => write!(f, "{from} -> {to}: {cause}"),
            Self::NotificationSent(n) => write!(f, "sent NOTIFICATION {n}"),
            Self::NotificationReceived(n) => write!(f, "received NOTIFICATION {n}"),
            Self::Conflict {
                prefix,
                more,
                as_path,
            } => {
                write!(f, "CONFLICT: the peer announces {prefix}")?;
                if *more > 0 {
                    write!(f, " and {more} more")?;
                }
                write!(
                    f,
                    " (AS path {as_path}), but this node originates it: two nodes have the same \
                     pod CIDR"
                )
            }
            Self::UpdateProblem(text) => write!(f, "malformed UPDATE: {text}"),
            Self::EndOfRib {
                family,
                received,
                rejected,
            } => end_of_rib(f, *family, *received, *rejected),
            Self::Limit(news) => news.fmt(f),
            Self::StaleKept { routes, secs } => {
                write!(
                    f,
                    "the peer may come back: {routes} routes kept as stale for up to {secs} s"
                )
            }
            Self::LongLivedKept {
                family,
                routes,
                secs,
            } => write!(
                f,
                "the peer did not come back in time: {routes} routes of {family} are kept as \
                 long-lived stale for up to {secs} s"
            ),
            Self::Refreshed {
                family,
                gone,
                complete,
            } => {
                let end = if *complete {
                    ""
                } else {
                    " ended without its mark"
                };
                write!(f, "refresh of {family}{end}: {gone} routes are gone")
            }
            Self::StaleFlushed(routes) => write!(f, "{routes} stale routes removed"),
            Self::Bfd(news) => write!(f, "BFD: {news}"),
            Self::Refused(remote) => write!(f, "refused a connection from {remote}: no such peer"),
            Self::Synced { missing } => synced(f, missing),
            Self::Returned { missing, installed } => returned(f, missing, *installed),
        }
    }
}

fn end_of_rib(
    f: &mut fmt::Formatter<'_>,
    family: Family,
    received: usize,
    rejected: usize,
) -> fmt::Result {
    write!(f, "End-of-RIB for {family}; routes received: {received}")?;
    match rejected {
        0 => Ok(()),
        rejected => write!(f, ", of them rejected or unusable: {rejected}"),
    }
}

fn returned(f: &mut fmt::Formatter<'_>, missing: &[String], installed: bool) -> fmt::Result {
    write!(f, "in use again, announced without GRACEFUL_SHUTDOWN")?;
    if !missing.is_empty() {
        write!(f, "; no End-of-RIB from {}", missing.join(", "))?;
    }
    if !installed {
        write!(f, "; the kernel has not got all routes yet")?;
    }
    Ok(())
}

fn synced(f: &mut fmt::Formatter<'_>, missing: &[String]) -> fmt::Result {
    write!(f, "routes are complete")?;
    if !missing.is_empty() {
        let names = missing.join(", ");
        write!(f, " as far as they came: no End-of-RIB from {names}")?;
    }
    Ok(())
}
