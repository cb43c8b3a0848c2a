//! How what a peer has told ends, or goes on: sessions and refreshes by their epochs, dead paths, and
//! those that are kept for long.

use std::sync::Arc;

use super::{AdjRibIn, Families, Path};
use crate::attr::PathAttributes;
use crate::iana::{Family, community};
use crate::rib::epochs::{Epochs, Kept};
use crate::speaker::PeerId;
use crate::wire::Prefix;

impl AdjRibIn {
    /// Long-lived, and does not say so yet, or must not be?
    pub(super) fn is_to_be_marked(&self, prefix: &Prefix, path: &Path) -> bool {
        let peer = self.peers.get(path.peer().index());
        let long_lived = peer.is_some_and(|peer| peer.of(prefix).is_long_lived(path.epoch()));
        long_lived
            && (!path.attributes.has_community(community::LLGR_STALE)
                || path.attributes.has_community(community::NO_LLGR))
    }

    /// Takes the dead paths of a prefix out, and makes those that are long-lived say so, with what
    /// `mark` makes of their attributes (RFC 9494 §4.2). Returns whether the decision has to run
    /// again.
    pub fn bury(
        &mut self,
        prefix: &Prefix,
        mut mark: impl FnMut(&PathAttributes) -> Arc<PathAttributes>,
    ) -> bool {
        let mut concerned = self.remove(prefix, |epochs, path, _| {
            let unwanted = epochs.is_long_lived(path.epoch())
                && path.attributes.has_community(community::NO_LLGR);
            if unwanted {
                epochs.count(path, false);
            }
            unwanted || !epochs.is_live(path.epoch())
        });
        let Some(paths) = self.table.get_mut(prefix) else {
            return concerned;
        };
        for path in paths.as_mut_slice() {
            let peer = self.peers.get(path.peer().index());
            let long_lived = peer.is_some_and(|peer| peer.of(prefix).is_long_lived(path.epoch()));
            if long_lived && !path.attributes.has_community(community::LLGR_STALE) {
                path.attributes = mark(&path.attributes);
                concerned |= path.status.is_eligible();
            }
        }
        concerned
    }

    /// The peer's session has ended. What it told in families of `keep` is stale from now on (RFC
    /// 4724 §4.2); the rest of it is dead, and so is what was stale already, but for what is
    /// kept `again`. `buried_by` is the lap of the sweep after which no dead path is left. Returns
    /// whether any is dead.
    pub fn end_session(
        &mut self,
        peer: PeerId,
        keep: &[Family],
        again: bool,
        buried_by: u64,
    ) -> bool {
        let mut dead = false;
        for (family, epochs) in self
            .peers
            .get_mut(peer.index())
            .into_iter()
            .flat_map(Families::each_mut)
        {
            epochs.end_session(keep.contains(&family), again, buried_by);
            dead |= epochs.has_dead();
        }
        dead
    }

    /// Whether dead paths must be buried before another session of the peer may end.
    #[must_use]
    pub fn is_crowded(&self, peer: PeerId) -> bool {
        let peer = self.peers.get(peer.index());
        peer.is_some_and(|peer| peer.v4.is_crowded() || peer.v6.is_crowded())
    }

    /// The peer's stale paths of a family, or only those that are kept so, are dead from now on.
    /// Returns how many they were.
    pub fn flush_stale(
        &mut self,
        peer: PeerId,
        family: Family,
        kept: Option<Kept>,
        buried_by: u64,
    ) -> usize {
        let epochs = self.epochs_mut(peer, family);
        epochs.map_or(0, |epochs| epochs.flush(kept, buried_by))
    }

    /// The peer's stale paths of a family are long-lived from now on. Returns how many they are.
    pub fn begin_long_lived(&mut self, peer: PeerId, family: Family) -> usize {
        let epochs = self.epochs_mut(peer, family);
        epochs.map_or(0, Epochs::begin_long_lived)
    }

    /// The peer begins to tell everything of a family again (RFC 7313 §4.2).
    pub fn begin_refresh(&mut self, peer: PeerId, family: Family) {
        if let Some(epochs) = self.epochs_mut(peer, family) {
            epochs.begin_refresh();
        }
    }

    /// What the peer has not told again since then is dead from now on. Returns how many those are.
    pub fn end_refresh(&mut self, peer: PeerId, family: Family, buried_by: u64) -> usize {
        let epochs = self.epochs_mut(peer, family);
        epochs.map_or(0, |epochs| epochs.end_refresh(buried_by))
    }

    fn epochs_mut(&mut self, peer: PeerId, family: Family) -> Option<&mut Epochs> {
        let mut families = self.peers.get_mut(peer.index())?.each_mut().into_iter();
        let (_, epochs) = families.find(|(known, _)| *known == family)?;
        Some(epochs)
    }
}
