//! What a look at the kernel shows.

use std::collections::BTreeMap;

use super::super::Gateway;
use super::{Object, Objects, Shape};

/// What a look at the kernel showed to be different from what was believed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Groups that are gone, and their routes with them.
    pub gone: Vec<u32>,
    /// How many objects are missing or have become others.
    pub objects: usize,
}

impl Objects {
    /// What the kernel has: all objects.
    pub fn observe(&mut self, all: impl IntoIterator<Item = Object>) -> Differences {
        let all = all.into_iter().filter(Object::has_own_number);
        let mut now: BTreeMap<u32, Object> = all.map(|object| (object.id, object)).collect();
        for object in now.values_mut() {
            if object.extras && object.protocol == self.protocol {
                object.shape = Shape::Other;
            }
            if let Shape::Group { members, .. } = &mut object.shape {
                members.sort_unstable();
            }
        }
        let mut differences = Differences::default();
        for (id, before) in &self.known {
            let after = now.get(id);
            differences.objects += usize::from(after != Some(before));
            let was_group = matches!(before.shape, Shape::Group { .. });
            let ours = before.protocol == self.protocol;
            if was_group && ours && after.is_none() {
                differences.gone.push(*id);
            }
        }
        self.known = now;
        self.evade();
        differences
    }

    /// Another program has taken one of our numbers: another one is used.
    fn evade(&mut self) {
        let protocol = self.protocol;
        let taken = |known: &BTreeMap<u32, Object>, id: &u32| {
            known
                .get(id)
                .is_some_and(|object| object.protocol != protocol)
        };
        let hops: Vec<Gateway> = self
            .hops
            .iter()
            .filter(|(_, id)| taken(&self.known, id))
            .map(|(gateway, _)| *gateway)
            .collect();
        for gateway in hops {
            if let Some(id) = self.free_id() {
                self.hops.insert(gateway, id);
            }
        }
        for (id, _) in self.wanted.iter().filter(|(id, _)| taken(&self.known, id)) {
            self.refused.insert(*id, libc::EEXIST);
        }
    }
}
