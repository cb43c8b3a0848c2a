//! What a peer is told, and why not the rest: asked again, since it is not kept per prefix.

use std::sync::Arc;

use super::Speaker;
use super::api::PeerId;
use super::restart::Deferral;
use super::status::RouteStatus;
use crate::attr::PathAttributes;
use crate::iana::Family;
use crate::policy::DecidedBy;
use crate::rib::export::transform;
use crate::rib::{Asker, LocRoute, PathStatus, Source, Withheld};
use crate::speaker::NextHops;
use crate::wire::Prefix;

/// A path that a peer is told, or would be.
#[derive(Clone, Debug)]
pub struct Telling {
    /// The path as it is in use here.
    pub route: RouteStatus,
    /// As what the peer is told it, or why it is not.
    pub told: Result<Box<PathAttributes>, Withheld>,
    /// The export rule that decided.
    pub rule: Option<Arc<str>>,
}

impl Speaker {
    /// Of these paths those that could be told to a peer: the best of each prefix, or several where
    /// it takes several (RFC 7911). `None`: it has no session.
    #[must_use]
    pub fn telling(&self, to: PeerId, routes: Vec<RouteStatus>) -> Option<Vec<Telling>> {
        let up = self.neighbors.get(to.index())?.up.as_ref()?;
        let asker = Asker::new(&self.rib, &up.target);
        let mut ranked: (Option<Prefix>, Vec<(Source, u32)>) = (None, vec![]);
        let mut telling = Vec::new();
        for route in routes {
            let (prefix, family) = (route.prefix, Family::of(&route.prefix));
            let Some(source) = self.rib.source(route.peer) else {
                continue;
            };
            if !up.session.negotiated.families.contains(&family) || !route.status.is_eligible() {
                continue;
            }
            let path = LocRoute {
                source,
                attributes: Arc::clone(&route.attributes),
                next_hops: NextHops::default(),
            };
            let verdict = asker.ask(&prefix, &path);
            match up.adj_out.most_paths_of(&prefix) {
                None if route.status != PathStatus::Best => continue,
                None => {}
                Some(most) => {
                    if ranked.0 != Some(prefix) {
                        let allowed = |path: &LocRoute| asker.ask(&prefix, path).is_ok();
                        let complete = self.deferral == Deferral::Done;
                        let best = self.rib.best(&prefix, most, complete, allowed);
                        let best = best.iter().map(|path| (path.route.source, path.path_id));
                        ranked = (Some(prefix), best.collect());
                    }
                    if verdict.is_ok() && !ranked.1.contains(&(source, route.path_id)) {
                        continue;
                    }
                }
            }
            let by = match verdict {
                Ok(verdict) => Some(verdict.by),
                Err(Withheld::Policy(by)) => Some(by),
                Err(_) => None,
            };
            let by = by.filter(|by| matches!(by, DecidedBy::Rule(_)));
            let rule = by.and_then(|by| up.target.policy.rule_name(&prefix, by).cloned());
            let told = verdict.map(|verdict| {
                let set = verdict.set.map(|set| &**set);
                let own = source == Source::Own;
                Box::new(transform(&route.attributes, own, family, &up.target, set))
            });
            telling.push(Telling { route, told, rule });
        }
        Some(telling)
    }
}
