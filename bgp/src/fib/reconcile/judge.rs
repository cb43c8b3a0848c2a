//! What the kernel says of next hops, and what own routes add to that.

use super::super::message::Lookup;
use super::super::resolve::{Way, Ways};
use super::super::{NextHop, Prefix};
use super::Table;

/// Verdicts may depend on each other, but not for ever: so many rounds without anything else
/// happening.
const ROUNDS: u32 = 16;

/// A next hop whose way is hidden: the kernel's answer does not tell all that must be known.
pub type Hidden = (NextHop, Lookup);

impl Table {
    /// Whether [`Table::suspects`] has something.
    #[must_use]
    pub fn has_suspects(&self) -> bool {
        self.hops.resolver.has_suspects()
    }

    /// Next hops about which the kernel should be asked, for [`Table::judge`].
    pub fn suspects(&mut self) -> Vec<NextHop> {
        self.hops.resolver.take_suspects()
    }

    /// All next hops are to be asked about again.
    pub fn suspect_all(&mut self) {
        self.hops.rounds = 0;
        self.hops.resolver.suspect_all();
    }

    /// The kernel did not answer about these.
    pub fn suspect(&mut self, hops: &[NextHop]) {
        self.hops.resolver.suspect(hops);
    }

    /// A foreign route for `prefix` came or went.
    pub fn suspect_within(&mut self, prefix: &Prefix) {
        self.hops.rounds = 0;
        self.hops.resolver.suspect_within(prefix);
        // What is on a link may be behind that route now, or not any more. None is because of a default.
        if prefix.prefix() > 0 {
            self.hops.resolver.suspect_in(prefix);
        }
    }

    /// Routes of others may lead elsewhere.
    pub fn suspect_recursive(&mut self) {
        self.hops.rounds = 0;
        self.hops.resolver.suspect_recursive();
    }

    /// What the kernel says of next hops. Returns those that are not what they were, and those of
    /// which it hides what must be known: for [`Table::judge_by`].
    pub fn judge(&mut self, answers: Vec<Hidden>) -> (Vec<NextHop>, Vec<Hidden>) {
        let (mut changed, mut hidden) = (Vec::new(), Vec::new());
        for (hop, lookup) in answers {
            let own = match lookup {
                Lookup::Connected(_) | Lookup::Own => None,
                _ => self.own_way(&hop),
            };
            let way = match &lookup {
                Lookup::Through(route) if self.owner.owns(route) => {
                    let is_own = own
                        .as_ref()
                        .is_some_and(|own| own.prefix.prefix() >= route.prefix.prefix());
                    if !is_own {
                        hidden.push((hop, lookup));
                        continue;
                    }
                    own
                }
                Lookup::Through(route) if route.object.is_some() && route.gateways.is_empty() => {
                    hidden.push((hop, lookup));
                    continue;
                }
                Lookup::Through(route) => {
                    let way = Way {
                        prefix: route.prefix,
                        gateways: route.gateways.clone(),
                    };
                    longer(Some(way).filter(|way| way.prefix.prefix() > 0), own)
                }
                _ => own,
            };
            if self.hops.resolver.judge(hop, &lookup, way) {
                changed.push(hop);
            }
        }
        self.after_judging(&changed);
        (changed, hidden)
    }

    /// The same for those that were hidden, with the ways by routes of others.
    pub fn judge_by(&mut self, hidden: &[Hidden], ways: &Ways) -> Vec<NextHop> {
        let mut changed = Vec::new();
        for (hop, lookup) in hidden {
            let way = longer(self.own_way(hop), ways.best(hop).cloned());
            if self.hops.resolver.judge(*hop, lookup, way) {
                changed.push(*hop);
            }
        }
        self.after_judging(&changed);
        changed
    }

    fn after_judging(&mut self, changed: &[NextHop]) {
        if !changed.is_empty() && self.hops.rounds < ROUNDS {
            self.hops.rounds += 1;
            self.hops.resolver.suspect_recursive();
        }
        self.resolve();
    }

    /// The best way by an own route whose next hops are on a link themselves.
    fn own_way(&self, hop: &NextHop) -> Option<Way> {
        let most = if hop.address.is_ipv4() { 32 } else { 128 };
        (1..=most).rev().find_map(|length| {
            let prefix = Prefix::new(hop.address, length).ok()?;
            let prefix = Prefix::new(prefix.network(), length).ok()?;
            let entry = self.entries.get(&prefix)?;
            let hops = self.sets.get(entry.desired())?;
            let usable = self.failures.reason(prefix).is_none()
                && !hops.contains(hop)
                && self.hops.resolver.are_direct(hops);
            usable.then(|| Way {
                prefix,
                gateways: self.hops.resolver.gateways(hops),
            })
        })
    }
}

/// The longer prefix, of two the first.
fn longer(one: Option<Way>, other: Option<Way>) -> Option<Way> {
    match (one, other) {
        (Some(one), Some(other)) if other.prefix.prefix() > one.prefix.prefix() => Some(other),
        (one, other) => one.or(other),
    }
}
