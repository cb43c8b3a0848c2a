//! From a next hop to gateways: which neighbour on which link, and whether that link is up. Pure: says
//! about which next hops the kernel should be asked, and is told what it says.
//!
//! | the kernel's answer | verdict |
//! | --- | --- |
//! | on the network of a link | the next hop is the gateway |
//! | through gateways, by another program's route | those gateways (a recursive next hop) |
//! | through gateways, by an own route | the gateways of its next hops, if they are all on a link themselves |
//! | through a default route, or not at all | none, unless it was on a link that is down now: that one is expected back |
//! | an address of this node | none |
//!
//! An own route counts by what is wanted, not by what is written: so it makes no difference which of
//! the two comes first. That its next hops must be on a link themselves excludes every circle.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::message::Lookup;
use super::{Gateway, KernelRoute, NextHop, Prefix};

/// What is known of a next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was not asked yet.
    Unknown,
    /// On the network of this link (index).
    Connected(u32),
    /// By a route for this prefix, to these gateways.
    Through(Prefix, Vec<Gateway>),
    /// Not on any network, and no route leads there but for the default one.
    NotConnected,
    /// An address of this machine.
    Own,
}

/// A way to a next hop that is on no network of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The route's prefix.
    pub prefix: Prefix,
    /// Where it leads.
    pub gateways: Vec<Gateway>,
}

/// The state of a link that matters to routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It carries packets.
    Up,
    /// It has no carrier: the kernel has deleted nexthop objects, and keeps plain routes.
    NoCarrier,
    /// It is switched off: the kernel has deleted plain routes, too.
    Off,
    /// It does not exist any more.
    Gone,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Resolver {
    hops: BTreeMap<NextHop, Verdict>,
    suspects: BTreeSet<NextHop>,
    /// Those that are not up.
    links: BTreeMap<u32, Link>,
    /// Next hops whose way is found by routes: addresses, to find them by a prefix.
    watched: BTreeSet<IpAddr>,
    /// Neighbours that were just lost: groups go without them at once.
    lost: BTreeSet<NextHop>,
}

impl Resolver {
    /// A set with these is in use.
    pub fn learn(&mut self, hops: &[NextHop]) {
        for hop in hops {
            if !self.hops.contains_key(hop) {
                self.hops.insert(*hop, Verdict::Unknown);
                self.suspects.insert(*hop);
            }
        }
    }

    /// Forgets all for which `is_used` does not hold.
    pub fn forget(&mut self, is_used: impl Fn(&NextHop) -> bool) {
        self.hops.retain(|hop, _| is_used(hop));
        let hops = &self.hops;
        self.suspects.retain(|hop| hops.contains_key(hop));
        self.watch();
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hops.len()
    }

