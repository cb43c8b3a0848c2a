//! How many prefixes a peer may announce.
//!
//! ```text
//!  UPDATE --> adj_in --> count per family --> warning, once      (warning_percent of the limit)
//!                |                     `----> more than allowed: the action
//!                `-- Drop: what would be too much is not taken in at all
//! ```
//!
//! Counted is what the peer has announced in this session and not withdrawn, whatever the import
//! rules say of it; paths, where it tells several of a prefix (RFC 7911), as FRR and BIRD do. What is
//! kept as stale from an earlier session is not counted until it comes again, so that a peer may
//! restart with other routes than before. It is looked at when a whole UPDATE was taken in, and when
//! the peer has told everything again (RFC 7313).
//!
//! | action | one too many |
//! | --- | --- |
//! | `Restart` | Cease/Maximum Number of Prefixes Reached (RFC 4486 §4), within a Hard Reset where both sides know that (RFC 8538); its routes go; neither dialled nor accepted until the time is over |
//! | `Shutdown` | the same, until `Order::Start` |
//! | `Drop` | not taken; when there is room again, the peer is asked to tell everything once more |
//! | `Warn` | said |
//!
//! What was said is said again only when the count has been a tenth below in between. An
//! [`Order::Start`](super::Order) ends every wait, a `Reset` one that would end by itself.

use std::fmt;
use std::time::{Duration, Instant};

use super::Speaker;
use super::api::{EventKind, PeerId};
use super::neighbor::Neighbor;
use crate::error::Notification;
use crate::fsm::{Held, PeerInput};
use crate::iana::Family;
use crate::rib::AdjRibIn;
use crate::wire::Nlri;

/// How many prefixes a peer may announce, and what happens if it announces more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaximumPrefixes {
    /// Of IPv4; `None`: any number.
    pub ipv4: Option<u32>,
    /// Of IPv6.
    pub ipv6: Option<u32>,
    /// At which part of the limit there is a warning.
    pub warning_percent: u8,
    /// What happens.
    pub action: LimitAction,
}

/// What happens to a peer with too many prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitAction {
    /// The session ends, and may come back after so many seconds.
    Restart(u16),
    /// The session ends, and stays so.
    Shutdown,
    /// What is too much is not taken.
    Drop,
    /// It is said.
    Warn,
}

impl LimitAction {
    /// Stable lower-case word for scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart(_) => "restart",
            Self::Shutdown => "shutdown",
            Self::Drop => "drop",
            Self::Warn => "warn",
        }
    }
}

impl MaximumPrefixes {
    /// The limit of a family.
    #[must_use]
    pub fn of(&self, family: Family) -> Option<u32> {
        match family {
            Family::IPV4_UNICAST => self.ipv4,
            Family::IPV6_UNICAST => self.ipv6,
            _ => None,
        }
    }
}

/// Something to be said about a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitNews {
    /// Of which family.
    pub family: Family,
    /// How many prefixes the peer announces.
    pub count: usize,
    /// How many it may.
    pub limit: u32,
    /// What there is to be said.
    pub what: Crossing,
}

/// Which line the count has crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// That of the warning.
    Near,
    /// The limit: this is done.
    Passed(LimitAction),
    /// There is room again: the peer is asked for what was not taken.
    Relieved,
}

impl fmt::Display for LimitNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            family,
            count,
            limit,
            what,
        } = self;
        write!(f, "maximum prefixes: ")?;
        match what {
            Crossing::Near => write!(f, "{count} of at most {limit} {family} prefixes"),
            Crossing::Relieved => write!(
                f,
                "{count} of at most {limit} {family} prefixes: there is room again for what was \
                 not taken"
            ),
            Crossing::Passed(action) => {
                let end = match action {
                    LimitAction::Restart(secs) => format!("the session ends for {secs} s"),
                    LimitAction::Shutdown => {
                        "the session ends, until somebody starts the peer".to_owned()
                    }
                    LimitAction::Drop => "further ones are not taken".to_owned(),
                    LimitAction::Warn => "only a warning is configured".to_owned(),
                };
                write!(
                    f,
                    "more than {limit} {family} prefixes ({count} taken): {end}"
                )
            }
        }
    }
}

