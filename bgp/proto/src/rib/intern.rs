//! Equal attributes are stored once, from whichever UPDATE or peer they came.

use std::collections::HashSet;
use std::sync::Arc;

use crate::attr::PathAttributes;

/// The pool. It also holds what nobody uses any more, until as much has come in as it held after
/// the last sweep: the cost per attribute set stays constant and the pool below twice the need.
#[derive(Debug, Default)]
pub(super) struct Interner {
    pool: HashSet<Arc<PathAttributes>>,
    sweep_at: usize,
}

/// Not worth a sweep below this many.
const SMALL: usize = 1024;

impl Interner {
    /// The shared copy of equal attributes.
    pub(super) fn intern(&mut self, attributes: Arc<PathAttributes>) -> Arc<PathAttributes> {
        if let Some(known) = self.pool.get(&attributes) {
            return Arc::clone(known);
        }
        if self.pool.len() >= self.sweep_at.max(SMALL) {
            self.pool.retain(|shared| Arc::strong_count(shared) > 1);
            self.sweep_at = self.pool.len() * 2;
        }
        self.pool.insert(Arc::clone(&attributes));
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(med: u32) -> Arc<PathAttributes> {
        Arc::new(PathAttributes {
            med: Some(med),
            ..PathAttributes::default()
        })
    }

    #[test]
    fn equal_attributes_are_one_and_unused_ones_go() {
        let mut interner = Interner::default();
        let kept = interner.intern(attributes(0));
        assert!(Arc::ptr_eq(&kept, &interner.intern(attributes(0))));
        for med in 1..10_000 {
            interner.intern(attributes(med));
            assert!(interner.pool.len() <= SMALL);
        }
        assert!(
            Arc::ptr_eq(&kept, &interner.intern(attributes(0))),
            "what is in use stays"
        );
    }
}
