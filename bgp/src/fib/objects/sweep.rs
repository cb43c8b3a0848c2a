//! What nobody uses any more.

use std::collections::BTreeSet;

use super::{Objects, Shape, Write};

impl Objects {
    /// Own objects that can go: no route of ours has the group (`is_used`), no route of others the
    /// object (`foreign`), and none of what is wanted or stays needs it. Groups first: what is in none
    /// can go alone.
    #[must_use]
    pub fn unused(&self, is_used: impl Fn(u32) -> bool, foreign: &BTreeSet<u32>) -> Vec<Write> {
        let stays = |id: &u32| self.wanted.contains_key(id) || is_used(*id) || foreign.contains(id);
        let mut needed: BTreeSet<u32> = self.hops.values().copied().collect();
        let (mut groups, mut hops) = (Vec::new(), Vec::new());
        for (id, object) in &self.known {
            let ours = object.protocol == self.protocol;
            match &object.shape {
                Shape::Group { members, .. } if stays(id) || !ours => needed.extend(members),
                Shape::Group { .. } => groups.push(*id),
                Shape::Hop(_) if ours && !stays(id) => hops.push(*id),
                _ => {}
            }
        }
        let hops = hops.into_iter().filter(|id| !needed.contains(id));
        let all = groups.into_iter().chain(hops);
        all.map(|id| Write::Delete { id }).collect()
    }

    /// Whether [`Objects::unused`] may have something, going by what is wanted alone.
    #[must_use]
    pub fn has_unwanted(&self) -> bool {
        let used: BTreeSet<u32> = self.hops.values().copied().collect();
        self.known.values().any(|object| {
            object.protocol == self.protocol
                && !self.wanted.contains_key(&object.id)
                && !used.contains(&object.id)
                && object.shape != Shape::Other
        })
    }
}