/// The limits of one peer, for people and scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitStatus {
    /// What is configured.
    pub limits: MaximumPrefixes,
    /// By family.
    pub by_family: [(Family, Gauged); 2],
    /// The peer is kept down for it: until then, or until somebody starts it.
    pub held: Option<Option<Instant>>,
}

/// One family of [`LimitStatus`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauged {
    /// What counts.
    pub count: usize,
    /// Announcements in this session that were not taken.
    pub ignored: u64,
}

/// What was said in this session, and what was not taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gauge {
    near: bool,
    passed: bool,
    ignored: u64,
    /// Something was not taken since the peer was last asked.
    wanting: bool,
}

/// By family.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gauges {
    v4: Gauge,
    v6: Gauge,
}

const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

impl Gauges {
    fn of(&self, family: Family) -> &Gauge {
        match family {
            Family::IPV6_UNICAST => &self.v6,
            _ => &self.v4,
        }
    }

    fn of_mut(&mut self, family: Family) -> &mut Gauge {
        match family {
            Family::IPV6_UNICAST => &mut self.v6,
            _ => &mut self.v4,
        }
    }
}

/// So far below a line the count must have been before it can cross it again.
fn is_clear_of(line: usize, count: usize) -> bool {
    count == 0 || count + (line / 10).max(1) < line
}

impl Gauge {
    /// What is new about this count.
    fn look(&mut self, limits: &MaximumPrefixes, limit: u32, count: usize) -> Option<Crossing> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let percent = usize::from(limits.warning_percent.min(100));
        let line = limit.saturating_mul(percent).div_ceil(100).max(1);
        let was_near = std::mem::replace(&mut self.near, count >= line);
        self.near |= was_near && !is_clear_of(line, count);
        let passes = count > limit || self.wanting && count >= limit;
        let had_passed = std::mem::replace(&mut self.passed, passes);
        self.passed |= had_passed && !is_clear_of(limit, count);
        if self.passed && !had_passed {
            return Some(Crossing::Passed(limits.action));
        }
        if had_passed && !self.passed && std::mem::take(&mut self.wanting) {
            return Some(Crossing::Relieved);
        }
        (self.near && !was_near).then_some(Crossing::Near)
    }
}

/// What counts of a peer's paths.
fn count(adj_in: &AdjRibIn, id: PeerId, family: Family) -> usize {
    let counts = adj_in.counts_of(id, family);
    counts.received.saturating_sub(counts.stale)
}

/// How many more paths of an announcement are taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Room {
    /// All.
    Any,
    /// So many that are new.
    New(usize),
}

