//! Routes through the speaker: sessions come and go, UPDATEs come in, the Loc-RIB changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Speaker;
use super::api::{ConnId, EventKind, PeerId};
use super::import::Judge;
use super::keep::Keep;
use super::limits::Gauges;
use super::neighbor::{Malformed, Neighbor, Up};
use super::own::OwnAddresses;
use super::refresh::Refreshing;
use super::restart::{BOUND, DOWN};
use super::status::RouteStatus;
use crate::attr::PathAttributes;
use crate::fsm::{Cause, Session};
use crate::iana::Family;
use crate::rib::{AdjRibOut, PATHS_OF_PREFIX, PathStatus};
use crate::validate::RouteUpdate;
use crate::wire::Nlri;

/// Of one UPDATE.
const PROBLEMS_TOLD: usize = 8;

impl Speaker {
    /// All paths of all prefixes with what became of them, own networks first.
    pub fn routes(&self) -> impl Iterator<Item = RouteStatus> + '_ {
        let own = self.rib.networks().filter_map(|prefix| {
            let route = self.rib.loc().get(&prefix)?;
            Some((prefix, route))
        });
        let own = own.map(|(prefix, route)| RouteStatus {
            prefix,
            peer: None,
            attributes: route.attributes,
            path_id: 0,
            stale: false,
            status: PathStatus::Best,
        });
        let learned = self.rib.adj_in().iter();
        let learned = learned.map(|(nlri, path)| self.route(nlri, path));
        own.chain(learned)
    }

    /// The peers whose paths of a prefix are in use.
    pub fn used<'a>(
        &'a self,
        prefix: &crate::wire::Prefix,
    ) -> impl Iterator<Item = PeerId> + use<'a> {
        let paths = self.rib.adj_in().paths(prefix);
        paths
            .filter(|path| path.status.is_used())
            .map(|path| path.peer())
    }

    /// The configured name of the rule that rejected or changed a path on import. None while the
    /// peer's rules have just become others and a rejected path may not be judged by them yet.
    #[must_use]
    pub fn import_rule<'a>(&'a self, route: &'a RouteStatus) -> Option<&'a str> {
        if let Some(changed) = route.attributes.changed() {
            return Some(&changed.by);
        }
        let PathStatus::Rejected(by) = route.status else {
            return None;
        };
        let peer = route.peer.filter(|peer| !self.rib.is_judging(*peer))?;
        let policy = &self.neighbors.get(peer.index())?.config.import;
        policy.rule_name(&route.prefix, by).map(|name| &**name)
    }

    pub(super) fn session_up(&mut self, id: PeerId, session: Session, now: Instant) {
        let stale_for = Duration::from_secs(self.config.graceful_restart.stale_secs.into());
        let name = self.neighbors.configured_name(id).to_owned();
        let Some(neighbor) = self.neighbors.get_mut(id.index()) else {
            return;
        };
        let asn = session.received.asn();
        neighbor.asn = Some(asn);
        let own = self
            .links
            .get(&session.conn)
            .and_then(|link| link.own.clone());
        let own = own.unwrap_or_else(|| OwnAddresses::only(session.local.ip()));
        let reach = own.reach(session.remote.ip());
        let bgp_id = session.received.bgp_id;
        let teller = neighbor.teller(bgp_id);
        let informant = neighbor.informant(&name, asn);
        let judge = Judge::new(&self.config, neighbor, Arc::clone(&informant), bgp_id, &own);
        let draining = self.drain.is_marked();
        let target = neighbor.target(&self.config, &session, own, draining);
        let most_paths = neighbor.config.offer.add_path.send.into();
        let is_kept = neighbor.helper.forwarding(&session.negotiated);
        let adj_out = AdjRibOut::new(session.negotiated.options.clone()).telling(most_paths);
        neighbor.progress.ended.clear();
        neighbor.helper.back(now + stale_for);
        neighbor.judge = Some(judge);
        neighbor.up = Some(Up {
            session,
            adj_out,
            target: Arc::new(target),
            refreshing: Refreshing::default(),
            malformed: Malformed::default(),
            gauges: Gauges::default(),
        });
        self.rib.set_teller(id, teller);
        self.rib.set_informant(id, informant);
        self.rib.set_reach(id, reach);
        // Only where the peer says that it went on forwarding (RFC 4724 §4.2, RFC 9494 §4.2).
        self.flush_stale(id, |family| !is_kept.contains(&family), now);
    }

    /// What the own end of a connection offers has become known, or is another now. What the peer
    /// has with another next hop is told again.
    pub(super) fn own_addresses(&mut self, conn: ConnId, own: OwnAddresses) {
        let Some(link) = self.links.get_mut(&conn) else {
            return;
        };
        let id = link.peer;
        link.own = Some(own.clone());
        let Some(neighbor) = self.neighbors.get_mut(id.index()) else {
            return;
        };
        let up = neighbor.up.as_mut();
        let Some(up) = up.filter(|up| up.session.conn == conn) else {
            return;
        };
        let reach = own.reach(up.session.remote.ip());
        // A next hop may be an own address now, or none any more.
        if let Some(judge) = neighbor.judge.as_mut().filter(|judge| judge.own != own) {
            judge.own = own.clone();
            judge.reach = reach.clone();
            self.rib.judge_anew(id);
        }
        let families = up.session.negotiated.families.iter().copied();
        let before: Vec<_> = families
            .map(|family| (family, up.target.own_next_hop(family)))
            .collect();
        let target = Arc::make_mut(&mut up.target);
        target.own = own;
        target.on_link = reach.is_on_link();
        for (family, next_hop) in before {
            if up.target.own_next_hop(family) != next_hop {
                up.adj_out.refresh(family);
            }
        }
        self.rib.set_reach(id, reach);
    }

    pub(super) fn session_down(&mut self, id: PeerId, conn: ConnId, cause: &Cause, now: Instant) {
        let config = self.config.graceful_restart;
        let Some(neighbor) = self.neighbors.get_mut(id.index()) else {
            return;
        };
        let Some(up) = neighbor.up.take_if(|up| up.session.conn == conn) else {
            return;
        };
        self.discarded.push_back(up.adj_out);
        let negotiated = &up.session.negotiated;
        let may_come_back = config.restart_secs > 0 && neighbor.machine.held().is_none();
        let keep = match may_come_back {
            false => Keep::default(),
            true => Keep::of(negotiated, cause, &config),
        };
        let again = negotiated.graceful_notification;
        self.keep(id, &keep, again, now);
    }

    pub(super) fn import(&mut self, id: PeerId, update: RouteUpdate, now: Instant) {
        if !update.errors.is_empty() {
            let problems = update.errors.iter().take(PROBLEMS_TOLD);
            let told: Vec<String> = problems.map(ToString::to_string).collect();
            self.update_problem(id, told.join("; "), now);
        }
        let up = self.neighbors.get(id.index());
        if up.is_none_or(|neighbor| neighbor.up.is_none()) {
            // What came with that which ended the session.
            return;
        }
        for (_, prefixes) in &update.withdrawn {
            prefixes
                .iter()
                .for_each(|nlri| self.rib.withdraw(id, *nlri));
        }
        for announcement in update.announced {
            let up = self.neighbors.get_mut(id.index());
            if let Some(up) = up.and_then(|neighbor| neighbor.up.as_mut()) {
                up.refreshing.came(announcement.family);
            }
            let family = announcement.family;
            self.announce(
                id,
                family,
                &announcement.prefixes,
                announcement.attributes,
                now,
            );
        }
        if let Some(family) = update.end_of_rib {
            self.end_of_rib(id, family, now);
        }
        self.enforce_limits(id, now);
    }

    fn update_problem(&mut self, id: PeerId, text: String, now: Instant) {
        let up = self.neighbors.get_mut(id.index());
        if let Some(up) = up.and_then(|neighbor| neighbor.up.as_mut()) {
            up.malformed.add(&text);
        }
        self.event(now, Some(id), EventKind::UpdateProblem(text));
    }

    fn announce(
        &mut self,
        id: PeerId,
        family: Family,
        prefixes: &[Nlri],
        attributes: Arc<PathAttributes>,
        now: Instant,
    ) {
        let Some(neighbor) = self.neighbors.get(id.index()) else {
            return;
        };
        let Some(judge) = neighbor.judge.as_ref().filter(|_| neighbor.up.is_some()) else {
            return;
        };
        let received = judge.received(attributes);
        let conflict = self.new_conflicts(neighbor, prefixes, &received);
        let conflict = conflict.map(|(prefix, more)| EventKind::Conflict {
            prefix,
            more,
            as_path: received.as_path.to_string(),
        });
        let received = self.rib.intern(received);
        let mut hearing = judge.hear(received);
        let mut surplus = 0;
        let mut room = neighbor.room(self.rib.adj_in(), family, prefixes.len());
        let mut ignored = 0;
        for nlri in prefixes {
            if nlri.path_id != 0 && !self.rib.adj_in().has_room(id, nlri) {
                surplus += 1;
                continue;
            }
            if !room.take(self.rib.adj_in(), id, nlri) {
                ignored += 1;
                continue;
            }
            let (pool, homes) = self.rib.pool_and_homes();
            let (attributes, status) = hearing.judge(pool, homes, &nlri.prefix);
            self.rib.announce(id, *nlri, attributes, status);
        }
        self.not_taken(id, family, ignored);
        if let Some(kind) = conflict {
            self.event(now, Some(id), kind);
        }
        if surplus > 0 {
            let most = PATHS_OF_PREFIX;
            let text = format!("{surplus} paths ignored: a prefix has {most} others already");
            self.update_problem(id, text, now);
        }
    }

    fn end_of_rib(&mut self, id: PeerId, family: Family, now: Instant) {
        let Some(neighbor) = self.neighbors.get_mut(id.index()) else {
            return;
        };
        let progress = &mut neighbor.progress;
        if progress.ended.contains(&family) {
            return;
        }
        progress.ended.push(family);
        let negotiated = neighbor
            .up
            .as_ref()
            .map(|up| &up.session.negotiated.families);
        progress.initial_done |=
            negotiated.is_some_and(|all| all.iter().all(|f| progress.ended.contains(f)));
        let counts = self.rib.adj_in().counts_of(id, family);
        let received = counts.received.saturating_sub(counts.stale);
        let kind = EventKind::EndOfRib {
            family,
            received,
            rejected: received.saturating_sub(counts.accepted),
        };
        self.event(now, Some(id), kind);
        self.flush_stale(id, |stale| stale == family, now);
    }

    /// When the deferral ends by time alone: when the last peer is no longer waited for.
    pub(super) fn deferred_until(&self) -> Option<Instant> {
        let start = self.deferral.waits_since()?;
        let awaited = self.awaited(start).map(|(_, until)| until);
        awaited.chain(self.others_until(start)).max()
    }

    /// Who is waited for by who has begun to at `start`, and until when.
    pub(super) fn awaited(&self, start: Instant) -> impl Iterator<Item = (&Neighbor, Instant)> {
        let any_complete = self.is_any_complete();
        let known = self.neighbors.iter().filter(|n| n.is_known());
        known.filter_map(move |n| {
            let until = n.progress.awaited(start, n.session(), any_complete)?;
            Some((n, until))
        })
    }

    /// Nobody knows who else will come from a range, or is on a link.
    pub(super) fn others_until(&self, start: Instant) -> Option<Instant> {
        let wait = match self.is_any_complete() {
            true => DOWN,
            false => BOUND,
        };
        self.neighbors.expects_others().then_some(start + wait)
    }

    fn is_any_complete(&self) -> bool {
        self.neighbors.iter().any(|n| n.progress.initial_done)
    }
}
