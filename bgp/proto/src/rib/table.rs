//! An ordered map from prefixes that is small: tables of 100,000 prefixes are most of the memory.
//!
//! ```text
//!  heads   [ 10.0.0.0/24 | 10.0.64.0/24 | 10.0.128.0/24 | ... ]     where each chunk begins
//!                 |
//!  chunks  [ (key, value) x 1..=64, sorted, in one allocation ]
//! ```
//!
//! An IPv4 prefix is one word as a key, with 24 bits to spare: its *mark*, a number that whoever has the
//! map may keep with it. Prefixes that come in order leave full chunks behind;
//! others leave them three quarters full on average.

mod chunked;

use std::cmp::Ordering;
use std::mem::size_of;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use self::chunked::Chunked;
use crate::wire::Prefix;

/// How far [`PrefixMap::pop_spread`] looks: a part of a millisecond.
const SPREAD: usize = 100_000;

/// Address, length, mark: 32, 8 and [`MARK_BITS`] bits.
#[derive(Clone, Copy, Debug)]
struct V4Key(u64);
/// Address; length and mark. Words of 32 bits: halves of 64 would be padded to 24 bytes, a fifth more.
#[derive(Clone, Copy, Debug)]
struct V6Key([u32; 4], u32);

const _: () = assert!(size_of::<(V4Key, u64)>() == 16 && size_of::<(V4Key, ())>() == 8);
const _: () = assert!(size_of::<V6Key>() == 20 && size_of::<(V6Key, [u32; 2])>() == 28);

/// Bits of a [mark](PrefixMap::mark).
const MARK_BITS: u32 = 24;
/// The highest mark.
pub const MARK_MAX: u32 = (1 << MARK_BITS) - 1;

/// A key with a mark, which makes no difference to what it is equal to.
trait Key: Copy + Ord {
    fn mark(self) -> u32;
    fn marked(self, mark: u32) -> Self;
}

impl V4Key {
    fn unmarked(self) -> u64 {
        self.0 >> MARK_BITS
    }
}

impl Key for V4Key {
    fn mark(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the lowest bits")]
        let low = self.0 as u32;
        low & MARK_MAX
    }

    fn marked(self, mark: u32) -> Self {
        Self(self.unmarked() << MARK_BITS | u64::from(mark & MARK_MAX))
    }
}

impl V6Key {
    /// To compare them a half of the address at a time.
    fn unmarked(self) -> ([u64; 2], u32) {
        let [a, b, c, d] = self.0.map(u64::from);
        ([a << 32 | b, c << 32 | d], self.1 >> MARK_BITS)
    }
}

impl Key for V6Key {
    fn mark(self) -> u32 {
        self.1 & MARK_MAX
    }

    fn marked(self, mark: u32) -> Self {
        Self(self.0, self.1 & !MARK_MAX | mark & MARK_MAX)
    }
}

