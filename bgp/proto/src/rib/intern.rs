//! Equal attributes, and equal sets of gateways, are stored once, from whichever UPDATE or peer
//! they came.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::ops::Deref;
use std::sync::Arc;

use crate::speaker::NextHops;

/// What can be shared.
pub(crate) trait Shared: Deref + Borrow<Self::Target> + Clone + Eq + Hash {
    /// Does anybody but the pool have it?
    fn is_used(&self) -> bool;
}

impl<T: Eq + Hash> Shared for Arc<T> {
    fn is_used(&self) -> bool {
        Arc::strong_count(self) > 1
    }
}

impl Shared for NextHops {
    fn is_used(&self) -> bool {
        self.copies() > 1
    }
}

/// The pool, in parts: a part is all that an insertion may sweep or move, so that none takes long
/// however many there are.
#[derive(Debug)]
pub(crate) struct Interner<S> {
    parts: Vec<Part<S>>,
    hasher: RandomState,
    /// Users that went since a part was swept for that.
    released: usize,
    /// The part whose turn it is then.
    turn: usize,
}

/// It also holds what nobody uses any more, until as much has come in as it held after the last
/// sweep: the cost per attribute set stays constant and the part below twice the need. The keys are
/// the hashes: growing does not look at what is stored.
#[derive(Debug)]
struct Part<S> {
    pool: HashMap<u64, S, BuildHasherDefault<Itself>>,
    sweep_at: usize,
}

/// How many.
const PARTS: usize = 64;

/// Not worth a sweep below this many.
const SMALL: usize = 32;

/// A hash is its own hash.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Never asked for: keys are numbers.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl<S> Default for Interner<S> {
    fn default() -> Self {
        let part = || Part {
            pool: HashMap::default(),
            sweep_at: 0,
        };
        Self {
            parts: std::iter::repeat_with(part).take(PARTS).collect(),
            hasher: RandomState::new(),
            released: 0,
            turn: 0,
        }
    }
}

impl<S: Shared> Interner<S>
where
    S::Target: Eq + Hash,
{
    /// Somebody uses something no more. When as many have said so as a quarter of a part has, one is
    /// swept: so what a lost table leaves is given back without a look at more than was lost.
    pub(crate) fn released(&mut self) {
        self.released += 1;
        let Some(Part { pool, sweep_at }) = self.parts.get_mut(self.turn) else {
            return;
        };
        if self.released < (pool.len() / 4).max(SMALL) {
            return;
        }
        pool.retain(|_, shared| shared.is_used());
        *sweep_at = pool.len() * 2;
        if pool.capacity() > 4 * pool.len().max(SMALL) {
            pool.shrink_to(2 * pool.len());
        }
        self.released = 0;
        self.turn = (self.turn + 1) % PARTS;
    }

    /// The shared copy of what is equal.
    pub(crate) fn intern<V: Borrow<S::Target> + Into<S>>(&mut self, value: V) -> S {
        let hash = self.hasher.hash_one(value.borrow());
        // The tables take their places from the lowest and the highest bits.
        let place = (hash >> 40) as usize % PARTS;
        let Some(Part { pool, sweep_at }) = self.parts.get_mut(place) else {
            return value.into();
        };
        if let Some(known) = pool.get(&hash) {
            let known: &S = known;
            // Two of one hash: the later one is not shared, which harms nobody.
            return if Borrow::<S::Target>::borrow(known) == value.borrow() {
                known.clone()
            } else {
                value.into()
            };
        }
        if pool.len() >= (*sweep_at).max(SMALL) {
            pool.retain(|_, shared| shared.is_used());
            *sweep_at = pool.len() * 2;
        }
        let value = value.into();
        pool.insert(hash, value.clone());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::PathAttributes;

    fn attributes(med: u32) -> Arc<PathAttributes> {
        Arc::new(PathAttributes {
            med: Some(med),
            ..PathAttributes::default()
        })
    }

    #[test]
    fn what_was_given_up_is_given_back() {
        let mut interner = Interner::<Arc<PathAttributes>>::default();
        let used: Vec<_> = (0..100_000)
            .map(|med| interner.intern(attributes(med)))
            .collect();
        for one in used {
            drop(one);
            interner.released();
        }
        let parts = interner.parts.iter();
        let (kept, room) = parts.fold((0, 0), |(kept, room), part| {
            (kept + part.pool.len(), room + part.pool.capacity())
        });
        assert!(kept < 20_000 && room < 40_000, "{kept}, {room}");
    }

    #[test]
    fn equal_attributes_are_one_and_unused_ones_go() {
        let mut interner = Interner::<Arc<PathAttributes>>::default();
        let kept = interner.intern(attributes(0));
        assert!(Arc::ptr_eq(&kept, &interner.intern(attributes(0))));
        for med in 1..10_000 {
            interner.intern(attributes(med));
            let kept: usize = interner.parts.iter().map(|part| part.pool.len()).sum();
            assert!(kept <= SMALL * PARTS);
        }
        assert!(
            Arc::ptr_eq(&kept, &interner.intern(attributes(0))),
            "what is in use stays"
        );
    }
}
