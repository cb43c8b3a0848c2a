//! Other programs' routes for prefixes that are ours, too: whether traffic follows them or ours.
//!
//! Pure. Told by the monitor what comes and goes, and by dumps what is there. What is remembered is
//! bounded, and nothing is kept per own route: a rival is looked up among the own ones when somebody
//! asks. Routes at other prefixes are kept as far as there is room, because a prefix may become ours
//! later (a default route, most of all); without room the next dump tells.
//!
//! One kind of them keeps ours out: an IPv6 network that this node is connected to. The kernel gives it
//! metric 256, so that a route of ours for it would be used before, and from then on the kernel takes
//! no gateway in that network any more: it would be behind a gateway itself. Routers often announce
//! the networks of their links.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{KernelRoute, NextHops, Ownership, Prefix};

/// How many routes are remembered whose prefix is not ours.
const STRANGERS: usize = 4096;
/// How many are remembered at all, about 2.5 MiB.
const MOST: usize = 65_536;
/// How many a dump collects; what comes after is not looked at.
const COLLECTED: usize = 131_072;
/// With so many foreign routes in the table, only every [`SELDOM`]th dump reads them.
const MANY: usize = 20_000;
const SELDOM: u32 = 10;
/// `RTPROT_KERNEL`, and `RTN_UNICAST`.
const OF_THE_KERNEL: (u8, u8) = (2, 1);
/// How many a [`RivalStatus`] lists.
pub const LISTED: usize = 100;

/// A route of another program in our table, for all sources and classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Foreign {
    /// Destination.
    pub prefix: Prefix,
    /// `RTA_PRIORITY`.
    pub metric: u32,
    /// `rtm_protocol`.
    pub protocol: u8,
    /// `rtm_type`: also a blackhole takes traffic.
    pub kind: u8,
}

impl Foreign {
    /// `None` if it is ours, in another table, or for some sources or classes only.
    #[must_use]
    pub fn of(owner: &Ownership, route: &KernelRoute) -> Option<Self> {
        let other = route.table == owner.table && route.kind != 0 && !owner.owns(route);
        other.then_some(Self {
            prefix: route.prefix,
            metric: route.metric,
            protocol: route.protocol,
            kind: route.kind,
        })
    }

    /// Whether it is an IPv6 network of this node that an own route would hide.
    fn is_network(&self, owner: &Ownership) -> bool {
        self.prefix.is_ipv6()
            && (self.protocol, self.kind) == OF_THE_KERNEL
            && self.metric > owner.metric_of(self.prefix)
    }

    /// What it means for an own route for the same prefix.
    #[must_use]
    pub fn effect(&self, owner: &Ownership) -> Effect {
        match self.metric.cmp(&owner.metric_of(self.prefix)) {
            _ if self.is_network(owner) => Effect::Preferred,
            Ordering::Less => Effect::Preferred,
            Ordering::Equal => Effect::InTheWay,
            Ordering::Greater => Effect::Beside,
        }
    }
}

/// What a foreign route means for ours. The worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It has a lower metric, or is a network of this node: traffic follows it, whatever BGP says.
    Preferred,
    /// It has our metric: ours cannot be created.
    InTheWay,
    /// It has a higher metric: it is used when ours goes.
    Beside,
}

impl Effect {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Preferred, Self::InTheWay, Self::Beside];
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preferred => "preferred",
            Self::InTheWay => "in the way",
            Self::Beside => "beside",
        })
    }
}

/// What a notification said of a foreign route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is there; `replaced`: in the place of what was there.
    Seen {
        /// Which.
        route: Foreign,
        /// `NLM_F_REPLACE`.
        replaced: bool,
    },
    /// It is gone.
    Gone(Foreign),
}

impl News {
    /// Whose.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        let (Self::Seen { route, .. } | Self::Gone(route)) = self;
        route.prefix
    }
}

/// For people and programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RivalStatus {
    /// Default routes first, then by effect and prefix; the first [`LISTED`] of them.
    pub listed: Vec<(Foreign, Effect)>,
    /// How many there are with each of [`Effect::ALL`].
    pub counts: [usize; 3],
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Rivals {
    known: BTreeSet<Foreign>,
    /// What is kept out, and its next hops.
    withheld: BTreeMap<Prefix, NextHops>,
    /// How many foreign routes the last dump with them had.
    dumped: usize,
    /// Dumps without them since.
    skipped: u32,
}

impl Rivals {
    /// From the monitor; `ours`: whether the prefix of it is.
    pub fn heard(&mut self, news: News, ours: bool) {
        match news {
            News::Gone(route) => {
                self.known.remove(&route);
            }
            News::Seen { route, replaced } => {
                if replaced {
                    self.forget(route.prefix, route.metric);
                }
                self.remember(route, ours);
            }
        }
    }

    /// Whether the next dump should read foreign routes, too.
    #[must_use]
    pub fn wanted(&self) -> bool {
        self.dumped < MANY || self.skipped + 1 >= SELDOM
    }