macro_rules! ordered_without_mark {
    ($key:ty) => {
        impl PartialEq for $key {
            fn eq(&self, other: &Self) -> bool {
                self.unmarked() == other.unmarked()
            }
        }

        impl Eq for $key {}

        impl PartialOrd for $key {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $key {
            fn cmp(&self, other: &Self) -> Ordering {
                self.unmarked().cmp(&other.unmarked())
            }
        }
    };
}

ordered_without_mark!(V4Key);
ordered_without_mark!(V6Key);

/// A map from prefixes, in their order: IPv4 first, then by address, then by length.
#[derive(Clone, Debug)]
pub struct PrefixMap<V> {
    v4: Chunked<V4Key, V>,
    v6: Chunked<V6Key, V>,
}

impl<V> Default for PrefixMap<V> {
    fn default() -> Self {
        Self {
            v4: Chunked::default(),
            v6: Chunked::default(),
        }
    }
}

fn v4_key(prefix: Ipv4Network) -> V4Key {
    let address = u64::from(prefix.ip().to_bits());
    V4Key((address << 8 | u64::from(prefix.prefix())) << MARK_BITS)
}

fn v6_key(prefix: Ipv6Network) -> V6Key {
    let bits = prefix.ip().to_bits();
    #[expect(clippy::cast_possible_truncation, reason = "the four quarters")]
    let quarters = [96, 64, 32, 0].map(|shift| (bits >> shift) as u32);
    V6Key(quarters, u32::from(prefix.prefix()) << MARK_BITS)
}

#[expect(clippy::expect_used, reason = "keys are made of prefixes only")]
fn v4_prefix(key: V4Key) -> Prefix {
    let [a, b, c, d, length, ..] = key.0.to_be_bytes();
    let prefix = Ipv4Network::new_checked(Ipv4Addr::new(a, b, c, d), length);
    IpNetwork::V4(prefix.expect("a length of 32 at most"))
}

#[expect(clippy::expect_used, reason = "keys are made of prefixes only")]
fn v6_prefix(V6Key(quarters, length): V6Key) -> Prefix {
    let [length, ..] = length.to_be_bytes();
    let bits = quarters
        .iter()
        .fold(0, |bits, quarter| bits << 32 | u128::from(*quarter));
    let address = Ipv6Addr::from_bits(bits);
    let prefix = Ipv6Network::new_checked(address, length);
    IpNetwork::V6(prefix.expect("a length of 128 at most"))
}

impl<V> PrefixMap<V> {
    /// How many prefixes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len + self.v6.len
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a prefix.
    #[must_use]
    pub fn get(&self, prefix: &Prefix) -> Option<&V> {
        match prefix {
            IpNetwork::V4(prefix) => self.v4.get(v4_key(*prefix)),
            IpNetwork::V6(prefix) => self.v6.get(v6_key(*prefix)),
        }
    }

    /// The value of a prefix, to change it.
    pub fn get_mut(&mut self, prefix: &Prefix) -> Option<&mut V> {
        match prefix {
            IpNetwork::V4(prefix) => self.v4.get_mut(v4_key(*prefix)),
            IpNetwork::V6(prefix) => self.v6.get_mut(v6_key(*prefix)),
        }
    }

    /// A number that is kept with a prefix and costs nothing: 0 at first. `None`: no such prefix.
    #[must_use]
    pub fn mark(&self, prefix: &Prefix) -> Option<u32> {
        self.get_marked(prefix).map(|(_, mark)| mark)
    }

    /// The value of a prefix, and its mark.
    #[must_use]
    pub fn get_marked(&self, prefix: &Prefix) -> Option<(&V, u32)> {
        match prefix {
            IpNetwork::V4(prefix) => self.v4.get_marked(v4_key(*prefix)),
            IpNetwork::V6(prefix) => self.v6.get_marked(v6_key(*prefix)),
        }
    }

    /// Changes it, to [`MARK_MAX`] at most. False: no such prefix.
    pub fn set_mark(&mut self, prefix: &Prefix, mark: u32) -> bool {
        match prefix {
            IpNetwork::V4(prefix) => self.v4.set_mark(v4_key(*prefix), mark),
            IpNetwork::V6(prefix) => self.v6.set_mark(v6_key(*prefix), mark),
        }
    }

    /// The value of a prefix, made where there is none.
    pub fn get_or_insert_with(&mut self, prefix: Prefix, make: impl FnOnce() -> V) -> &mut V {
        match prefix {
            IpNetwork::V4(prefix) => self.v4.get_or_insert_with(v4_key(prefix), make),
            IpNetwork::V6(prefix) => self.v6.get_or_insert_with(v6_key(prefix), make),
        }
    }

    /// Puts a value in; returns the one that it replaces.
    pub fn insert(&mut self, prefix: Prefix, value: V) -> Option<V> {
        match prefix {
            IpNetwork::V4(prefix) => self.v4.insert(v4_key(prefix), value),
            IpNetwork::V6(prefix) => self.v6.insert(v6_key(prefix), value),
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, prefix: &Prefix) -> Option<V> {
        match prefix {
            IpNetwork::V4(prefix) => self.v4.remove(v4_key(*prefix)),
            IpNetwork::V6(prefix) => self.v6.remove(v6_key(*prefix)),
        }
    }

    /// Takes up to `most` of the first out, in their order.
    pub fn pop_first(&mut self, most: usize) -> Vec<(Prefix, V)> {
        let mut first = Vec::with_capacity(most.min(self.len()));
        self.v4.pop_first(most, |key, value| {
            first.push((v4_prefix(key), value));
        });
        self.v6.pop_first(most - first.len(), |key, value| {
            first.push((v6_prefix(key), value));
        });
        first
    }

    /// Takes up to about `most` out that are spread evenly over the first [`SPREAD`], in their order.
    pub fn pop_spread(&mut self, most: usize) -> Vec<(Prefix, V)> {
        let among = self.len().min(SPREAD);
        let every = among.div_ceil(most.max(1)).max(1);
        let mut seen = 0;
        let mut spread = Vec::with_capacity(among.div_ceil(every));
        self.v4.take_every(every, &mut seen, |key, value| {
            spread.push((v4_prefix(key), value));
        });
        self.v6.take_every(every, &mut seen, |key, value| {
            spread.push((v6_prefix(key), value));
        });
        spread
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &V)> {
        let v4 = self.v4.iter().map(|(key, value)| (v4_prefix(*key), value));
        let v6 = self.v6.iter().map(|(key, value)| (v6_prefix(*key), value));
        v4.chain(v6)
    }

    /// All, in order, to change the values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Prefix, &mut V)> {
        let v4 = self.v4.chunks.iter_mut().flatten();
        let v6 = self.v6.chunks.iter_mut().flatten();
        v4.map(|(key, value)| (v4_prefix(*key), value))
            .chain(v6.map(|(key, value)| (v6_prefix(*key), value)))
    }

    /// Those of the family of `from` that are not before it, in order.
    pub fn range_from(&self, from: Prefix) -> impl Iterator<Item = (Prefix, &V)> {
        let (v4, v6) = match from {
            IpNetwork::V4(prefix) => (Some(self.v4.iter_from(v4_key(prefix))), None),
            IpNetwork::V6(prefix) => (None, Some(self.v6.iter_from(v6_key(prefix)))),
        };
        let v4 = v4.into_iter().flatten();
        let v6 = v6.into_iter().flatten();
        v4.map(|(key, value)| (v4_prefix(*key), value))
            .chain(v6.map(|(key, value)| (v6_prefix(*key), value)))
    }

    /// Those after a given one, in order: a walk that can be interrupted.
    pub fn after(&self, last: Option<Prefix>) -> impl Iterator<Item = (Prefix, &V)> {
        let v4 = match last {
            None => Some(self.v4.iter_from(V4Key(0))),
            Some(IpNetwork::V4(prefix)) => Some(self.v4.iter_from(v4_key(prefix))),
            Some(IpNetwork::V6(_)) => None,
        };
        let v6 = match last {
            Some(IpNetwork::V6(prefix)) => self.v6.iter_from(v6_key(prefix)),
            _ => self.v6.iter_from(V6Key([0; 4], 0)),
        };
        let v4 = v4.into_iter().flatten();
        v4.map(|(key, value)| (v4_prefix(*key), value))
            .chain(v6.map(|(key, value)| (v6_prefix(*key), value)))
            .skip_while(move |(prefix, _)| Some(*prefix) == last)
    }

    /// Keeps those for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(Prefix, &mut V) -> bool) {
        self.v4.retain(|key, value| keep(v4_prefix(key), value));
        self.v6.retain(|key, value| keep(v6_prefix(key), value));
    }
}

impl<V> FromIterator<(Prefix, V)> for PrefixMap<V> {
    fn from_iter<I: IntoIterator<Item = (Prefix, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (prefix, value) in entries {
            map.insert(prefix, value);
        }
        map
    }
}

#[cfg(test)]
mod tests;
