//! Walks over the Loc-RIB: the initial transfer, and what is told again.
//!
//! Of one family there is at most one walk under way that tells again, and one that waits: who asks
//! meanwhile gets what he asked for from the one that waits. So a peer that does nothing but ask
//! costs two entries, and its own reading.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::iana::Family;
use crate::rib::loc::Walked;
use crate::rib::{LocRib, Target};
use crate::wire::Prefix;

/// Why a walk is made.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// The session is new.
    Initial,
    /// Send also what the peer has already.
    Again,
    /// Send what these rules, towards this peer, would have made something else of.
    Anew(Arc<Target>),
}

impl Purpose {
    fn is_again(&self) -> bool {
        matches!(self, Self::Again)
    }
}

/// An interrupted walk over one family.
#[derive(Clone, Debug)]
struct Walk {
    family: Family,
    begun: bool,
    last: Option<Prefix>,
    purpose: Purpose,
    /// Between BoRR and EoRR (RFC 7313 §4.1).
    bracketed: bool,
}

/// A part of a walk.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) family: Family,
    pub(super) prefixes: Vec<Prefix>,
    /// How many were looked at to find these.
    pub(super) visited: usize,
    pub(super) purpose: Purpose,
    /// BoRR comes before it.
    pub(super) begins: bool,
    /// EoRR comes after it.
    pub(super) ends: bool,
}

/// The walks of one session, in the order of their turns.
#[derive(Debug, Default)]
pub(super) struct Walks {
    queue: VecDeque<Walk>,
}

impl Walks {
    /// One walk for each family: the initial transfer.
    pub(super) fn initial(families: &[Family]) -> Self {
        let walk = |family: &Family| Walk {
            family: *family,
            begun: false,
            last: None,
            purpose: Purpose::Initial,
            bracketed: false,
        };
        Self {
            queue: families.iter().map(walk).collect(),
        }
    }

    /// The family has to be told again.
    pub(super) fn again(&mut self, family: Family, bracketed: bool) {
        let mut waiting = self.queue.iter_mut();
        let waiting =
            waiting.find(|walk| walk.family == family && walk.purpose.is_again() && !walk.begun);
        if let Some(walk) = waiting {
            walk.bracketed |= bracketed;
            return;
        }
        self.queue.push_back(Walk {
            family,
            begun: false,
            last: None,
            purpose: Purpose::Again,
            bracketed,
        });
    }

    /// The family has to be told anew. Where that is being done already, all of it is told again: it
    /// is not known by which rules each prefix was told.
    pub(super) fn anew(&mut self, family: Family, before: &Arc<Target>) {
        let of_family = |walk: &Walk| walk.family == family;
        let doing = |walk: &Walk| of_family(walk) && matches!(walk.purpose, Purpose::Anew(_));
        let waits = |walk: &Walk| of_family(walk) && walk.purpose.is_again() && !walk.begun;
        if self.queue.iter().any(doing) {
            self.queue.retain(|walk| !doing(walk));
            self.again(family, false);
        } else if !self.queue.iter().any(waits) {
            self.queue.push_back(Walk {
                family,
                begun: false,
                last: None,
                purpose: Purpose::Anew(Arc::clone(before)),
                bracketed: false,
            });
        }
    }

    /// `unfinished`: families whose End-of-RIB has not been sent; before that no BoRR may be
    /// (RFC 7313 §4.1).
    pub(super) fn has_work(&self, unfinished: &[Family]) -> bool {
        self.queue.iter().any(|walk| walk.may_go(unfinished))
    }

    /// Up to `most` prefixes of the next walk that may go on.
    pub(super) fn next(
        &mut self,
        loc: LocRib<'_>,
        most: usize,
        unfinished: &[Family],
    ) -> Option<Part> {
        let index = self.queue.iter().position(|walk| walk.may_go(unfinished))?;
        let walk = self.queue.get_mut(index)?;
        let Walked { prefixes, next } = loc.walk(walk.last, walk.family, most);
        let done = next.is_none();
        let part = Part {
            family: walk.family,
            purpose: walk.purpose.clone(),
            begins: walk.bracketed && !walk.begun,
            ends: walk.bracketed && done,
            visited: if done { prefixes.len() } else { most },
            prefixes,
        };
        walk.begun = true;
        walk.last = next;
        if done {
            self.queue.remove(index);
        }
        Some(part)
    }
}

impl Walk {
    fn may_go(&self, unfinished: &[Family]) -> bool {
        !self.bracketed || !unfinished.contains(&self.family)
    }
}