    /// From a dump; `None`: it did not read foreign routes. `ours` tells of a prefix whether it is.
    pub fn dumped(&mut self, others: Option<&Others>, ours: impl Fn(Prefix) -> bool) {
        let Some(others) = others else {
            self.skipped += 1;
            return;
        };
        self.skipped = 0;
        self.dumped = others.seen;
        self.known.clear();
        for route in &others.routes {
            self.remember(*route, ours(route.prefix));
        }
    }

    /// The speaker's word less what would hide a network of this node.
    pub fn filter(&mut self, owner: &Ownership, prefix: Prefix, next_hops: NextHops) -> NextHops {
        self.withheld.remove(&prefix);
        if next_hops.is_empty() || !self.is_network(owner, prefix) {
            return next_hops;
        }
        self.withheld.insert(prefix, next_hops);
        NextHops::default()
    }

    /// What should be wanted for `prefix` from now on, where that is something else than `wanted`:
    /// to be asked when a route for it has come or gone.
    pub fn review(
        &mut self,
        owner: &Ownership,
        prefix: Prefix,
        wanted: Option<NextHops>,
    ) -> Option<NextHops> {
        if !self.is_network(owner, prefix) {
            return self.withheld.remove(&prefix);
        }
        self.withheld.insert(prefix, wanted?);
        Some(NextHops::default())
    }

    /// What should be reviewed after a dump.
    #[must_use]
    pub fn to_review(&self, owner: &Ownership) -> BTreeSet<Prefix> {
        let networks = self.known.iter().filter(|route| route.is_network(owner));
        let networks = networks.map(|route| route.prefix);
        networks.chain(self.withheld.keys().copied()).collect()
    }

    fn is_network(&self, owner: &Ownership, prefix: Prefix) -> bool {
        prefix.is_ipv6() && self.at(prefix).any(|route| route.is_network(owner))
    }

    fn at(&self, prefix: Prefix) -> impl Iterator<Item = &Foreign> {
        let end = |value, code| Foreign {
            prefix,
            metric: value,
            protocol: code,
            kind: code,
        };
        self.known.range(end(0, 0)..=end(u32::MAX, u8::MAX))
    }

    /// A picture; `ours` tells of a prefix whether it is.
    #[must_use]
    pub fn status(&self, owner: &Ownership, ours: impl Fn(Prefix) -> bool) -> RivalStatus {
        let mut status = RivalStatus::default();
        let mut all: Vec<(Foreign, Effect)> = Vec::new();
        let ours = |prefix| ours(prefix) || self.withheld.contains_key(&prefix);
        for route in self.known.iter().filter(|route| ours(route.prefix)) {
            let effect = route.effect(owner);
            status.counts[effect as usize] += 1;
            all.push((*route, effect));
        }
        all.sort_unstable_by_key(|(route, effect)| (route.prefix.prefix() != 0, *effect, *route));
        all.truncate(LISTED);
        status.listed = all;
        status
    }

    fn remember(&mut self, route: Foreign, ours: bool) {
        let network = (route.protocol, route.kind) == OF_THE_KERNEL && route.prefix.is_ipv6();
        let room = if ours || network { MOST } else { STRANGERS };
        if self.known.len() < room {
            self.known.insert(route);
        }
    }

    /// All at one place.
    fn forget(&mut self, prefix: Prefix, metric: u32) {
        let there = self.at(prefix).filter(|route| route.metric == metric);
        for route in there.copied().collect::<Vec<_>>() {
            self.known.remove(&route);
        }
    }
}

/// What a dump collects.
#[derive(Debug, Default)]
pub struct Others {
    routes: Vec<Foreign>,
    seen: usize,
}

impl Others {
    /// One more.
    pub fn add(&mut self, route: Foreign) {
        self.seen += 1;
        if self.routes.len() < COLLECTED {
            self.routes.push(route);
        }
    }

    /// The same, if it is one.
    pub fn add_all(&mut self, route: Option<Foreign>) {
        if let Some(route) = route {
            self.add(route);
        }
    }

    /// Forgets a family (`AF_*`).
    pub fn forget(&mut self, family: u8) {
        let is_v4 = family == super::message::family::INET;
        self.routes.retain(|route| route.prefix.is_ipv4() != is_v4);
        self.seen = self.routes.len();
    }
}

/// The name that `ip route` and `/etc/iproute2/rt_protos` give a protocol number; FRR's daemons
/// have numbers of their own.
#[must_use]
pub fn protocol_name(protocol: u8) -> Option<&'static str> {
    Some(match protocol {
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        16 => "dhcp",
        17 => "mrouted",
        18 => "keepalived",
        42 => "babel",
        77 => "rcni",
        99 => "openr",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        190 => "ripng",
        191 => "nhrp",
        192 => "eigrp",
        193 => "ldp",
        194 => "sharp",
        195 => "pbr",
        196 => "zstatic",
        197 => "openfabric",
        198 => "srte",
        _ => return None,
    })
}

/// `rtm_type` in the words of `ip route`; `None` for what is not known here.
#[must_use]
pub fn kind_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "unicast",
        2 => "local",
        3 => "broadcast",
        4 => "anycast",
        5 => "multicast",
        6 => "blackhole",
        7 => "unreachable",
        8 => "prohibit",
        9 => "throw",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
