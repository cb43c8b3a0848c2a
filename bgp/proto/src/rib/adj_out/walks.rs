//! Walks over the Loc-RIB: the initial transfer, and what is told again.
//!
//! Of one family there is at most one walk under way that tells again, and one that waits: who asks
//! meanwhile gets what he asked for from the one that waits. So a peer that does nothing but ask
//! costs two entries, and its own reading.

use std::collections::VecDeque;

use crate::iana::Family;
use crate::rib::LocRib;
use crate::rib::loc::Walked;
use crate::wire::Prefix;

/// An interrupted walk over one family.
#[derive(Clone, Copy, Debug)]
struct Walk {
    family: Family,
    begun: bool,
    last: Option<Prefix>,
    /// Send also what the peer has already.
    again: bool,
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
    pub(super) again: bool,
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
            again: false,
            bracketed: false,
        };
        Self {
            queue: families.iter().map(walk).collect(),
        }
    }

    /// The family has to be told again.
    pub(super) fn again(&mut self, family: Family, bracketed: bool) {
        let mut waiting = self.queue.iter_mut();
        let waiting = waiting.find(|walk| walk.family == family && walk.again && !walk.begun);
        if let Some(walk) = waiting {
            walk.bracketed |= bracketed;
            return;
        }
        self.queue.push_back(Walk {
            family,
            begun: false,
            last: None,
            again: true,
            bracketed,
        });
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
            again: walk.again,
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
