//! The best paths of a prefix, in order: what a peer is told that takes several (RFC 7911).

use std::sync::Arc;

use super::{Candidate, LocRoute, Multipath, PathStatus, Rib, Source, Teller, decide};
use crate::speaker::NextHops;
use crate::wire::Prefix;

/// One of the paths of a prefix.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// The path; without next hops.
    pub route: LocRoute,
    /// Which of its peer's paths.
    pub path_id: u32,
}

impl Rib {
    /// The best paths for which `allowed` holds, best first, at most so many: the best one of all,
    /// the best one of the others, and so on. `complete`: also those that are not decided yet;
    /// false while selection is deferred (RFC 4724 §4.1).
    #[must_use]
    pub fn best(
        &self,
        prefix: &Prefix,
        most: usize,
        complete: bool,
        allowed: impl Fn(&LocRoute) -> bool,
    ) -> Vec<Ranked> {
        let ranked = |source, attributes: &Arc<_>, path_id| Ranked {
            route: LocRoute {
                source,
                attributes: Arc::clone(attributes),
                next_hops: NextHops::default(),
            },
            path_id,
        };
        let own = self.networks.contains(prefix);
        let own = own.then(|| (ranked(Source::Own, &self.own, 0), Teller::Own));
        let learned = self.adj_in.paths_with_ids(prefix).filter(|(path, _)| {
            path.status.is_eligible() && (complete || path.status != PathStatus::Pending)
        });
        let learned = learned.filter_map(|(path, path_id)| {
            let id = path.peer();
            let teller = self.tellers.get(id.index()).copied().flatten()?;
            let source = Source::of(id, teller);
            Some((ranked(source, &path.attributes, path_id), teller))
        });
        let all = own.into_iter().chain(learned);
        let mut left: Vec<_> = all.filter(|(path, _)| allowed(&path.route)).collect();
        let mut best = Vec::with_capacity(most.min(left.len()));
        while best.len() < most {
            let candidates: Vec<_> = left.iter().map(candidate).collect();
            let Some(next) = decide(&candidates, Multipath::ONE).best else {
                break;
            };
            best.push(left.remove(next).0);
        }
        best
    }
}

fn candidate((path, teller): &(Ranked, Teller)) -> Candidate<'_> {
    Candidate {
        attributes: &path.route.attributes,
        teller: *teller,
        path_id: path.path_id,
    }
}
