//! From the raw UPDATE to routes: the attribute table with the generic checks around it
//! (RFC 4271 §6.3, RFC 7606).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::SessionOptions;
use super::judge::Judge;
use crate::attr::PathAttributes;
use crate::iana::{AttributeCode, Family};
use crate::{Nlri, Notification, Update};

/// What the judgement depends on besides the session's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateContext {
    /// The peer is in another AS.
    pub peer_is_external: bool,
    /// The peer's AS number.
    pub peer_asn: u32,
    /// Own AS number.
    pub local_asn: u32,
    /// An external peer's paths must start with its AS (RFC 4271 §6.3); not so at a route server.
    pub enforce_first_as: bool,
    /// Own addresses: not usable as next hops.
    pub local_addresses: Vec<IpAddr>,
}

/// Prefixes that share their attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Family of the prefixes.
    pub family: Family,
    /// The prefixes.
    pub prefixes: Vec<Nlri>,
    /// Their attributes with the next hop from NEXT_HOP or MP_REACH_NLRI.
    pub attributes: Arc<PathAttributes>,
}

/// What an UPDATE says about routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteUpdate {
    /// Routes to take; at most one per family.
    pub announced: Vec<Announcement>,
    /// Routes to forget, those included that are treated as withdrawn.
    pub withdrawn: Vec<(Family, Vec<Nlri>)>,
    /// The initial transfer of a family is complete (RFC 4724 §2).
    pub end_of_rib: Option<Family>,
    /// What was discarded, and why routes are treated as withdrawn.
    pub errors: Vec<AttributeProblem>,
}

/// What came of a problem that did not end the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemAction {
    /// The attribute was dropped.
    Discarded,
    /// The routes cannot be used (RFC 4271 §6.3) and count as withdrawn.
    Unusable,
    /// The routes are treated as withdrawn (RFC 7606 §2).
    TreatedAsWithdraw,
}

/// One problem of an UPDATE, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeProblem {
    /// The attribute; `None` where the attribute list as a whole is malformed.
    pub code: Option<AttributeCode>,
    /// What came of it.
    pub action: ProblemAction,
    /// What is wrong.
    pub reason: &'static str,
    /// The attribute as it stood on the wire, empty where it was missing; at most 64 octets.
    pub octets: Bytes,
}

impl fmt::Display for AttributeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{code}: ")?,
            None => f.write_str("attribute list: ")?,
        }
        f.write_str(self.reason)?;
        f.write_str(match self.action {
            ProblemAction::Discarded => ", attribute discarded",
            ProblemAction::Unusable => ", routes not usable",
            ProblemAction::TreatedAsWithdraw => ", routes treated as withdrawn",
        })?;
        if self.octets.is_empty() {
            return Ok(());
        }
        f.write_str(" [")?;
        for octet in &self.octets {
            write!(f, "{octet:02x}")?;
        }
        f.write_str("]")
    }
}

/// Judges an UPDATE. Withdrawals are to be applied before announcements: a prefix that is in
/// both is announced (RFC 4271 §4.3).
///
/// # Errors
/// The NOTIFICATION to send before closing the connection.
pub fn update(
    update: Update,
    opts: &SessionOptions,
    ctx: &UpdateContext,
) -> Result<RouteUpdate, Notification> {
    let mut judge = Judge::new(&update, opts, ctx);
    for attribute in &update.attributes {
        judge.attribute(attribute)?;
    }
    judge.trailing(&update.trailing)?;
    let routes = judge.multiprotocol(&update.attributes)?;
    let reachable = !update.nlri.is_empty() || routes.reachable;
    judge.whole_path(reachable, !update.nlri.is_empty());
    judge.no_reachable_nlri(reachable)?;
    Ok(judge.finish(update, routes))
}
