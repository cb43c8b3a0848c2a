//! What a peer has told, when its session ends, when it comes back, and when it tells all again.

use std::sync::Arc;

use super::{Kept, Rib};
use crate::iana::{Family, community};
use crate::speaker::PeerId;
use crate::wire::Prefix;

impl Rib {
    /// All paths of a peer are gone.
    pub fn flush(&mut self, peer: PeerId) {
        self.mark_stale(peer, &[]);
    }

    /// The peer may come back: keeps its paths of these families as stale, once. The others, and
    /// what was stale already, are gone.
    pub fn mark_stale(&mut self, peer: PeerId, families: &[Family]) {
        self.end_session(peer, families, false);
    }

    /// The same, but what was stale already stays so (RFC 8538 §4.1), however short the session
    /// was. Whoever calls this bounds the time.
    pub fn mark_stale_again(&mut self, peer: PeerId, families: &[Family]) {
        self.end_session(peer, families, true);
    }

    fn end_session(&mut self, peer: PeerId, families: &[Family], again: bool) {
        if self.adj_in.is_crowded(peer) {
            self.bury_all();
        }
        if self
            .adj_in
            .end_session(peer, families, again, self.sweep.lap_from_now())
        {
            self.sweep.begin();
        }
    }

    /// A peer that comes and goes thousands of times while the sweep goes round once.
    fn bury_all(&mut self) {
        let found = self.adj_in.after(None, |_| false);
        let found = found.filter(|(_, has_dead)| *has_dead);
        let found: Vec<Prefix> = found.map(|(prefix, _)| prefix).collect();
        for prefix in found {
            let before = self.before(&prefix);
            if self.bury(&prefix) {
                self.touched(prefix, before);
            }
        }
        self.adj_in.swept(u64::MAX);
    }

    pub(super) fn bury(&mut self, prefix: &Prefix) -> bool {
        let interner = &mut self.interner;
        interner.released();
        self.adj_in.bury(prefix, |attributes| {
            let mut marked = attributes.clone();
            marked.add_community(community::LLGR_STALE);
            interner.intern(Arc::new(marked))
        })
    }

    /// Forgets the peer's stale paths of families for which `which` holds, or only those that are
    /// kept so. Returns how many.
    pub fn flush_stale(
        &mut self,
        peer: PeerId,
        kept: Option<Kept>,
        which: impl Fn(Family) -> bool,
    ) -> usize {
        let mut flushed = 0;
        for family in [Family::IPV4_UNICAST, Family::IPV6_UNICAST] {
            if which(family) {
                let lap = self.sweep.lap_from_now();
                flushed += self.adj_in.flush_stale(peer, family, kept, lap);
            }
        }
        if flushed > 0 {
            self.sweep.begin();
        }
        flushed
    }

    /// The peer's stale paths of a family are kept longer, and say so when the sweep has come by: the
    /// last resort, to be told only to who knows that. Those that must not be kept so are gone
    /// then (RFC 9494 §4.2). Returns how many they are now.
    pub fn begin_long_lived(&mut self, peer: PeerId, family: Family) -> usize {
        let paths = self.adj_in.begin_long_lived(peer, family);
        if paths > 0 {
            self.sweep.begin();
        }
        paths
    }

    /// The peer begins to tell everything of a family again.
    pub fn begin_refresh(&mut self, peer: PeerId, family: Family) {
        self.adj_in.begin_refresh(peer, family);
    }

    /// What the peer has not told again since then is gone. Returns how many.
    pub fn end_refresh(&mut self, peer: PeerId, family: Family) -> usize {
        let lap = self.sweep.lap_from_now();
        let gone = self.adj_in.end_refresh(peer, family, lap);
        if gone > 0 {
            self.sweep.begin();
        }
        gone
    }
}