    /// Is none known?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hops.is_empty()
    }

    /// What is known.
    #[must_use]
    pub fn verdict(&self, hop: &NextHop) -> &Verdict {
        self.hops.get(hop).unwrap_or(&Verdict::Unknown)
    }

    /// Whether [`Resolver::take_suspects`] has something.
    #[must_use]
    pub fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Next hops about which the kernel should be asked.
    pub fn take_suspects(&mut self) -> Vec<NextHop> {
        std::mem::take(&mut self.suspects).into_iter().collect()
    }

    /// They should be asked about again: the kernel did not answer, or refused a route.
    pub fn suspect(&mut self, hops: &[NextHop]) {
        let known = hops.iter().filter(|hop| self.hops.contains_key(hop));
        self.suspects.extend(known);
    }

    /// The kernel refused a route to these: are they on other links now?
    pub fn suspect_gateways(&mut self, gateways: &[Gateway]) {
        for gateway in gateways {
            let named = NextHop {
                address: gateway.address,
                interface: Some(gateway.interface),
            };
            self.suspect(&[gateway.address.into(), named]);
        }
    }

    /// Something changed that may concern all.
    pub fn suspect_all(&mut self) {
        self.suspects.extend(self.hops.keys());
    }

    /// A route for `prefix` came, went or changed. True: that concerns somebody.
    pub fn suspect_within(&mut self, prefix: &Prefix) -> bool {
        if self.watched.is_empty() {
            return false;
        }
        let (first, last) = (prefix.network(), last_of(prefix));
        if self.watched.range(first..=last).next().is_none() {
            return false;
        }
        let within = |hop: &&NextHop| prefix.contains(hop.address);
        let within: Vec<NextHop> = self.hops.keys().filter(within).copied().collect();
        self.suspects.extend(within);
        true
    }

    /// Those whose address is in `network`, however they are reached.
    pub fn suspect_in(&mut self, network: &Prefix) {
        let first = NextHop::from(network.network());
        let within = self.hops.range(first..).map(|(hop, _)| *hop);
        let within = within.take_while(|hop| network.contains(hop.address));
        self.suspects.extend(within);
    }

    /// Whether all of them were asked about.
    #[must_use]
    pub fn is_complete(&self, hops: &[NextHop]) -> bool {
        hops.iter()
            .all(|hop| *self.verdict(hop) != Verdict::Unknown)
    }

    /// Whether next hops are on a link themselves, all of them.
    #[must_use]
    pub fn are_direct(&self, hops: &[NextHop]) -> bool {
        hops.iter()
            .all(|hop| matches!(self.verdict(hop), Verdict::Connected(_)))
    }

    /// The kernel's answer about a next hop, and the best way by a route, if one was looked for. True:
    /// the verdict is another one now.
    pub fn judge(&mut self, hop: NextHop, lookup: &Lookup, way: Option<Way>) -> bool {
        let Some(before) = self.hops.get(&hop) else {
            return false;
        };
        let verdict = match (lookup, way) {
            (Lookup::Connected(interface), _) => Verdict::Connected(*interface),
            (Lookup::Own, _) => Verdict::Own,
            // It names its link; if that has no IPv6, the kernel says so.
            _ if hop.interface.is_some() => Verdict::Connected(hop.interface.unwrap_or_default()),
            (_, Some(way)) if !way.gateways.is_empty() => {
                Verdict::Through(way.prefix, way.gateways)
            }
            _ => match before {
                Verdict::Connected(interface) if self.links.contains_key(interface) => {
                    Verdict::Connected(*interface)
                }
                _ => Verdict::NotConnected,
            },
        };
        if verdict == *before {
            return false;
        }
        self.hops.insert(hop, verdict);
        self.watch();
        true
    }

    /// Those that are reached by routes.
    pub fn suspect_recursive(&mut self) {
        let hops = self.hops.iter();
        let hops = hops.filter(|(_, verdict)| !matches!(verdict, Verdict::Connected(_)));
        self.suspects.extend(hops.map(|(hop, _)| *hop));
    }

    fn watch(&mut self) {
        let hops = self.hops.iter();
        let by_routes =
            hops.filter(|(_, v)| matches!(v, Verdict::Through(..) | Verdict::NotConnected));
        self.watched = by_routes.map(|(hop, _)| hop.address).collect();
    }

    /// A link's state. True if it is another one now.
    pub fn link(&mut self, index: u32, now: Link) -> bool {
        match now {
            Link::Up | Link::Gone => self.links.remove(&index).is_some() || now == Link::Gone,
            _ => self.links.insert(index, now) != Some(now),
        }
    }

    /// All links are about to be told again.
    pub fn forget_links(&mut self) {
        self.links.clear();
    }

    /// A neighbour does not forward any more, for all that is known.
    pub fn lose(&mut self, neighbor: NextHop) {
        self.lost.insert(neighbor);
    }

    /// What was lost has been taken care of route by route. True if there was something.
    pub fn find_lost(&mut self) -> bool {
        !std::mem::take(&mut self.lost).is_empty()
    }

    /// All gateways of a set of next hops, sorted: also those whose link is down for now.
    #[must_use]
    pub fn gateways(&self, hops: &[NextHop]) -> Vec<Gateway> {
        let mut all = Vec::new();
        for hop in hops {
            match self.verdict(hop) {
                Verdict::Connected(interface) => all.push(Gateway {
                    address: hop.address,
                    interface: *interface,
                }),
                Verdict::Through(_, gateways) => all.extend(gateways),
                _ => {}
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether packets can be given to a gateway now.
    #[must_use]
    pub fn is_live(&self, gateway: &Gateway) -> bool {
        !self.links.contains_key(&gateway.interface)
    }

    /// Whether it was lost lately.
    #[must_use]
    pub fn is_lost(&self, gateway: &Gateway) -> bool {
        let mut lost = self.lost.iter();
        lost.any(|lost| {
            let on_link = lost.interface.is_none_or(|link| link == gateway.interface);
            lost.address == gateway.address && on_link
        })
    }

    /// Whether the kernel would take a route that names the gateway.
    #[must_use]
    pub fn is_possible(&self, gateway: &Gateway) -> bool {
        self.links.get(&gateway.interface) != Some(&Link::Off)
    }

    /// Why `hop` is no gateway now, and what to do.
    #[must_use]
    pub fn trouble(&self, hop: &NextHop) -> Option<String> {
        match self.verdict(hop) {
            Verdict::Connected(interface) => {
                let what = match self.links.get(interface)? {
                    Link::Off => "is switched off: set it up",
                    _ => "has no carrier: look at the cable and the other end",
                };
                Some(format!(
                    "the link (index {interface}) of next hop {hop} {what}"
                ))
            }
            Verdict::Through(prefix, gateways) => {
                let dead = gateways.iter().all(|gateway| !self.is_live(gateway));
                dead.then(|| {
                    format!("the links of all gateways to next hop {hop} (by {prefix}) are down")
                })
            }
            Verdict::Unknown => Some(format!(
                "the kernel has not said yet how next hop {hop} is reached"
            )),
            Verdict::NotConnected => Some(format!(
                "next hop {hop} is not on any connected network, and no route leads there that counts \
                 (not a default one, nor one of ours whose own next hop is not on a link): give this node \
                 an address in its network or a route to it, or let the peer announce a next hop that \
                 is (next-hop-self)"
            )),
            Verdict::Own => Some(format!(
                "next hop {hop} is an address of this node: look for the address on two machines, \
                 or let the peer announce its own (next-hop-self)"
            )),
        }
    }
}

/// The last address of a prefix.
fn last_of(prefix: &Prefix) -> IpAddr {
    prefix.broadcast()
}

/// The best of ways to `hop` by routes of others: the longest prefix, of one prefix the lowest metric.
/// Default routes do not count.
#[derive(Debug, Default)]
pub struct Ways {
    best: BTreeMap<NextHop, (u8, u32, Way)>,
}

impl Ways {
    /// Offers a route, whose gateways are asked for if it is the best so far.
    pub fn offer(
        &mut self,
        hops: &[NextHop],
        route: &KernelRoute,
        gateways: impl Fn() -> Vec<Gateway>,
    ) {
        let length = route.prefix.prefix();
        if length == 0 || !route.unicast {
            return;
        }
        for hop in hops.iter().filter(|hop| route.prefix.contains(hop.address)) {
            let better = self.best.get(hop).is_none_or(|(best, metric, _)| {
                (length, std::cmp::Reverse(route.metric)) > (*best, std::cmp::Reverse(*metric))
            });
            if better {
                // Without a gateway it is the network of a link.
                let mut gateways = gateways();
                if let Some(interface) = route.interface.filter(|_| gateways.is_empty()) {
                    gateways.push(Gateway {
                        address: hop.address,
                        interface,
                    });
                }
                let way = Way {
                    prefix: route.prefix,
                    gateways,
                };
                self.best.insert(*hop, (length, route.metric, way));
            }
        }
    }

    /// The best one that was offered.
    #[must_use]
    pub fn best(&self, hop: &NextHop) -> Option<&Way> {
        self.best.get(hop).map(|(_, _, way)| way)
    }
}
