//! A hash for prefixes: they are looked up several times for each route that is written, and half
//! of such a lookup was the standard library's hash.

use std::hash::{BuildHasher, Hasher, RandomState};

/// An odd number without pattern: 2^64 divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Keyed at random, since prefixes are chosen by peers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed(u64);

impl Default for Seed {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }
}

impl BuildHasher for Seed {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded(self.0)
    }
}

/// Multiplies to twice the width and folds the halves: every bit reaches every bit.
pub(super) struct Folded(u64);

#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves, one after the other"
)]
fn fold(word: u64) -> u64 {
    let wide = u128::from(word) * u128::from(FACTOR);
    (wide as u64) ^ ((wide >> 64) as u64)
}

impl Folded {
    fn add(&mut self, word: u64) {
        self.0 = fold(self.0 ^ word).rotate_left(23).wrapping_add(word);
    }
}

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(u64::from(byte));
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    // The discriminant of an address.
    fn write_isize(&mut self, number: isize) {
        self.add(number.cast_unsigned() as u64);
    }

    fn finish(&self) -> u64 {
        fold(self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::fib::Prefix;

    #[test]
    fn neighbouring_prefixes_are_spread_over_buckets_and_marks() {
        let seed = Seed::default();
        let hashes = |length: u8, step: u32| -> Vec<u64> {
            (0..65_536)
                .map(|index| {
                    let address = Ipv4Addr::from(0x0a00_0000 + index * step);
                    seed.hash_one(Prefix::new(address.into(), length).unwrap())
                })
                .collect()
        };
        for (length, step) in [(24, 256), (32, 1), (30, 4)] {
            let hashes = hashes(length, step);
            assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 65_536);
            // At random, 1 - 1/e of as many buckets are hit: 41,427; also in the seven highest
            // bits, which the table keeps beside each bucket.
            let buckets: HashSet<u64> = hashes.iter().map(|hash| hash & 0xffff).collect();
            assert!(
                buckets.len() > 38_000,
                "{length}: {} {seed:?}",
                buckets.len()
            );
            let marks: HashSet<u64> = hashes.iter().map(|hash| hash >> 48).collect();
            assert!(marks.len() > 38_000, "{length}: {} {seed:?}", marks.len());
        }
    }
}
