//! Numbers of hops and groups: those of an earlier run, or free ones.

use std::collections::BTreeSet;

use super::super::Gateway;
use super::{FIRST_ID, LAST_ID, Object, Objects, Shape};

impl Objects {
    /// An object of ours that an earlier run made.
    pub(super) fn adopted_hop(&self, gateway: &Gateway) -> Option<u32> {
        let same = |object: &&Object| {
            object.protocol == self.protocol && object.shape == Shape::Hop(*gateway)
        };
        self.known.values().find(same).map(|object| object.id)
    }

    /// A group that an earlier run made and nobody wants yet. One that lost members then counts only if
    /// no other one is whole.
    pub(super) fn adopted_group(&self, all: &[Gateway]) -> Option<u32> {
        // Neither its kind nor its number of buckets can be changed.
        let kind = self.resilient();
        let ours = self.known.values().filter(|object| {
            object.protocol == self.protocol
                && matches!(object.shape, Shape::Group { resilient, .. } if resilient == kind)
                && !self.wanted.contains_key(&object.id)
        });
        let mut best: Option<(usize, u32)> = None;
        for object in ours {
            let gateways = self.gateways(object.id);
            let fits = !gateways.is_empty() && gateways.iter().all(|g| all.contains(g));
            if fits && best.is_none_or(|(most, _)| gateways.len() > most) {
                best = Some((gateways.len(), object.id));
            }
        }
        best.map(|(_, id)| id)
    }

    pub(super) fn free_id(&mut self) -> Option<u32> {
        let given: BTreeSet<u32> = self.hops.values().copied().collect();
        let tries = LAST_ID - FIRST_ID + 1;
        for _ in 0..tries {
            self.last_id = if self.last_id >= LAST_ID {
                FIRST_ID
            } else {
                self.last_id + 1
            };
            let id = self.last_id;
            let used = self.known.contains_key(&id) || self.wanted.contains_key(&id);
            if !used && !given.contains(&id) {
                return Some(id);
            }
        }
        None
    }
}
