//! What several peers, or one, tell of one prefix.

use super::super::decision::PathStatus;
use super::Path;
use crate::speaker::PeerId;

/// The paths of one prefix. Most prefixes have one.
#[derive(Debug)]
pub(super) enum Paths {
    One(Path),
    #[expect(
        clippy::box_collection,
        reason = "one word, so that the common case is no larger than a path"
    )]
    Many(Box<Vec<Path>>),
    /// Some are of peers that tell several (RFC 7911).
    WithIds(Box<WithIds>),
}

/// Paths, and the identifier of each; 0 for the only one of its peer.
#[derive(Debug, Default)]
pub(super) struct WithIds {
    paths: Vec<Path>,
    ids: Vec<u32>,
}

const _: () = assert!(size_of::<Paths>() == size_of::<Path>() && size_of::<Path>() == 16);

impl Paths {
    pub(super) fn as_slice(&self) -> &[Path] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::Many(paths) => paths,
            Self::WithIds(with_ids) => &with_ids.paths,
        }
    }

    pub(super) fn best(&self) -> Option<&Path> {
        let mut paths = self.as_slice().iter();
        paths.find(|path| path.status == PathStatus::Best)
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [Path] {
        match self {
            Self::One(path) => std::slice::from_mut(path),
            Self::Many(paths) => paths,
            Self::WithIds(with_ids) => &mut with_ids.paths,
        }
    }

    pub(super) fn new(path: Path, id: u32) -> Self {
        if id == 0 {
            return Self::One(path);
        }
        Self::WithIds(Box::new(WithIds {
            paths: vec![path],
            ids: vec![id],
        }))
    }

    /// Each with its identifier.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, u32)> {
        let ids = match self {
            Self::WithIds(with_ids) => &with_ids.ids[..],
            Self::One(_) | Self::Many(_) => &[],
        };
        let ids = ids.iter().copied().chain(std::iter::repeat(0));
        self.as_slice().iter().zip(ids)
    }

    /// The path of a peer with this identifier.
    pub(super) fn find_mut(&mut self, peer: PeerId, id: u32) -> Option<&mut Path> {
        let is = |(path, other): (&Path, u32)| path.peer() == peer && other == id;
        let place = self.iter().position(is)?;
        self.as_mut_slice().get_mut(place)
    }

    pub(super) fn push(&mut self, path: Path, id: u32) {
        match self {
            Self::WithIds(with_ids) => {
                with_ids.paths.push(path);
                with_ids.ids.push(id);
            }
            _ if id != 0 => {
                let mut with_ids = WithIds {
                    paths: self.as_slice().to_vec(),
                    ids: vec![0; self.as_slice().len()],
                };
                with_ids.paths.push(path);
                with_ids.ids.push(id);
                *self = Self::WithIds(Box::new(with_ids));
            }
            Self::One(first) => *self = Self::Many(Box::new(vec![first.clone(), path])),
            Self::Many(paths) => {
                paths.reserve_exact(1);
                paths.push(path);
            }
        }
    }

    /// Is one left?
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Path, u32) -> bool) -> bool {
        match self {
            Self::One(path) => return keep(path, 0),
            Self::Many(paths) => paths.retain(|path| keep(path, 0)),
            Self::WithIds(with_ids) => {
                let WithIds { paths, ids } = &mut **with_ids;
                let mut before = std::mem::take(ids).into_iter();
                paths.retain(|path| {
                    let id = before.next().unwrap_or_default();
                    let kept = keep(path, id);
                    ids.extend(kept.then_some(id));
                    kept
                });
                if ids.iter().all(|id| *id == 0) {
                    *self = Self::Many(Box::new(std::mem::take(paths)));
                }
            }
        }
        if let Self::Many(paths) = self
            && let [path] = &paths[..]
        {
            *self = Self::One(path.clone());
        }
        !self.as_slice().is_empty()
    }
}