impl Neighbor {
    /// For this many prefixes of a family at once.
    pub(super) fn room(&self, adj_in: &AdjRibIn, family: Family, prefixes: usize) -> Room {
        let limits = self.config.limits.filter(|l| l.action == LimitAction::Drop);
        let Some(limit) = limits.and_then(|limits| limits.of(family)) else {
            return Room::Any;
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let room = limit.saturating_sub(count(adj_in, self.id, family));
        if room >= prefixes {
            Room::Any
        } else {
            Room::New(room)
        }
    }

    pub(super) fn limit_status(&self, adj_in: &AdjRibIn) -> Option<LimitStatus> {
        let held = match self.machine.held() {
            Some(Held::Limit(until)) => Some(until),
            _ => None,
        };
        let gauges = self.up.as_ref().map(|up| up.gauges).unwrap_or_default();
        let by_family = FAMILIES.map(|family| {
            let gauged = Gauged {
                count: count(adj_in, self.id, family),
                ignored: gauges.of(family).ignored,
            };
            (family, gauged)
        });
        self.config.limits.map(|limits| LimitStatus {
            limits,
            by_family,
            held,
        })
    }
}

impl Room {
    /// Whether there is room for this path, which is then taken.
    pub(super) fn take(&mut self, adj_in: &AdjRibIn, id: PeerId, nlri: &Nlri) -> bool {
        let Self::New(room) = self else {
            return true;
        };
        let is_known = adj_in.paths_with_ids(&nlri.prefix).any(|(path, path_id)| {
            path.peer() == id && path_id == nlri.path_id && !adj_in.is_stale(&nlri.prefix, path)
        });
        if is_known {
            return true;
        }
        let taken = *room > 0;
        *room = room.saturating_sub(1);
        taken
    }
}

impl Speaker {
    /// So many announcements of a family were not taken.
    pub(super) fn not_taken(&mut self, id: PeerId, family: Family, ignored: u64) {
        let up = self.neighbors.get_mut(id.index());
        if let Some(up) = up.and_then(|neighbor| neighbor.up.as_mut()) {
            let gauge = up.gauges.of_mut(family);
            gauge.ignored += ignored;
            gauge.wanting |= ignored > 0;
        }
    }

    /// Looks at the counts after an UPDATE, and does what is to be done.
    pub(super) fn enforce_limits(&mut self, id: PeerId, now: Instant) {
        for family in FAMILIES {
            let Some(neighbor) = self.neighbors.get_mut(id.index()) else {
                return;
            };
            let (Some(limits), Some(up)) = (neighbor.config.limits, &mut neighbor.up) else {
                return;
            };
            let Some(limit) = limits.of(family) else {
                continue;
            };
            let count = count(self.rib.adj_in(), id, family);
            let Some(what) = up.gauges.of_mut(family).look(&limits, limit, count) else {
                continue;
            };
            let news = LimitNews {
                family,
                count,
                limit,
                what,
            };
            self.event(now, Some(id), EventKind::Limit(news));
            match what {
                Crossing::Passed(LimitAction::Restart(secs)) => {
                    let until = now + Duration::from_secs(secs.into());
                    self.end_for_limit(id, news, Some(until), now);
                }
                Crossing::Passed(LimitAction::Shutdown) => {
                    self.end_for_limit(id, news, None, now);
                }
                Crossing::Relieved => self.ask_again(id, &[family]),
                Crossing::Near | Crossing::Passed(LimitAction::Drop | LimitAction::Warn) => {}
            }
        }
    }

    /// The peer's limits are others now: who waits for the earlier ones need not any more, what is
    /// there already may be too much, and what was not taken may have room: nobody but the peer knows it.
    pub(super) fn limits_changed(&mut self, id: PeerId, now: Instant) {
        let Some(neighbor) = self.neighbors.get_mut(id.index()) else {
            return;
        };
        let before = neighbor
            .up
            .as_mut()
            .map(|up| std::mem::take(&mut up.gauges));
        let mut room_for = Vec::new();
        for family in FAMILIES {
            if before.is_none_or(|before| !before.of(family).wanting) {
                continue;
            }
            if matches!(neighbor.room(self.rib.adj_in(), family, 1), Room::Any) {
                room_for.push(family);
            } else if let Some(up) = &mut neighbor.up {
                up.gauges.of_mut(family).wanting = true;
            }
        }
        if matches!(neighbor.machine.held(), Some(Held::Limit(_))) {
            self.feed_peer(id.index(), PeerInput::Release, now);
        }
        self.ask_again(id, &room_for);
        self.enforce_limits(id, now);
    }

    fn end_for_limit(&mut self, id: PeerId, news: LimitNews, until: Option<Instant>, now: Instant) {
        let words = Notification::maximum_prefixes(news.family, news.limit);
        self.feed_peer(id.index(), PeerInput::Limit(words, until), now);
        // It might come back, but not now, and not with so much.
        self.flush_stale(id, |_| true, now);
    }
}
