//! Sorted pairs in chunks of bounded size.

use super::{Key, SPREAD};

/// Entries of a chunk at most.
pub(super) const CHUNK: usize = 64;
/// A chunk grows by so many.
pub(super) const GROWTH: usize = 8;

/// Invariants: no chunk is empty; a chunk's head is not after its first key and after all keys of
/// the chunk before.
#[derive(Clone, Debug)]
pub(super) struct Chunked<K, V> {
    pub(super) heads: Vec<K>,
    pub(super) chunks: Vec<Vec<(K, V)>>,
    pub(super) len: usize,
}

impl<K, V> Default for Chunked<K, V> {
    fn default() -> Self {
        Self {
            heads: Vec::new(),
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<K: Key, V> Chunked<K, V> {
    /// The chunk that a key is in, if it is there.
    pub(super) fn chunk_of(&self, key: K) -> usize {
        let after = self.heads.partition_point(|head| *head <= key);
        after.saturating_sub(1)
    }

    /// Its chunk, and its place there; or where it would have to be put.
    pub(super) fn find(&self, key: K) -> (usize, Result<usize, usize>) {
        let index = self.chunk_of(key);
        let chunk = self.chunks.get(index).map_or(&[][..], Vec::as_slice);
        (index, chunk.binary_search_by_key(&key, |(key, _)| *key))
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        let (index, place) = self.find(key);
        let (_, value) = self.chunks.get(index)?.get(place.ok()?)?;
        Some(value)
    }

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let (index, place) = self.find(key);
        let (_, value) = self.chunks.get_mut(index)?.get_mut(place.ok()?)?;
        Some(value)
    }

    pub(super) fn get_marked(&self, key: K) -> Option<(&V, u32)> {
        let (index, place) = self.find(key);
        let (key, value) = self.chunks.get(index)?.get(place.ok()?)?;
        Some((value, key.mark()))
    }

    pub(super) fn set_mark(&mut self, key: K, mark: u32) -> bool {
        let (index, place) = self.find(key);
        let chunk = self.chunks.get_mut(index);
        let found = chunk.and_then(|chunk| chunk.get_mut(place.ok()?));
        if let Some((key, _)) = found {
            *key = key.marked(mark);
            return true;
        }
        false
    }

    #[expect(clippy::indexing_slicing, reason = "places that were found or made")]
    pub(super) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let (index, place) = match self.find(key) {
            (index, Ok(place)) => (index, place),
            (index, Err(place)) => self.add(index, place, key, make()),
        };
        &mut self.chunks[index][place].1
    }

    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(key) {
            (index, Ok(place)) => {
                let (_, old) = self.chunks.get_mut(index)?.get_mut(place)?;
                Some(std::mem::replace(old, value))
            }
            (index, Err(place)) => {
                self.add(index, place, key, value);
                None
            }
        }
    }

    /// Returns where it is then.
    #[expect(clippy::indexing_slicing, reason = "places that were found or made")]
    pub(super) fn add(
        &mut self,
        mut index: usize,
        mut place: usize,
        key: K,
        value: V,
    ) -> (usize, usize) {
        self.len += 1;
        let full = self.chunks.get(index).map(|chunk| chunk.len() >= CHUNK);
        // In order: the full chunk stays full.
        let next = full == Some(true) && place == CHUNK;
        if full.is_none() || next {
            index += usize::from(next);
            self.heads.insert(index, key);
            // Behind all others: more will follow, in order.
            let room = if next && index == self.chunks.len() {
                CHUNK
            } else {
                GROWTH
            };
            self.chunks.insert(index, Vec::with_capacity(room));
            place = 0;
        } else if full == Some(true) {
            let chunk = &mut self.chunks[index];
            let upper = chunk.split_off(CHUNK / 2);
            chunk.shrink_to_fit();
            self.heads.insert(index + 1, upper[0].0);
            self.chunks.insert(index + 1, upper);
            if place > CHUNK / 2 {
                index += 1;
                place -= CHUNK / 2;
            }
        }
        if key < self.heads[index] {
            self.heads[index] = key;
        }
        let chunk = &mut self.chunks[index];
        if chunk.len() == chunk.capacity() {
            chunk.reserve_exact(GROWTH);
        }
        chunk.insert(place, (key, value));
        (index, place)
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let (index, place) = self.find(key);
        let (place, chunk) = (place.ok()?, self.chunks.get_mut(index)?);
        let (_, value) = chunk.remove(place);
        self.len -= 1;
        if chunk.is_empty() {
            self.chunks.remove(index);
            self.heads.remove(index);
        } else if chunk.capacity() > chunk.len() * 2 + GROWTH {
            chunk.shrink_to(chunk.len() + GROWTH);
        }
        Some(value)
    }

    pub(super) fn pop_first(&mut self, most: usize, mut to: impl FnMut(K, V)) {
        let mut count = 0;
        let mut whole = 0;
        for chunk in &mut self.chunks {
            if count == most {
                break;
            }
            if chunk.len() <= most - count {
                count += chunk.len();
                whole += 1;
                for (key, value) in std::mem::take(chunk) {
                    to(key, value);
                }
            } else {
                for (key, value) in chunk.drain(..most - count) {
                    to(key, value);
                }
                chunk.shrink_to_fit();
                count = most;
            }
        }
        self.len -= count;
        self.chunks.drain(..whole);
        self.heads.drain(..whole);
        self.give_back();
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(K, &mut V) -> bool) {
        for chunk in &mut self.chunks {
            chunk.retain_mut(|(key, value)| keep(*key, value));
        }
        self.tidy();
    }

    pub(super) fn take_every(&mut self, every: usize, seen: &mut usize, mut to: impl FnMut(K, V)) {
        for chunk in &mut self.chunks {
            if *seen >= SPREAD {
                break;
            }
            let taken = chunk.extract_if(.., |_| {
                *seen += 1;
                (*seen - 1).is_multiple_of(every)
            });
            taken.for_each(|(key, value)| to(key, value));
        }
        self.tidy();
    }

    /// After chunks have lost entries.
    pub(super) fn tidy(&mut self) {
        let mut len = 0;
        for chunk in &mut self.chunks {
            len += chunk.len();
            if chunk.capacity() > chunk.len() * 2 + GROWTH {
                chunk.shrink_to_fit();
            }
        }
        self.len = len;
        let mut chunks = self.chunks.iter();
        self.heads
            .retain(|_| chunks.next().is_some_and(|chunk| !chunk.is_empty()));
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.give_back();
    }

    pub(super) fn give_back(&mut self) {
        if self.chunks.len() * 4 < self.chunks.capacity() {
            self.chunks.shrink_to_fit();
            self.heads.shrink_to_fit();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.chunks.iter().flatten()
    }

    pub(super) fn iter_from(&self, from: K) -> impl Iterator<Item = &(K, V)> {
        let chunks = self.chunks.get(self.chunk_of(from)..).unwrap_or_default();
        chunks
            .iter()
            .flatten()
            .skip_while(move |(key, _)| *key < from)
    }
}
